import type { CreateFold, WindowFold } from './window-fold.ts'
import type { KeySelector } from '../../engine/stream/keys.ts'
import type { OperatorContext, StreamOperator } from '../../engine/operator/operator.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import { BATCH_RECORDS_MAX, FIRINGS_PER_SLICE_MAX } from '../../engine/base/limits.ts'
import { Emitters } from './process-context.ts'
import { KeyedInput } from './keyed-input.ts'
import { recordError, userError } from '../../engine/operator/user-error.ts'

export interface WindowParts {
  readonly key: KeySelector
  readonly allowedLatenessMs: number
  /** Side outputs besides `late`. */
  readonly sides: readonly string[]
  readonly createFold: CreateFold
}

/**
 * What all windows in event time have in common: they gather the records of a key, fire when the
 * watermark passes their end, and fire again for each record that comes after that, for as long as
 * the allowed lateness lasts.
 *
 * W1. A window is late when its end − 1 + allowedLateness is at or before the watermark. A record
 *     whose windows are all late goes to the side output `late` and changes nothing.
 * W2. A window whose end − 1 is at or before the watermark has fired.
 * W3. Firing is by timers alone, in order of (time, key); it pauses between two timers.
 * W4. What is kept of a window is removed when it becomes late, never before.
 */
export abstract class WindowOperator implements StreamOperator {
  protected readonly parts: WindowParts
  protected context!: OperatorContext
  protected fold!: WindowFold
  protected emitters!: Emitters
  #input!: KeyedInput
  readonly #late = new Int32Array(BATCH_RECORDS_MAX)
  #firings = 0

  constructor(parts: WindowParts) {
    this.parts = parts
  }

  open(context: OperatorContext): void {
    this.context = context
    this.emitters = new Emitters(context.output, this.parts.sides)
    this.fold = this.parts.createFold(this.emitters)
    this.#input = new KeyedInput(this.parts.key, context)
    this.openState(context)
  }

  processBatch(batch: RecordBatch): void {
    const { count, times } = batch
    if (count === 0) return
    if (times === undefined) throw this.#untimed(batch, 0)
    const { keyed, timers } = this.context
    const keys = this.#input.keys(batch)
    const hashes = this.#input.hashes(batch, keys)
    const late = count <= BATCH_RECORDS_MAX ? this.#late : new Int32Array(count)
    let lateCount = 0
    let index = 0
    try {
      this.startBatch(batch, timers.watermarkMs)
      for (; index < count; index += 1) {
        const ms = times[index]!
        if (ms !== ms) throw this.#untimed(batch, index)
        keyed.setCurrentKey(keys[index], hashes[index]!)
        if (!this.add(ms, index)) {
          late[lateCount] = index
          lateCount += 1
        }
      }
    } catch (thrown) {
      throw userError(thrown, this.context, batch, index)
    }
    this.emitters.flush()
    if (lateCount > 0) this.context.output.emitTo('late', batch.select(late, lateCount))
  }

  advanceWatermark(ms: number): boolean {
    this.#firings = 0
    const onTimer = (atMs: number): void => {
      this.#firings += 1
      try {
        this.onTimer(atMs)
      } catch (thrown) {
        throw userError(thrown, this.context, undefined, -1)
      }
    }
    const mayContinue = (): boolean => {
      this.emitters.drain()
      return this.#firings < FIRINGS_PER_SLICE_MAX && this.context.output.hasCredit()
    }
    const isDone = this.context.timers.fireEventTime(ms, onTimer, mayContinue)
    this.emitters.flush()
    return isDone
  }

  protected abstract openState(context: OperatorContext): void

  protected abstract startBatch(batch: RecordBatch, watermarkMs: number): void

  /** Adds the record, of the current key; false when it is late (W1). */
  protected abstract add(ms: number, index: number): boolean

  protected abstract onTimer(atMs: number): void

  #untimed(batch: RecordBatch, index: number): Error {
    return recordError(
      'EVENT_TIME_MISSING',
      `a record of "${this.context.name}" has no event time`,
      'Call assignTimestampsAndWatermarks before the window.',
      this.context,
      batch,
      index,
    )
  }
}
