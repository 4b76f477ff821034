import type { OperatorContext } from '../../engine/operator/operator.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import type { ProcessScope } from './process-context.ts'
import type { WaitingRecord } from './waiting-records.ts'
import { asyncError, isPromiseLike, userError } from '../../engine/operator/user-error.ts'
import { batchOfWaiting } from './waiting-records.ts'

/** The part of a process step that has the function for records of one input. */
interface OnRecord {
  onRecord(record: unknown, scope: ProcessScope): unknown
}

interface OnTimer {
  onTimer?(atMs: number, scope: ProcessScope): unknown
}

/**
 * Calls a user's process functions. What a function throws, and a promise that it returns, becomes
 * an error that names the step and, as far as it is known, the record.
 */
export class UserCalls {
  readonly #logic: OnTimer
  readonly #context: OperatorContext

  constructor(logic: OnTimer, context: OperatorContext) {
    this.#logic = logic
    this.#context = context
  }

  onRecord(input: OnRecord, batch: RecordBatch, index: number, scope: ProcessScope): void {
    let returned: unknown
    try {
      returned = input.onRecord(batch.rows[index], scope)
    } catch (thrown) {
      throw userError(thrown, this.#context, batch, index)
    }
    if (returned !== undefined && isPromiseLike(returned)) {
      throw asyncError('process', this.#context, batch, index)
    }
  }

  /** A record that has waited for its time. */
  onWaiting(input: OnRecord, waiting: WaitingRecord, atMs: number, scope: ProcessScope): void {
    let returned: unknown
    try {
      returned = input.onRecord(waiting.record, scope)
    } catch (thrown) {
      throw userError(thrown, this.#context, batchOfWaiting(waiting, atMs), 0)
    }
    if (returned !== undefined && isPromiseLike(returned)) {
      throw asyncError('process', this.#context, batchOfWaiting(waiting, atMs), 0)
    }
  }

  onTimer(atMs: number, scope: ProcessScope): void {
    let returned: unknown
    try {
      returned = this.#logic.onTimer?.(atMs, scope)
    } catch (thrown) {
      throw userError(thrown, this.#context, undefined, -1)
    }
    if (returned !== undefined && isPromiseLike(returned)) {
      throw asyncError('process', this.#context, undefined, -1)
    }
  }
}
