import type { OperatorContext, StreamOperator } from '../../engine/operator/operator.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import type { ReduceOptions } from './options.ts'
import type { StateDescriptor, ValueState } from '../../engine/state/state.ts'
import { asyncError, isPromiseLike, userError } from '../../engine/operator/user-error.ts'
import { KeyedInput } from './keyed-input.ts'

type Step = (left: unknown, right: unknown) => unknown

/** Keyed state of a reduce: the record that all records of the key have been folded into. */
export function reduceStates(options: ReduceOptions): readonly StateDescriptor[] {
  return [reducedState(options)]
}

/** Folds the records of a key into one, and gives it out after each. */
export class ReduceOperator implements StreamOperator {
  readonly #options: ReduceOptions
  readonly #step: Step
  #context!: OperatorContext
  #input!: KeyedInput
  #state!: ValueState<unknown, unknown>

  constructor(options: ReduceOptions) {
    this.#options = options
    this.#step = options.step as Step
  }

  open(context: OperatorContext): void {
    this.#context = context
    this.#input = new KeyedInput(this.#options.key, context)
    this.#state = context.keyed.value(reducedState(this.#options))
  }

  processBatch(batch: RecordBatch): void {
    const { keyed, output } = this.#context
    const keys = this.#input.keys(batch)
    const hashes = this.#input.hashes(batch, keys)
    const { rows, count } = batch
    const made = new Array<unknown>(count)
    const step = this.#step
    let index = 0
    try {
      for (; index < count; index += 1) {
        keyed.setCurrentKey(keys[index], hashes[index]!)
        const before = this.#state.value()
        const reduced = before === undefined ? rows[index] : step(before, rows[index])
        if (isPromiseLike(reduced)) throw asyncError('reduce', this.#context, batch, index)
        this.#state.update(reduced)
        made[index] = reduced
      }
    } catch (thrown) {
      throw userError(thrown, this.#context, batch, index)
    }
    output.emit(batch.withRows(made))
  }
}

/** The schema of the records where it is known; it then checks what the user's function gives. */
function reducedState(options: ReduceOptions): Extract<StateDescriptor, { type: 'value' }> {
  return { type: 'value', name: 'reduced', value: options.schema ?? { kind: 'packed' } }
}
