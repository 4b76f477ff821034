import type { Output } from './operator.ts'
import { BATCH_RECORDS_MAX } from '../base/limits.ts'
import { RecordBatch } from '../stream/record-batch.ts'

/**
 * Gathers rows that are made one by one into batches, for the main output or a side output.
 *
 * E1. Between `begin` and `flush` all rows come from records of one batch and take over their
 *     times and places; outside of that each row is given its time.
 * E2. `push` never reaches what is downstream: it is called from inside users' functions, which
 *     could swallow an error of another operator. The operator sends, between two of their calls.
 * E3. Nothing stays here between two calls of the operator: it flushes before it returns.
 */
export class RowEmitter {
  readonly #output: Output
  readonly #side: string | undefined
  #source: RecordBatch | undefined
  #rows: unknown[] = []
  /** Of each row its index in the source, or its time. */
  #marks = new Float64Array(BATCH_RECORDS_MAX)

  constructor(output: Output, side?: string) {
    this.#output = output
    this.#side = side
  }

  /** There is at least a batch: the operator is to `drain`. */
  get isFull(): boolean {
    return this.#rows.length >= BATCH_RECORDS_MAX
  }

  /** Rows that follow come from records of `batch`. */
  begin(batch: RecordBatch): void {
    this.#source = batch
  }

  /** `mark`: the index of the record it comes from, after `begin`; else the row's time. */
  push(row: unknown, mark: number): void {
    const at = this.#rows.length
    if (at === this.#marks.length) this.#grow()
    this.#marks[at] = mark
    this.#rows.push(row)
  }

  /** Hands out all full batches. */
  drain(): void {
    if (!this.isFull) return
    const rows = this.#rows
    this.#rows = []
    let from = 0
    for (; rows.length - from >= BATCH_RECORDS_MAX; from += BATCH_RECORDS_MAX) {
      this.#send(rows, from, from + BATCH_RECORDS_MAX)
    }
    this.#marks.copyWithin(0, from, rows.length)
    if (from < rows.length) this.#rows = rows.slice(from)
  }

  /** Hands out what is here and ends the batch of `begin`. */
  flush(): void {
    this.drain()
    const rows = this.#rows
    if (rows.length > 0) {
      this.#rows = []
      this.#send(rows, 0, rows.length)
    }
    this.#source = undefined
  }

  #send(all: unknown[], from: number, to: number): void {
    const rows = from === 0 && to === all.length ? all : all.slice(from, to)
    const marks = this.#marks.slice(from, to)
    const batch =
      this.#source === undefined
        ? RecordBatch.ofRows(rows, marks)
        : this.#source.selected(rows, undefined, Int32Array.from(marks), rows.length)
    if (this.#side === undefined) this.#output.emit(batch)
    else this.#output.emitTo(this.#side, batch)
  }

  #grow(): void {
    const larger = new Float64Array(this.#marks.length * 2)
    larger.set(this.#marks)
    this.#marks = larger
  }
}
