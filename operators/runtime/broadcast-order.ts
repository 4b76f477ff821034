import type { OperatorContext, StreamOperator } from '../../engine/operator/operator.ts'
import type { SchemaData } from '../../engine/stream/schema.ts'
import type { WaitingBroadcast } from './waiting-broadcast.ts'
import { BATCH_RECORDS_MAX } from '../../engine/base/limits.ts'
import { MIN_WATERMARK } from '../../engine/stream/elements.ts'
import { RecordBatch } from '../../engine/stream/record-batch.ts'
import { untimedError } from './waiting-records.ts'
import { BroadcastHeap } from './waiting-broadcast.ts'

/**
 * Brings a broadcast stream into the order of event time, in one subtask, before the subtasks of a
 * step in that order get their copies. Each copy thus has the same records in the same order, and
 * lateness is judged once for all of them.
 *
 * B1. A record waits until the watermark of the broadcast stream passes its time; then it goes on
 *     by (time, split, offset, content).
 * B2. A record at or behind the watermark that holds at its place goes to the side output `late`.
 * B3. A stream that turns idle holds nothing back: what waits goes on at once. What comes later
 *     and is not late follows, even where its time is less.
 */
export class BroadcastOrderOperator implements StreamOperator {
  readonly #schema: SchemaData | undefined
  #context!: OperatorContext
  #waiting!: BroadcastHeap
  #watermarkMs = MIN_WATERMARK

  constructor(schema: SchemaData | undefined) {
    this.#schema = schema
  }

  open(context: OperatorContext): void {
    this.#context = context
    this.#waiting = new BroadcastHeap(context, this.#schema)
  }

  processBatch(batch: RecordBatch): void {
    const { count, times, watermarks } = batch
    if (count === 0) return
    if (times === undefined) throw untimedError(this.#context, batch, 0)
    const late: number[] = []
    for (let index = 0; index < count; index += 1) {
      const ms = times[index]!
      if (ms !== ms) throw untimedError(this.#context, batch, index)
      if (ms <= (watermarks?.[index] ?? this.#watermarkMs)) late.push(index)
      else this.#waiting.add(batch, index)
    }
    if (late.length === 0) return
    this.#context.output.emitTo('late', batch.select(Int32Array.from(late), late.length))
  }

  advanceWatermark(ms: number): boolean {
    const { output } = this.#context
    while (this.#waiting.firstMs <= ms) {
      if (!output.hasCredit()) return false
      this.#release(ms, (atMs) => Math.max(this.#watermarkMs, atMs - 1))
    }
    this.#watermarkMs = ms
    return true
  }

  /** B3. A status cannot wait for credit; what waits is what the stream's own watermark holds. */
  onInputIdle(idle: boolean): void {
    if (!idle) return
    while (this.#waiting.firstMs < Infinity) this.#release(Infinity, () => this.#watermarkMs)
  }

  /** A batch of records up to `ms`; `markOf` gives the watermark before a record of that time. */
  #release(ms: number, markOf: (atMs: number) => number): void {
    const taken: WaitingBroadcast[] = []
    while (taken.length < BATCH_RECORDS_MAX && this.#waiting.firstMs <= ms) {
      if (this.#waiting.firstMs === Infinity) break
      taken.push(this.#waiting.take())
    }
    this.#context.output.emit(
      new RecordBatch(
        taken.length,
        taken.map(({ record }) => record),
        undefined,
        Float64Array.from(taken, ({ at }) => at),
        undefined,
        Int32Array.from(taken, ({ split }) => split),
        Float64Array.from(taken, ({ offset }) => (offset < 0 ? NaN : offset)),
        Float64Array.from(taken, ({ at }) => markOf(at)),
      ),
    )
  }
}
