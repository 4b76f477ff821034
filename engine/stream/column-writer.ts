/** Writes columns that are already there to the wire. The layout stands in `wire-schema.ts`. */
import type { Column, ColumnSet } from './columns.ts'
import type { ColumnMarks } from './column-set.ts'
import type { Memory, MarkUse } from './wire-schema.ts'
import { FieldColumns } from './column-set.ts'
import { isValid } from './columns.ts'
import {
  align,
  BLOCK_HEADER_BYTES,
  columnPlace,
  HEADER_BYTES,
  MARK,
  marksPlace,
  TEXT_FORM,
  WireSchema,
} from './wire-schema.ts'

/** Below this length a loop beats the calls to cut and copy. */
const COPY_LOOP_MAX = 64
const SCHEMAS_MAX = 32

export class SetWriter {
  places: Int32Array = new Int32Array(0)
  #schema: WireSchema | undefined
  readonly #schemas = new Map<string, WireSchema>()

  /** The schema of a set of columns: the same object for sets that look the same. */
  schemaOf(set: ColumnSet): WireSchema {
    if (this.#schema !== undefined && looksLike(set, this.#schema)) return this.#schema
    const schema = new WireSchema(
      set.columns.map((column, index) => {
        return { name: set.names[index]!, kind: column.kind, marks: useOf(set, index) }
      }),
    )
    const known = this.#schemas.get(schema.sign) ?? schema
    if (this.#schemas.size === SCHEMAS_MAX) this.#schemas.clear()
    this.#schemas.set(known.sign, known)
    this.#schema = known
    this.places = known.newPlaces()
    return known
  }

  /**
   * Writes `count` records from `from` on to `places`, blocks from `fixedEnd` on. Returns the end,
   * or -1 when the blocks would pass `limit`.
   */
  write(
    set: ColumnSet,
    from: number,
    count: number,
    memory: Memory,
    at: number,
    fixedEnd: number,
    limit: number,
  ): number {
    let end = fixedEnd
    let nth = 0
    for (let index = 0; index < set.columns.length; index += 1) {
      const column = set.columns[index]!
      const place = this.places[columnPlace(index)]!
      if (useOf(set, index) !== 'none') {
        const marks = set instanceof FieldColumns ? set.details[index]!.marks : undefined
        writeMarks(column, marks, from, count, memory.bytes, this.places[marksPlace(index)]!)
      }
      switch (column.kind) {
        case 'float64':
        case 'timestamp':
          copyFloats(column.values, from, count, memory.float64, place >> 3)
          break
        case 'int32':
          copyInts(column.values, from, count, memory.int32, place >> 2)
          break
        case 'int64':
          memory.int64.set(column.values.subarray(from, from + count), place >> 3)
          break
        case 'bool':
          memory.bytes.set(column.values.subarray(from, from + count), place)
          break
        default: {
          const details = set instanceof FieldColumns ? set.details[index] : undefined
          end = writeBlock(column, details, from, count, memory, place, at, nth, end, limit)
          if (end < 0) return -1
          nth += 1
        }
      }
    }
    return end
  }
}

function useOf(set: ColumnSet, index: number): MarkUse {
  if (set instanceof FieldColumns) return set.details[index]!.use
  return set.columns[index]!.validity === undefined ? 'none' : 'nulls'
}

function looksLike(set: ColumnSet, schema: WireSchema): boolean {
  const { columns, names } = set
  if (columns.length !== schema.fields.length) return false
  for (let index = 0; index < columns.length; index += 1) {
    const field = schema.fields[index]!
    if (columns[index]!.kind !== field.kind || names[index] !== field.name) return false
    if (useOf(set, index) !== field.marks) return false
  }
  return true
}

function writeMarks(
  column: Column,
  marks: Uint8Array | undefined,
  from: number,
  count: number,
  bytes: Uint8Array,
  place: number,
): void {
  for (let index = 0; index < count; index += 1) {
    bytes[place + index] =
      marks !== undefined
        ? marks[from + index]!
        : isValid(column.validity, from + index)
          ? MARK.value
          : MARK.null
  }
}

type BlockColumn = Extract<Column, { kind: 'utf8' | 'binary' | 'packed' }>

function writeBlock(
  column: BlockColumn,
  details: ColumnMarks | undefined,
  from: number,
  count: number,
  memory: Memory,
  ends: number,
  at: number,
  nth: number,
  start: number,
  limit: number,
): number {
  const { offsets } = column
  const first = offsets[from]!
  const length = offsets[from + count]! - first
  const units = details?.form === TEXT_FORM.units ? details.units : undefined
  const unitBytes = units === undefined ? 0 : 4 * (count + 1)
  const unitsStart = align(start + length)
  if (unitsStart + unitBytes > limit) return -1
  rebase(offsets, from, count + 1, memory.int32, ends >> 2)
  memory.bytes.set(column.bytes.subarray(first, first + length), start)
  if (units !== undefined) rebase(units, from, count + 1, memory.int32, unitsStart >> 2)
  const header = (at + HEADER_BYTES + BLOCK_HEADER_BYTES * nth) >> 2
  memory.int32[header] = start - at
  memory.int32[header + 1] = length
  memory.int32[header + 2] = details?.form ?? TEXT_FORM.unknown
  memory.int32[header + 3] = units === undefined ? 0 : unitsStart - at
  return align(unitsStart + unitBytes)
}

/** Copies ends so that the first is 0. */
function rebase(from: Int32Array, start: number, count: number, to: Int32Array, at: number): void {
  const first = from[start]!
  for (let index = 0; index < count; index += 1) to[at + index] = from[start + index]! - first
}

export function copyFloats(
  from: Float64Array,
  start: number,
  count: number,
  to: Float64Array,
  at: number,
): void {
  if (count > COPY_LOOP_MAX) {
    to.set(from.subarray(start, start + count), at)
    return
  }
  for (let index = 0; index < count; index += 1) to[at + index] = from[start + index]!
}

export function copyInts(
  from: Int32Array,
  start: number,
  count: number,
  to: Int32Array,
  at: number,
): void {
  if (count > COPY_LOOP_MAX) {
    to.set(from.subarray(start, start + count), at)
    return
  }
  for (let index = 0; index < count; index += 1) to[at + index] = from[start + index]!
}
