/** Collects records of column batches that look alike into one set of columns. */
import type { Column, ColumnSet } from './columns.ts'
import type { ColumnMarks, RowCode } from './column-set.ts'
import type { WireSchema } from './wire-schema.ts'
import { assert } from '../base/assert.ts'
import { FieldColumns, validityOf } from './column-set.ts'
import { isValid } from './columns.ts'
import { isBlock, MARK, TEXT_FORM } from './wire-schema.ts'

const BLOCK_BYTES = 16 * 1_024
/** Below this length a loop beats the call to copy bytes. */
const COPY_LOOP_MAX = 24

/** One column being filled; which arrays are used depends on its kind. */
interface Part {
  readonly int32: Int32Array
  readonly float64: Float64Array
  readonly int64: BigInt64Array
  readonly marks: Uint8Array | undefined
  /** Values of a bool column, or the block of text or bytes. */
  bytes: Uint8Array
  isAscii: boolean
}

export class ColumnBuilder {
  readonly schema: WireSchema
  count = 0
  /** Bytes of text and other blocks so far. */
  blockBytes = 0
  readonly #capacity: number
  readonly #names: readonly string[]
  readonly #code: RowCode = { maker: undefined }
  #parts: Part[]

  constructor(schema: WireSchema, capacity: number) {
    this.schema = schema
    this.#capacity = capacity
    this.#names = schema.fields.map((field) => field.name)
    this.#parts = this.#newParts()
  }

  /** Adds the records at `indices[from .. from + count)` of a set of this schema. */
  append(set: ColumnSet, indices: Int32Array, from: number, count: number): void {
    assert(this.count + count <= this.#capacity)
    const at = this.count
    for (let index = 0; index < set.columns.length; index += 1) {
      const column = set.columns[index]!
      const part = this.#parts[index]!
      const details = set instanceof FieldColumns ? set.details[index] : undefined
      if (part.marks !== undefined) {
        addMarks(column, details?.marks, indices, from, count, part.marks, at)
      }
      switch (column.kind) {
        case 'int32':
          addInts(column.values, indices, from, count, part.int32, at)
          break
        case 'float64':
        case 'timestamp':
          addFloats(column.values, indices, from, count, part.float64, at)
          break
        case 'int64':
          addBigInts(column.values, indices, from, count, part.int64, at)
          break
        case 'bool':
          addBytes(column.values, indices, from, count, part.bytes, at)
          break
        default:
          if (details?.form !== TEXT_FORM.ascii) part.isAscii = false
          this.blockBytes += addBlocks(column, indices, from, count, part, at)
      }
    }
    this.count += count
  }

  /** The columns so far. Unless `reuse`, they are not touched again. */
  take(reuse: boolean): FieldColumns {
    const { count } = this
    const columns: Column[] = []
    const details: ColumnMarks[] = []
    this.schema.fields.forEach(({ kind, marks: use }, index) => {
      const part = this.#parts[index]!
      const form = part.isAscii ? TEXT_FORM.ascii : TEXT_FORM.unknown
      columns.push(columnOf(kind === 'nothing' ? 'bool' : kind, part, count))
      details.push({ use, marks: part.marks, form, units: undefined })
    })
    this.count = 0
    this.blockBytes = 0
    if (!reuse) this.#parts = this.#newParts()
    for (const part of this.#parts) part.isAscii = true
    return new FieldColumns(count, this.#names, columns, details, false, this.#code)
  }

  #newParts(): Part[] {
    const size = this.#capacity
    return this.schema.fields.map(({ kind, marks }) => ({
      int32: new Int32Array(kind === 'int32' ? size : isBlock(kind) ? size + 1 : 0),
      float64: new Float64Array(kind === 'float64' || kind === 'timestamp' ? size : 0),
      int64: new BigInt64Array(kind === 'int64' ? size : 0),
      bytes: isBlock(kind)
        ? Buffer.allocUnsafeSlow(BLOCK_BYTES)
        : new Uint8Array(kind === 'bool' ? size : 0),
      marks: marks === 'none' ? undefined : new Uint8Array(size),
      isAscii: true,
    }))
  }
}

function columnOf(kind: Column['kind'], part: Part, count: number): Column {
  const validity = part.marks === undefined ? undefined : validityOf(part.marks, count)
  switch (kind) {
    case 'int32':
      return { kind, values: part.int32.subarray(0, count), validity }
    case 'float64':
    case 'timestamp':
      return { kind, values: part.float64.subarray(0, count), validity }
    case 'int64':
      return { kind, values: part.int64.subarray(0, count), validity }
    case 'bool':
      return { kind, values: part.bytes.subarray(0, count), validity }
    default: {
      const offsets = part.int32.subarray(0, count + 1)
      return { kind, offsets, bytes: part.bytes.subarray(0, offsets[count]), validity }
    }
  }
}

type BlockColumn = Extract<Column, { kind: 'utf8' | 'binary' | 'packed' }>

/** Returns how many bytes came in. */
function addBlocks(
  column: BlockColumn,
  indices: Int32Array,
  from: number,
  count: number,
  part: Part,
  at: number,
): number {
  const { offsets, bytes } = column
  const ends = part.int32
  const first = ends[at]!
  let length = first
  for (let nth = 0; nth < count; nth += 1) {
    const index = indices[from + nth]!
    length += offsets[index + 1]! - offsets[index]!
    ends[at + nth + 1] = length
  }
  if (length > part.bytes.length) {
    const grown = Buffer.allocUnsafeSlow(Math.max(length, part.bytes.length * 2))
    grown.set(part.bytes.subarray(0, first))
    part.bytes = grown
  }
  const into = part.bytes
  for (let nth = 0; nth < count; nth += 1) {
    const index = indices[from + nth]!
    let source = offsets[index]!
    const end = offsets[index + 1]!
    let target = ends[at + nth]!
    if (end - source > COPY_LOOP_MAX) into.set(bytes.subarray(source, end), target)
    else for (; source < end; source += 1, target += 1) into[target] = bytes[source]!
  }
  return length - first
}

function addMarks(
  column: Column,
  marks: Uint8Array | undefined,
  indices: Int32Array,
  from: number,
  count: number,
  to: Uint8Array,
  at: number,
): void {
  if (marks !== undefined) {
    addBytes(marks, indices, from, count, to, at)
    return
  }
  for (let nth = 0; nth < count; nth += 1) {
    to[at + nth] = isValid(column.validity, indices[from + nth]!) ? MARK.value : MARK.null
  }
}

// One function for each kind of array: a shared one would see them all and be slow for each.
function addInts(
  values: Int32Array,
  indices: Int32Array,
  from: number,
  count: number,
  to: Int32Array,
  at: number,
): void {
  for (let nth = 0; nth < count; nth += 1) to[at + nth] = values[indices[from + nth]!]!
}

function addFloats(
  values: Float64Array,
  indices: Int32Array,
  from: number,
  count: number,
  to: Float64Array,
  at: number,
): void {
  for (let nth = 0; nth < count; nth += 1) to[at + nth] = values[indices[from + nth]!]!
}

function addBigInts(
  values: BigInt64Array,
  indices: Int32Array,
  from: number,
  count: number,
  to: BigInt64Array,
  at: number,
): void {
  for (let nth = 0; nth < count; nth += 1) to[at + nth] = values[indices[from + nth]!]!
}

function addBytes(
  values: Uint8Array,
  indices: Int32Array,
  from: number,
  count: number,
  to: Uint8Array,
  at: number,
): void {
  for (let nth = 0; nth < count; nth += 1) to[at + nth] = values[indices[from + nth]!]!
}
