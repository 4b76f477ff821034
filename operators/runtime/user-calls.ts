import type { OperatorContext } from '../../engine/operator/operator.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import type { ProcessInput, ProcessLogic } from './process.ts'
import type { ProcessScope } from './process-context.ts'
import { asyncError, isPromiseLike, userError } from '../../engine/operator/user-error.ts'

/**
 * Calls a user's process functions. What a function throws, and a promise that it returns, becomes
 * an error that names the step and, as far as it is known, the record.
 */
export class UserCalls {
  readonly #logic: ProcessLogic
  readonly #context: OperatorContext

  constructor(logic: ProcessLogic, context: OperatorContext) {
    this.#logic = logic
    this.#context = context
  }

  onRecord(input: ProcessInput, batch: RecordBatch, index: number, scope: ProcessScope): void {
    let returned: unknown
    try {
      returned = input.onRecord(batch.rows[index], scope)
    } catch (thrown) {
      throw userError(thrown, this.#context, batch, index)
    }
    if (returned !== undefined) this.#refusePromise(returned, batch, index)
  }

  onTimer(atMs: number, scope: ProcessScope): void {
    let returned: unknown
    try {
      returned = this.#logic.onTimer?.(atMs, scope)
    } catch (thrown) {
      throw userError(thrown, this.#context, undefined, -1)
    }
    if (returned !== undefined) this.#refusePromise(returned, undefined, -1)
  }

  #refusePromise(returned: unknown, batch: RecordBatch | undefined, index: number): void {
    if (isPromiseLike(returned)) throw asyncError('process', this.#context, batch, index)
  }
}
