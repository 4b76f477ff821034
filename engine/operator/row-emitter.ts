import type { Output } from './operator.ts'
import { BATCH_RECORDS_MAX } from '../base/limits.ts'
import { MIN_WATERMARK } from '../stream/elements.ts'
import { RecordBatch } from '../stream/record-batch.ts'

/**
 * Gathers rows that are made one by one into batches, for the main output or a side output.
 *
 * E1. A row of `push` takes over time, place and watermark of its record, of the batch of `begin`.
 *     A row of `pushAt`, which a timer made, has the time it is given and no place; the watermark
 *     before it is `watermarkMs`. Both may stand in one batch, in the order they were pushed.
 * E2. `push` never reaches what is downstream: it is called from inside users' functions, which
 *     could swallow an error of another operator. The operator sends, between two of their calls.
 * E3. Nothing stays here between two calls of the operator: it flushes before it returns.
 */
export class RowEmitter {
  /** The watermark that holds before the rows of `pushAt`. */
  watermarkMs = MIN_WATERMARK
  readonly #output: Output
  readonly #side: string | undefined
  #source: RecordBatch | undefined
  #rows: unknown[] = []
  /** Of each row the index of its record in the source, or its time. */
  #places = new Float64Array(BATCH_RECORDS_MAX)
  /** Of each row the watermark before it, NaN for a row of `push`; read where `#isTimed`. */
  #watermarks = new Float64Array(BATCH_RECORDS_MAX)
  /** Whether one of the rows here is of `pushAt`. */
  #isTimed = false

  constructor(output: Output, side?: string) {
    this.#output = output
    this.#side = side
  }

  /** There is at least a batch: the operator is to `drain`. */
  get isFull(): boolean {
    return this.#rows.length >= BATCH_RECORDS_MAX
  }

  /** Rows of `push` come from records of `batch`, until `flush`. */
  begin(batch: RecordBatch): void {
    this.#source = batch
  }

  /** Adds a row that comes from record `index` of the batch of `begin`. */
  push(row: unknown, index: number): void {
    const at = this.#rows.length
    if (at === this.#places.length) this.#grow()
    this.#places[at] = index
    if (this.#isTimed) this.#watermarks[at] = NaN
    this.#rows.push(row)
  }

  /** Adds a row at an event time, epoch ms; NaN: it has none. */
  pushAt(row: unknown, timeMs: number): void {
    const at = this.#rows.length
    if (at === this.#places.length) this.#grow()
    if (!this.#isTimed) {
      this.#watermarks.fill(NaN, 0, at)
      this.#isTimed = true
    }
    this.#places[at] = timeMs
    this.#watermarks[at] = this.watermarkMs
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
    this.#places.copyWithin(0, from, rows.length)
    this.#watermarks.copyWithin(0, from, rows.length)
    if (from < rows.length) this.#rows = rows.slice(from)
    else this.#isTimed = false
  }

  /** Hands out what is here and ends the batch of `begin`. */
  flush(): void {
    this.drain()
    const rows = this.#rows
    if (rows.length > 0) {
      this.#rows = []
      this.#send(rows, 0, rows.length)
    }
    this.#isTimed = false
    this.#source = undefined
  }

  #send(all: unknown[], from: number, to: number): void {
    const rows = from === 0 && to === all.length ? all : all.slice(from, to)
    const batch = this.#batchOf(rows, from, to)
    if (this.#side === undefined) this.#output.emit(batch)
    else this.#output.emitTo(this.#side, batch)
  }

  #batchOf(rows: readonly unknown[], from: number, to: number): RecordBatch {
    const places = this.#places.slice(from, to)
    if (!this.#isTimed) {
      return this.#source!.selected(rows, undefined, Int32Array.from(places), rows.length)
    }
    const watermarks = this.#watermarks.slice(from, to)
    const source = this.#source
    if (source === undefined) return RecordBatch.ofRows(rows, places, watermarks)
    return mixedBatch(rows, source, places, watermarks)
  }

  #grow(): void {
    this.#places = twice(this.#places)
    this.#watermarks = twice(this.#watermarks)
  }
}

/** Rows of records among rows of timers: the latter have no split and no offset. */
function mixedBatch(
  rows: readonly unknown[],
  source: RecordBatch,
  places: Float64Array,
  watermarks: Float64Array,
): RecordBatch {
  const count = rows.length
  const times = new Float64Array(count)
  const offsets = source.offsets === undefined ? undefined : new Float64Array(count).fill(NaN)
  const splits = source.splits === undefined ? undefined : new Int32Array(count).fill(NO_SPLIT)
  for (let at = 0; at < count; at += 1) {
    const place = places[at]!
    if (!Number.isNaN(watermarks[at])) {
      times[at] = place
      continue
    }
    times[at] = source.times?.[place] ?? NaN
    watermarks[at] = source.watermarks?.[place] ?? MIN_WATERMARK
    if (offsets !== undefined) offsets[at] = source.offsets![place]!
    if (splits !== undefined) {
      splits[at] = typeof source.splits === 'number' ? source.splits : source.splits![place]!
    }
  }
  return new RecordBatch(count, rows, undefined, times, undefined, splits, offsets, watermarks)
}

/** In `RecordBatch.splits`: the row comes from no record. */
const NO_SPLIT = -1

function twice(values: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(values.length * 2)
  larger.set(values)
  return larger
}
