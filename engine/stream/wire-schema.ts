/**
 * What a batch on the wire holds, and where.
 *
 * ```
 * batch  := count capacity schema hidden split schemaStart schemaLength reserved    int32 each
 *           (start length form units)*     int32 each, one for every column of text or bytes
 *           times? offsets? watermarks? (float64 | int64 | timestamp column)*     8 bytes a record
 *           hashes? splits? (int32 column | ends of a column of text or bytes)*    4 bytes a record
 *           (bool column | marks)*                                                  1 byte a record
 *           block*       the bytes of text, binary and packed columns
 *           description? the schema as JSON, with the first batch that uses it
 * ```
 *
 * Every position is from the start of the batch, which lies at a multiple of 8. `capacity` is what
 * the fixed parts were laid out for; `count` records of it are there.
 *
 * W1. A mark says what stands in place of a value (MARK). A column without marks has values only.
 * W2. The fields of a row come out in the order of the schema, whatever order they went in.
 */
import { assert } from '../base/assert.ts'
import type { ColumnKind } from './columns.ts'
import { VALUE_COLUMN } from './columns.ts'

/** One byte a record: a value, null, undefined, or no such field. */
export const MARK = { value: 0, null: 1, undefined: 2, missing: 3 } as const

/** Which marks a column may have besides `value`: none, all but `missing`, or all. */
export type MarkUse = 'none' | 'nulls' | 'missing'

/** How the text of a column is held: all one byte a character; UTF-8 with the ends in UTF-16
 * units beside it; or text of which nothing is known (lone surrogates are possible). */
export const TEXT_FORM = { ascii: 0, units: 1, unknown: 2 } as const
export type TextForm = (typeof TEXT_FORM)[keyof typeof TEXT_FORM]

/** Columns that belong to the records but not to the rows. */
export const HIDDEN = {
  times: 1,
  offsets: 2,
  hashes: 4,
  splits: 8,
  oneSplit: 16,
  watermarks: 32,
} as const

export const HEADER_BYTES = 32
export const BLOCK_HEADER_BYTES = 16
/** Where the hidden columns stand in the list of places. */
export const PLACE = {
  times: 0,
  offsets: 1,
  watermarks: 2,
  hashes: 3,
  splits: 4,
  firstColumn: 5,
} as const

export interface WireField {
  readonly name: string
  /** `nothing`: no value was seen yet; on the wire a bool column that is marked throughout. */
  readonly kind: ColumnKind | 'nothing'
  readonly marks: MarkUse
}

const WIDTHS = {
  float64: 8,
  timestamp: 8,
  int64: 8,
  int32: 4,
  utf8: 4,
  binary: 4,
  packed: 4,
  bool: 1,
  nothing: 1,
} as const

/** Names may hold any character; the sign is JSON and so tells all apart. */
export class WireSchema {
  readonly fields: readonly WireField[]
  readonly sign: string
  /** Indices of the fields whose bytes lie in a block. */
  readonly blocks: readonly number[]
  readonly headerBytes: number
  readonly #bytesPerRow: number

  constructor(fields: readonly WireField[]) {
    this.fields = fields
    this.sign = JSON.stringify(fields.map((field) => [field.name, field.kind, field.marks]))
    this.blocks = fields.flatMap((field, index) => (isBlock(field.kind) ? [index] : []))
    this.headerBytes = HEADER_BYTES + BLOCK_HEADER_BYTES * this.blocks.length
    this.#bytesPerRow = fields.reduce((sum, field) => {
      return sum + WIDTHS[field.kind] + (field.marks === 'none' ? 0 : 1)
    }, 0)
  }

  static parse(sign: string): WireSchema {
    const parts = JSON.parse(sign) as [string, WireField['kind'], MarkUse][]
    return new WireSchema(parts.map(([name, kind, marks]) => ({ name, kind, marks })))
  }

  get hasPacked(): boolean {
    return this.fields.some((field) => field.kind === 'packed')
  }

  /** Whether a record is one value and no object (C2). */
  get isWhole(): boolean {
    return this.fields.length === 1 && this.fields[0]!.name === VALUE_COLUMN
  }

  /** Bytes of `capacity` records, blocks apart. */
  fixedBytes(capacity: number, hidden: number): number {
    const bytesPerRow = this.#bytesPerRow + hiddenBytes(hidden)
    return this.headerBytes + capacity * bytesPerRow + 4 * this.blocks.length + 16
  }

  /**
   * Writes to `places` where each part begins, in bytes from the start of the memory: PLACE, then
   * column and marks of each field. Returns the end.
   */
  place(at: number, capacity: number, hidden: number, places: Int32Array): number {
    assert(places.length >= PLACE.firstColumn + 2 * this.fields.length)
    const { fields } = this
    let end = at + this.headerBytes
    const take = (index: number, bytes: number): void => {
      places[index] = end
      end += bytes
    }
    if ((hidden & HIDDEN.times) !== 0) take(PLACE.times, 8 * capacity)
    if ((hidden & HIDDEN.offsets) !== 0) take(PLACE.offsets, 8 * capacity)
    if ((hidden & HIDDEN.watermarks) !== 0) take(PLACE.watermarks, 8 * capacity)
    for (let index = 0; index < fields.length; index += 1) {
      if (WIDTHS[fields[index]!.kind] === 8) take(columnPlace(index), 8 * capacity)
    }
    if ((hidden & HIDDEN.hashes) !== 0) take(PLACE.hashes, 4 * capacity)
    if ((hidden & HIDDEN.splits) !== 0) take(PLACE.splits, 4 * capacity)
    for (let index = 0; index < fields.length; index += 1) {
      const { kind } = fields[index]!
      if (WIDTHS[kind] === 4)
        take(columnPlace(index), 4 * (isBlock(kind) ? capacity + 1 : capacity))
    }
    for (let index = 0; index < fields.length; index += 1) {
      if (WIDTHS[fields[index]!.kind] === 1) take(columnPlace(index), capacity)
      if (fields[index]!.marks !== 'none') take(marksPlace(index), capacity)
    }
    return align(end)
  }

  newPlaces(): Int32Array {
    return new Int32Array(PLACE.firstColumn + 2 * this.fields.length)
  }
}

export function columnPlace(index: number): number {
  return PLACE.firstColumn + 2 * index
}

export function marksPlace(index: number): number {
  return PLACE.firstColumn + 2 * index + 1
}

export function isBlock(kind: WireField['kind']): boolean {
  return kind === 'utf8' || kind === 'binary' || kind === 'packed'
}

export function align(position: number): number {
  return (position + 7) & ~7
}

function hiddenBytes(hidden: number): number {
  let bytes = 0
  if ((hidden & HIDDEN.times) !== 0) bytes += 8
  if ((hidden & HIDDEN.offsets) !== 0) bytes += 8
  if ((hidden & HIDDEN.watermarks) !== 0) bytes += 8
  if ((hidden & HIDDEN.hashes) !== 0) bytes += 4
  if ((hidden & HIDDEN.splits) !== 0) bytes += 4
  return bytes
}

/** One stretch of memory seen in every width that columns have. */
export interface Memory {
  readonly bytes: Buffer
  readonly int32: Int32Array
  readonly float64: Float64Array
  readonly int64: BigInt64Array
}

/** The length must be a multiple of 8. */
export function memoryOf(buffer: ArrayBufferLike, start = 0): Memory {
  assert((buffer.byteLength - start) % 8 === 0)
  return {
    bytes: Buffer.from(buffer as ArrayBuffer, start),
    int32: new Int32Array(buffer, start),
    float64: new Float64Array(buffer, start),
    int64: new BigInt64Array(buffer, start),
  }
}
