import type { ColumnSet } from './columns.ts'

/**
 * Up to 1,024 records: the unit of everything that moves (architecture A3, A4).
 *
 * A batch has two faces, rows and columns. At least one is there; the other is made on demand.
 * B1. `rows`, `times`, `hashes`, `splits`, `offsets` and `watermarks`, where present, hold at least
 *     `count` entries.
 * B2. A batch that was handed to an output is never changed again, nor are its arrays.
 * B3. The columns of a batch read from a ring are views: they end with the call that got the
 *     batch. Rows never are. Who keeps anything beyond the call keeps rows.
 */
export class RecordBatch {
  readonly count: number
  #rows: readonly unknown[] | undefined
  readonly columns: ColumnSet | undefined
  /** Event time of each record, epoch ms; NaN where none was assigned. Undefined: none has any. */
  readonly times: Float64Array | undefined
  /** Hash of each record's key (`keyHash`), on a keyed exchange. */
  readonly hashes: Int32Array | undefined
  /** Index of the split each record came from: one for the whole batch, or one each; -1: of none. */
  readonly splits: number | Int32Array | undefined
  /** Offset of each record in its split. */
  readonly offsets: Float64Array | undefined
  /**
   * The watermark that holds before each record, epoch ms: never less than the one before it. It is
   * there only where a later step needs it (`JobEdge.watermarks`); the watermark behind the last
   * record is the element that follows the batch.
   */
  readonly watermarks: Float64Array | undefined

  constructor(
    count: number,
    rows: readonly unknown[] | undefined,
    columns: ColumnSet | undefined,
    times: Float64Array | undefined,
    hashes: Int32Array | undefined,
    splits: number | Int32Array | undefined,
    offsets: Float64Array | undefined,
    watermarks?: Float64Array,
  ) {
    this.count = count
    this.#rows = rows
    this.columns = columns
    this.times = times
    this.hashes = hashes
    this.splits = splits
    this.offsets = offsets
    this.watermarks = watermarks
  }

  /** The row face; may be longer than `count`. */
  get rows(): readonly unknown[] {
    return (this.#rows ??= this.columns!.toRows())
  }

  get hasRows(): boolean {
    return this.#rows !== undefined
  }

  /** The same records' places with other rows: what a map gives. */
  withRows(rows: readonly unknown[]): RecordBatch {
    return new RecordBatch(
      this.count,
      rows,
      undefined,
      this.times,
      undefined,
      this.splits,
      this.offsets,
      this.watermarks,
    )
  }

  withColumns(columns: ColumnSet): RecordBatch {
    return new RecordBatch(
      this.count,
      undefined,
      columns,
      this.times,
      undefined,
      this.splits,
      this.offsets,
      this.watermarks,
    )
  }

  /** The same records with their event times, and the watermark before each of them. */
  withTimes(times: Float64Array, watermarks: Float64Array): RecordBatch {
    return this.#timed(times, watermarks)
  }

  withWatermarks(watermarks: Float64Array): RecordBatch {
    return this.#timed(this.times, watermarks)
  }

  #timed(times: Float64Array | undefined, watermarks: Float64Array): RecordBatch {
    return new RecordBatch(
      this.count,
      this.#rows,
      this.columns,
      times,
      this.hashes,
      this.splits,
      this.offsets,
      watermarks,
    )
  }

  /** The records at `indices[0..count)`, in that order, with their times and places. */
  select(indices: Int32Array, count: number): RecordBatch {
    const columns = this.#rows === undefined ? this.columns?.gather(indices, count) : undefined
    const rows = columns === undefined ? pickRows(this.rows, indices, count) : undefined
    return this.selected(rows, columns, indices, count)
  }

  /** Rows that came from the records at `indices`: what a flatMap gives. */
  selected(
    rows: readonly unknown[] | undefined,
    columns: ColumnSet | undefined,
    indices: Int32Array,
    count: number,
  ): RecordBatch {
    return new RecordBatch(
      count,
      rows,
      columns,
      this.times === undefined ? undefined : pickFloats(this.times, indices, count),
      undefined,
      this.splits === undefined || typeof this.splits === 'number'
        ? this.splits
        : pickInts(this.splits, indices, count),
      this.offsets === undefined ? undefined : pickFloats(this.offsets, indices, count),
      this.watermarks === undefined ? undefined : pickFloats(this.watermarks, indices, count),
    )
  }

  static ofRows(
    rows: readonly unknown[],
    times?: Float64Array,
    watermarks?: Float64Array,
  ): RecordBatch {
    const { length } = rows
    return new RecordBatch(
      length,
      rows,
      undefined,
      times,
      undefined,
      undefined,
      undefined,
      watermarks,
    )
  }
}

function pickRows(from: readonly unknown[], indices: Int32Array, count: number): unknown[] {
  const picked = new Array<unknown>(count)
  for (let index = 0; index < count; index += 1) picked[index] = from[indices[index]!]
  return picked
}

function pickFloats(from: Float64Array, indices: Int32Array, count: number): Float64Array {
  const picked = new Float64Array(count)
  for (let index = 0; index < count; index += 1) picked[index] = from[indices[index]!]!
  return picked
}

function pickInts(from: Int32Array, indices: Int32Array, count: number): Int32Array {
  const picked = new Int32Array(count)
  for (let index = 0; index < count; index += 1) picked[index] = from[indices[index]!]!
  return picked
}
