/**
 * Columns with names: the column face of a batch (`columns.ts`) and rows made from it.
 *
 * S1. A row has its fields in the order of the names, as own properties, whatever the names are.
 * S2. Marks, where present, tell null, undefined and a missing field apart; `validity` alone means
 *     null. Columns not made from rows have no marks.
 */
import { assert } from '../base/assert.ts'
import type { Column, ColumnSet } from './columns.ts'
import type { MarkUse, TextForm } from './wire-schema.ts'
import { isValid, VALUE_COLUMN } from './columns.ts'
import { readTexts } from './column-text.ts'
import { unpackValue } from './value-codec.ts'
import { MARK, TEXT_FORM } from './wire-schema.ts'

/** What is known of a column besides its values. */
export interface ColumnMarks {
  readonly use: MarkUse
  /** One of MARK for each record; undefined: validity tells. */
  readonly marks: Uint8Array | undefined
  readonly form: TextForm
  /** Ends of the texts in UTF-16 units (TEXT_FORM.units). */
  readonly units: Int32Array | undefined
}

/** Columns made elsewhere: validity tells where a value is null. */
export function columnSet(
  count: number,
  names: readonly string[],
  columns: readonly Column[],
): FieldColumns {
  assert(names.length === columns.length)
  return new FieldColumns(count, names, columns, columns.map(plainMarks), false)
}

export class FieldColumns implements ColumnSet {
  readonly count: number
  readonly names: readonly string[]
  readonly columns: readonly Column[]
  readonly details: readonly ColumnMarks[]
  /** Whether the columns are views of memory that will be used again. */
  readonly isView: boolean
  readonly #code: RowCode

  /** Sets with the same names, kinds and marks may share the `code` that makes rows. */
  constructor(
    count: number,
    names: readonly string[],
    columns: readonly Column[],
    details: readonly ColumnMarks[],
    isView: boolean,
    code: RowCode = { maker: undefined },
  ) {
    this.count = count
    this.names = names
    this.columns = columns
    this.details = details
    this.isView = isView
    this.#code = code
  }

  column(name: string): Column | undefined {
    const index = this.names.indexOf(name)
    return index < 0 ? undefined : this.columns[index]
  }

  toRows(): unknown[] {
    return (this.#code.maker ??= rowMaker(this))(this)
  }

  gather(indices: Int32Array, count: number): FieldColumns {
    const columns = this.columns.map((column) => gatherColumn(column, indices, count))
    const details = this.details.map((detail) => ({
      use: detail.use,
      marks: detail.marks === undefined ? undefined : pickBytes(detail.marks, indices, count),
      form: detail.form === TEXT_FORM.units ? TEXT_FORM.unknown : detail.form,
      units: undefined,
    }))
    return new FieldColumns(count, this.names, columns, details, false, this.#code)
  }
}

/** The same columns in memory of their own, to be kept beyond the call that brought them. */
export function copyColumns(columns: ColumnSet): ColumnSet {
  const indices = new Int32Array(columns.count)
  for (let index = 0; index < columns.count; index += 1) indices[index] = index
  return columns.gather(indices, columns.count)
}

function plainMarks(column: Column): ColumnMarks {
  const use = column.validity === undefined ? 'none' : 'nulls'
  return { use, marks: undefined, form: TEXT_FORM.unknown, units: undefined }
}

/** Marks of a column whose validity alone is known. */
export function marksOf(validity: Uint8Array | undefined, count: number): Uint8Array {
  const marks = new Uint8Array(count)
  if (validity === undefined) return marks
  for (let index = 0; index < count; index += 1) {
    marks[index] = isValid(validity, index) ? MARK.value : MARK.null
  }
  return marks
}

export function validityOf(marks: Uint8Array, count: number): Uint8Array {
  const validity = new Uint8Array((count + 7) >> 3)
  for (let index = 0; index < count; index += 1) {
    if (marks[index] === MARK.value) validity[index >> 3]! |= 1 << (index & 7)
  }
  return validity
}

export type RowMaker = (set: FieldColumns) => unknown[]

/** The generated code of one kind of sets, once it was needed. */
export interface RowCode {
  maker: RowMaker | undefined
}

/** Generated functions by what they were generated for: the same signs give the same code. */
const rowMakers = new Map<string, RowMaker>()
const ROW_MAKERS_MAX = 512

function rowMaker(set: FieldColumns): RowMaker {
  let sign = ''
  for (let index = 0; index < set.columns.length; index += 1) {
    const name = set.names[index]!
    sign += `${set.columns[index]!.kind} ${set.details[index]!.use} ${name.length}:${name}`
  }
  let maker = rowMakers.get(sign)
  if (maker === undefined) {
    if (rowMakers.size === ROW_MAKERS_MAX) rowMakers.clear()
    maker = makeRowMaker(set)
    rowMakers.set(sign, maker)
  }
  return maker
}

function makeRowMaker(set: FieldColumns): RowMaker {
  const head: string[] = []
  const literal: string[] = []
  const later: string[] = []
  const isWhole = set.names.length === 1 && set.names[0] === VALUE_COLUMN
  for (let index = 0; index < set.columns.length; index += 1) {
    const { kind } = set.columns[index]!
    const { use } = set.details[index]!
    const name = JSON.stringify(set.names[index])
    head.push(`const c${index} = valuesOf(set, ${index})`)
    if (use !== 'none') head.push(`const m${index} = marksIn(set, ${index})`)
    const value = readExpression(kind, `c${index}`)
    // In a literal `__proto__: x` would set the prototype; the computed name makes a field.
    const key = set.names[index] === '__proto__' ? `[${name}]` : name
    if (use === 'none') literal.push(`${key}: ${value}`)
    else if (use === 'nulls' || isWhole) {
      literal.push(`${key}: m${index}[i] === 0 ? ${value} : m${index}[i] === 1 ? null : undefined`)
    } else {
      const read = `m === 0 ? ${value} : m === 1 ? null : undefined`
      const property = '{ value, writable: true, enumerable: true, configurable: true }'
      const put =
        set.names[index] === '__proto__'
          ? `{ const value = ${read}; Object.defineProperty(row, ${name}, ${property}) }`
          : `row[${name}] = ${read}`
      later.push(`{ const m = m${index}[i]; if (m !== 3) ${put} }`)
    }
  }
  const row = isWhole
    ? literal[0]!.slice(JSON.stringify(VALUE_COLUMN).length + 1)
    : `{ ${literal.join(', ')} }`
  const source = `return function toRows(set) {
    const count = set.count
    const rows = new Array(count)
    ${head.join('\n')}
    for (let i = 0; i < count; i += 1) {
      const row = ${row}
      ${later.join('\n')}
      rows[i] = row
    }
    return rows
  }`
  const names = ['valuesOf', 'marksIn', 'bytesIn', 'valueIn']
  const make = new Function(...names, source) as (...given: unknown[]) => RowMaker
  return make(valuesOf, marksIn, bytesIn, valueIn)
}

function readExpression(kind: Column['kind'], values: string): string {
  switch (kind) {
    case 'bool':
      return `${values}[i] !== 0`
    case 'binary':
      return `bytesIn(${values}, i)`
    case 'packed':
      return `valueIn(${values}, i)`
    default:
      return `${values}[i]`
  }
}

/** What generated code reads the values of a column from: an array, or the column for blocks. */
function valuesOf(set: FieldColumns, index: number): unknown {
  const column = set.columns[index]!
  switch (column.kind) {
    case 'utf8': {
      const { form, units } = set.details[index]!
      const texts = new Array<string>(set.count)
      readTexts(column.bytes, column.offsets, units, set.count, form, texts)
      return texts
    }
    case 'binary':
    case 'packed':
      return column
    default:
      return column.values
  }
}

function marksIn(set: FieldColumns, index: number): Uint8Array {
  return set.details[index]!.marks ?? marksOf(set.columns[index]!.validity, set.count)
}

type BlockColumn = Extract<Column, { kind: 'utf8' | 'binary' | 'packed' }>

function bytesIn(column: BlockColumn, index: number): Uint8Array {
  const start = column.offsets[index]!
  const copy = new Uint8Array(column.offsets[index + 1]! - start)
  copy.set(column.bytes.subarray(start, start + copy.length))
  return copy
}

function valueIn(column: BlockColumn, index: number): unknown {
  return unpackValue(bytesIn(column, index))
}

function gatherColumn(column: Column, indices: Int32Array, count: number): Column {
  const validity =
    column.validity === undefined ? undefined : gatherBits(column.validity, indices, count)
  switch (column.kind) {
    case 'float64':
    case 'timestamp':
      return { kind: column.kind, values: pickFloats(column.values, indices, count), validity }
    case 'int32':
      return { kind: 'int32', values: pickInts(column.values, indices, count), validity }
    case 'int64':
      return { kind: 'int64', values: pickBigInts(column.values, indices, count), validity }
    case 'bool':
      return { kind: 'bool', values: pickBytes(column.values, indices, count), validity }
    default:
      return gatherBlocks(column, indices, count, validity)
  }
}

function gatherBlocks(
  column: BlockColumn,
  indices: Int32Array,
  count: number,
  validity: Uint8Array | undefined,
): Column {
  const from = column.offsets
  const offsets = new Int32Array(count + 1)
  let length = 0
  for (let index = 0; index < count; index += 1) {
    const source = indices[index]!
    length += from[source + 1]! - from[source]!
    offsets[index + 1] = length
  }
  const bytes = Buffer.allocUnsafeSlow(length)
  for (let index = 0, first = 0; index < count; index = first) {
    first = index + 1
    // Neighbours in the source are copied by one call.
    while (first < count && indices[first] === indices[first - 1]! + 1) first += 1
    const start = from[indices[index]!]!
    const end = from[indices[first - 1]! + 1]!
    copyBytes(column.bytes, start, end, bytes, offsets[index]!)
  }
  return { kind: column.kind, offsets, bytes, validity }
}

/** Below this length a loop beats the call. */
const COPY_LOOP_MAX = 32

function copyBytes(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  if (end - start > COPY_LOOP_MAX) {
    to.set(from.subarray(start, end), at)
    return
  }
  for (let source = start, target = at; source < end; source += 1, target += 1) {
    to[target] = from[source]!
  }
}

function gatherBits(validity: Uint8Array, indices: Int32Array, count: number): Uint8Array {
  const bits = new Uint8Array((count + 7) >> 3)
  for (let index = 0; index < count; index += 1) {
    if (isValid(validity, indices[index]!)) bits[index >> 3]! |= 1 << (index & 7)
  }
  return bits
}

// One function for each kind of array: a shared one would see them all and be slow for each.
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

function pickBigInts(from: BigInt64Array, indices: Int32Array, count: number): BigInt64Array {
  const picked = new BigInt64Array(count)
  for (let index = 0; index < count; index += 1) picked[index] = from[indices[index]!]!
  return picked
}

function pickBytes(from: Uint8Array, indices: Int32Array, count: number): Uint8Array {
  const picked = new Uint8Array(count)
  for (let index = 0; index < count; index += 1) picked[index] = from[indices[index]!]!
  return picked
}
