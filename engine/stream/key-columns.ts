/** Hashes of keys straight from columns: the same as from the rows (K2 of `keys.ts`). */
import type { Column, ColumnSet } from './columns.ts'
import { FieldColumns } from './column-set.ts'
import { isValid } from './columns.ts'
import {
  addItem,
  endList,
  FALSE_HASH,
  hashBigInt,
  hashBytesIn,
  hashInt32,
  hashNumber,
  hashTextBytes,
  NULL_HASH,
  startList,
  TRUE_HASH,
} from './key-hash.ts'
import { keyHash } from './key-codec.ts'
import { invalidKey } from './key-selector.ts'
import { unpackValue } from './value-codec.ts'
import { MARK } from './wire-schema.ts'

/** Writes the hash of each record's key, a column's value, to `into`. False: no such column. */
export function hashField(set: ColumnSet, field: string, into: Int32Array): boolean {
  const index = set.names.indexOf(field)
  if (index < 0) return false
  const column = set.columns[index]!
  hashValues(column, set.count, into)
  if (set instanceof FieldColumns) {
    const { marks } = set.details[index]!
    if (marks !== undefined) return markNulls(marks, set.count, field, into)
  }
  if (column.validity === undefined) return true
  for (let at = 0; at < set.count; at += 1) {
    if (!isValid(column.validity, at)) into[at] = NULL_HASH
  }
  return true
}

/** As `hashField` for the key that is the array of several columns' values. */
export function hashFields(
  set: ColumnSet,
  fields: readonly string[],
  scratch: Int32Array,
  into: Int32Array,
): boolean {
  const { count } = set
  into.fill(startList(), 0, count)
  for (const field of fields) {
    if (!hashField(set, field, scratch)) return false
    for (let at = 0; at < count; at += 1) into[at] = addItem(into[at]!, scratch[at]!)
  }
  for (let at = 0; at < count; at += 1) into[at] = endList(into[at]!, fields.length)
  return true
}

function markNulls(marks: Uint8Array, count: number, field: string, into: Int32Array): true {
  for (let at = 0; at < count; at += 1) {
    if (marks[at] === MARK.value) continue
    if (marks[at] !== MARK.null) throw invalidKey(`field "${field}"`, undefined)
    into[at] = NULL_HASH
  }
  return true
}

/** Where there is no value the hash written is of no meaning. */
function hashValues(column: Column, count: number, into: Int32Array): void {
  switch (column.kind) {
    case 'int32':
      return hashInts(column.values, count, into)
    case 'float64':
    case 'timestamp':
      return hashFloats(column.values, count, into)
    case 'bool':
      for (let at = 0; at < count; at += 1) into[at] = column.values[at]! ? TRUE_HASH : FALSE_HASH
      return
    case 'int64':
      for (let at = 0; at < count; at += 1) into[at] = hashBigInt(column.values[at]!)
      return
    case 'utf8':
      return hashTexts(column.bytes, column.offsets, count, into)
    case 'binary':
      for (let at = 0; at < count; at += 1) {
        into[at] = hashBytesIn(column.bytes, column.offsets[at]!, column.offsets[at + 1]!)
      }
      return
    case 'packed':
      for (let at = 0; at < count; at += 1) {
        const packed = column.bytes.slice(column.offsets[at], column.offsets[at + 1])
        into[at] = packed.length === 0 ? 0 : keyHash(unpackValue(packed))
      }
      return
    default:
      column satisfies never
  }
}

function hashInts(values: Int32Array, count: number, into: Int32Array): void {
  for (let at = 0; at < count; at += 1) into[at] = hashInt32(values[at]!)
}

function hashFloats(values: Float64Array, count: number, into: Int32Array): void {
  for (let at = 0; at < count; at += 1) into[at] = hashNumber(values[at]!)
}

function hashTexts(bytes: Uint8Array, offsets: Int32Array, count: number, into: Int32Array): void {
  for (let at = 0; at < count; at += 1) {
    into[at] = hashTextBytes(bytes, offsets[at]!, offsets[at + 1]!)
  }
}
