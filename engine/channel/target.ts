import type { ColumnSet } from '../stream/columns.ts'
import type { WireSchema } from '../stream/wire-schema.ts'
import type { ChannelWriter } from './channel.ts'
import { BATCH_BYTES_MAX, BATCH_RECORDS_MAX } from '../base/limits.ts'
import { ColumnBuilder } from '../stream/column-builder.ts'
import { copyFloats, copyInts } from '../stream/column-writer.ts'
import { MIN_WATERMARK } from '../stream/elements.ts'
import { RecordBatch } from '../stream/record-batch.ts'

/** Schemas of column batches a target remembers a builder for. */
const BUILDERS_MAX = 8

/** Which columns beside the rows a batch has. */
export const ASIDE = { times: 1, hashes: 2, splits: 4, offsets: 8, watermarks: 16 } as const

/**
 * Collects the records for one receiver, or the same for several, up to a full batch.
 *
 * T1. All records collected at a time have the same face (rows, or columns of one schema) and the
 *     same columns beside it. What differs is sent first, and so never overtaken.
 * T2. The watermark follows the records that came before it was given, and perhaps later ones.
 */
export class Target {
  readonly writers: readonly ChannelWriter[]
  count = 0
  /** Generated code writes to these directly; `begin` made them fit. */
  rows: unknown[] = []
  times: Float64Array = NO_FLOATS
  hashes: Int32Array = NO_INTS
  splits: Int32Array = NO_INTS
  offsets: Float64Array = NO_FLOATS
  watermarks: Float64Array = NO_FLOATS
  watermark = MIN_WATERMARK
  readonly #reuse: boolean
  readonly #builders = new Map<string, ColumnBuilder>()
  #aside = 0
  #columns: ColumnBuilder | undefined
  #sentWatermark = MIN_WATERMARK

  constructor(writers: readonly ChannelWriter[]) {
    this.writers = writers
    this.#reuse = writers.every((writer) => writer.copies === true)
  }

  /** Gets ready for records of this face; undefined: rows. */
  begin(schema: WireSchema | undefined, aside: number): void {
    if (aside !== this.#aside || schema !== this.#columns?.schema) {
      this.flush()
      this.#aside = aside
      this.#columns = schema === undefined ? undefined : this.#builderOf(schema)
    }
    if (this.count === 0) this.#makeRoom()
  }

  get isHolding(): boolean {
    return this.count > 0 || this.watermark > this.#sentWatermark
  }

  /** Adds the rows `from .. from + count` and what stands beside them, after `begin`. */
  appendRows(batch: RecordBatch, from: number, count: number): void {
    const { rows } = batch
    for (let done = 0; done < count;) {
      const at = this.count
      const some = Math.min(count - done, BATCH_RECORDS_MAX - at)
      const start = from + done
      for (let index = 0; index < some; index += 1) this.rows[at + index] = rows[start + index]
      const aside = this.#aside
      if ((aside & ASIDE.times) !== 0) copyFloats(batch.times!, start, some, this.times, at)
      if ((aside & ASIDE.offsets) !== 0) copyFloats(batch.offsets!, start, some, this.offsets, at)
      if ((aside & ASIDE.watermarks) !== 0) {
        copyFloats(batch.watermarks!, start, some, this.watermarks, at)
      }
      if ((aside & ASIDE.splits) !== 0) {
        const { splits } = batch
        if (typeof splits === 'number') this.splits.fill(splits, at, at + some)
        else copyInts(splits!, start, some, this.splits, at)
      }
      this.count += some
      done += some
      if (this.count === BATCH_RECORDS_MAX) this.flush()
    }
  }

  /** Puts what stands beside chosen records from `count` on; `appendColumns` follows. */
  appendAside(
    batch: RecordBatch,
    hashes: Int32Array | undefined,
    chosen: Int32Array,
    from: number,
    count: number,
  ): void {
    const at = this.count
    const aside = this.#aside
    if ((aside & ASIDE.times) !== 0) pickFloats(batch.times!, chosen, from, count, this.times, at)
    if ((aside & ASIDE.offsets) !== 0) {
      pickFloats(batch.offsets!, chosen, from, count, this.offsets, at)
    }
    if ((aside & ASIDE.watermarks) !== 0) {
      pickFloats(batch.watermarks!, chosen, from, count, this.watermarks, at)
    }
    if ((aside & ASIDE.hashes) !== 0) pickInts(hashes!, chosen, from, count, this.hashes, at)
    if ((aside & ASIDE.splits) === 0) return
    const { splits } = batch
    if (typeof splits === 'number') this.splits.fill(splits, at, at + count)
    else pickInts(splits!, chosen, from, count, this.splits, at)
  }

  /** Adds records of columns; what stands beside them is added by the caller, from `count` on. */
  appendColumns(set: ColumnSet, indices: Int32Array, from: number, count: number): void {
    this.#columns!.append(set, indices, from, count)
    this.count += count
    const isFull = this.count === BATCH_RECORDS_MAX || this.#columns!.blockBytes >= BATCH_BYTES_MAX
    if (isFull) this.flush()
  }

  /** Sends what was collected, and the watermark that waits. */
  flush(): void {
    if (this.count > 0) this.send(this.#take())
    this.sendWatermark()
  }

  /** Sends a batch behind everything collected. */
  send(batch: RecordBatch): void {
    const element = { type: 'batch', batch } as const
    for (const writer of this.writers) writer.send(element)
  }

  sendWatermark(): void {
    if (this.watermark <= this.#sentWatermark) return
    this.#sentWatermark = this.watermark
    const element = { type: 'watermark', ms: this.watermark } as const
    for (const writer of this.writers) writer.send(element)
  }

  #take(): RecordBatch {
    const { count } = this
    const aside = this.#aside
    const columns = this.#columns?.take(this.#reuse)
    const batch = new RecordBatch(
      count,
      columns === undefined ? this.rows : undefined,
      columns,
      (aside & ASIDE.times) === 0 ? undefined : this.times,
      (aside & ASIDE.hashes) === 0 ? undefined : this.hashes,
      (aside & ASIDE.splits) === 0 ? undefined : this.splits,
      (aside & ASIDE.offsets) === 0 ? undefined : this.offsets,
      (aside & ASIDE.watermarks) === 0 ? undefined : this.watermarks,
    )
    this.count = 0
    if (!this.#reuse) {
      this.rows = []
      this.times = this.offsets = this.watermarks = NO_FLOATS
      this.hashes = this.splits = NO_INTS
    }
    this.#makeRoom()
    return batch
  }

  #makeRoom(): void {
    const aside = this.#aside
    const size = BATCH_RECORDS_MAX
    if (this.#columns === undefined && this.rows.length < size) this.rows = new Array(size)
    if ((aside & ASIDE.times) !== 0 && this.times.length < size) this.times = new Float64Array(size)
    if ((aside & ASIDE.hashes) !== 0 && this.hashes.length < size) {
      this.hashes = new Int32Array(size)
    }
    if ((aside & ASIDE.splits) !== 0 && this.splits.length < size) {
      this.splits = new Int32Array(size)
    }
    if ((aside & ASIDE.offsets) !== 0 && this.offsets.length < size) {
      this.offsets = new Float64Array(size)
    }
    if ((aside & ASIDE.watermarks) !== 0 && this.watermarks.length < size) {
      this.watermarks = new Float64Array(size)
    }
  }

  #builderOf(schema: WireSchema): ColumnBuilder {
    let builder = this.#builders.get(schema.sign)
    if (builder?.schema !== schema) {
      if (this.#builders.size === BUILDERS_MAX) this.#builders.clear()
      builder = new ColumnBuilder(schema, BATCH_RECORDS_MAX)
      this.#builders.set(schema.sign, builder)
    }
    return builder
  }
}

const NO_FLOATS = new Float64Array(0)
const NO_INTS = new Int32Array(0)

function pickFloats(
  values: Float64Array,
  chosen: Int32Array,
  from: number,
  count: number,
  to: Float64Array,
  at: number,
): void {
  for (let nth = 0; nth < count; nth += 1) to[at + nth] = values[chosen[from + nth]!]!
}

function pickInts(
  values: Int32Array,
  chosen: Int32Array,
  from: number,
  count: number,
  to: Int32Array,
  at: number,
): void {
  for (let nth = 0; nth < count; nth += 1) to[at + nth] = values[chosen[from + nth]!]!
}
