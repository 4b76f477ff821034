/**
 * Rows to columns by a declared schema: what a table's writer needs. Generated once per schema.
 *
 * D1. Every value is checked: a row that does not fit throws VALUE_UNFIT and names column, record
 *     and value. Nothing is rounded, cut or replaced. Fields without a column are left out.
 * D2. null, undefined and a missing field are null where the column is nullable, else unfit.
 * D3. The kinds of columns: date and decimal are utf8; list, struct and packed are packed values;
 *     the others are what they are called. int64 is 64 bits, given as bigint or as number.
 */
import type { Column } from './columns.ts'
import type { FieldData, SchemaData, StructData } from './schema.ts'
import { StreamError } from '../base/errors.ts'
import { ByteWriter } from './byte-buffer.ts'
import { columnSet, validityOf } from './column-set.ts'
import type { FieldColumns } from './column-set.ts'
import { writeTexts } from './column-text.ts'
import type { TextPlace } from './column-text.ts'
import { fieldExpression } from './key-selector.ts'
import { hasLoneSurrogate } from './text-bytes.ts'
import { isFit } from './value-fit.ts'
import { packValue } from './value-codec.ts'
import { align, memoryOf, TEXT_FORM } from './wire-schema.ts'

/** A value that its declared column cannot hold. `record` is its index among the rows given. */
export class ValueUnfit extends StreamError {
  readonly column: string
  readonly record: number

  constructor(field: FieldData, record: number, value: unknown) {
    const found = value === undefined ? 'missing' : showValue(value)
    super('VALUE_UNFIT', `"${field.name}" is ${showSchema(field.schema)}, the value is ${found}`, {
      hint: `Widen the column, or change the value before it (record ${record} of its batch).`,
    })
    this.column = field.name
    this.record = record
  }
}

/** A function that gives the first `count` rows as columns in the order of the schema. */
export function declaredColumns(
  schema: StructData,
): (rows: readonly unknown[], count: number) => FieldColumns {
  const names = schema.fields.map((field) => field.name)
  const kinds = schema.fields.map((field) => columnKind(field.schema))
  const fill = makeFiller(schema)
  return (rows, count) => {
    const drafts = schema.fields.map((field, index) => new Draft(field, kinds[index]!, count))
    fill(rows, count, drafts)
    return columnSet(
      count,
      names,
      drafts.map((draft) => draft.finish(rows)),
    )
  }
}

/** The kind of column that holds values of a schema. */
export function columnKind(schema: SchemaData): Column['kind'] {
  switch (schema.kind) {
    case 'date':
    case 'decimal':
      return 'utf8'
    case 'list':
    case 'struct':
      return 'packed'
    case 'nullable':
      return columnKind(schema.of)
    default:
      return schema.kind
  }
}

/** One column while it is filled. Which arrays are there depends on its kind. */
class Draft {
  readonly marks: Uint8Array | undefined
  readonly int32: Int32Array
  readonly float64: Float64Array
  readonly bytes: Uint8Array
  readonly writer = new ByteWriter(0)
  text = ''
  readonly #field: FieldData
  readonly #kind: Column['kind']
  readonly #count: number

  constructor(field: FieldData, kind: Column['kind'], count: number) {
    this.#field = field
    this.#kind = kind
    this.#count = count
    const isWide = kind === 'float64' || kind === 'timestamp' || kind === 'int64'
    const isNarrow = kind === 'bool' || isWide
    this.float64 = new Float64Array(isWide ? count : 0)
    this.int32 = kind === 'int64' ? int32Of(this.float64) : new Int32Array(isNarrow ? 0 : count + 1)
    this.bytes = new Uint8Array(kind === 'bool' ? count : 0)
    this.marks = field.schema.kind === 'nullable' ? new Uint8Array(count) : undefined
  }

  finish(rows: readonly unknown[]): Column {
    const count = this.#count
    const validity = this.marks === undefined ? undefined : validityOf(this.marks, count)
    const kind = this.#kind
    switch (kind) {
      case 'float64':
      case 'timestamp':
        return { kind, values: this.float64, validity }
      case 'int64':
        return { kind, values: new BigInt64Array(this.float64.buffer), validity }
      case 'int32':
        return { kind, values: this.int32.subarray(0, count), validity }
      case 'bool':
        return { kind, values: this.bytes, validity }
      case 'utf8':
        return this.#finishText(rows, validity)
      default:
        return { kind, offsets: this.int32, bytes: this.writer.peek(), validity }
    }
  }

  /** `int32` holds the ends in UTF-16 units so far. */
  #finishText(rows: readonly unknown[], validity: Uint8Array | undefined): Column {
    const count = this.#count
    const ends = align(4 * (count + 1))
    const limit = align(2 * ends + 3 * this.text.length)
    const memory = memoryOf(new ArrayBuffer(limit))
    const place: TextPlace = { end: 0, length: 0, form: TEXT_FORM.ascii, units: 0 }
    memory.int32.set(this.int32)
    writeTexts(memory, this.text, 0, count, ends, limit, place)
    if (place.form === TEXT_FORM.unknown) throw this.#brokenText(rows)
    return {
      kind: 'utf8',
      offsets: memory.int32.subarray(0, count + 1),
      bytes: memory.bytes.subarray(ends, ends + place.length),
      validity,
    }
  }

  #brokenText(rows: readonly unknown[]): StreamError {
    const { name } = this.#field
    const textOf = (row: unknown): unknown => (row as Record<string, unknown>)[name]
    const record = rows.findIndex((row) => {
      const text = textOf(row)
      return typeof text === 'string' && hasLoneSurrogate(text)
    })
    return new ValueUnfit(this.#field, record, textOf(rows[record]))
  }
}

function int32Of(from: Float64Array): Int32Array {
  return new Int32Array(from.buffer)
}

type Filler = (rows: readonly unknown[], count: number, drafts: readonly Draft[]) => void

function makeFiller(schema: StructData): Filler {
  const head: string[] = []
  const body: string[] = []
  const tail: string[] = []
  schema.fields.forEach((field, index) => {
    const isNullable = field.schema.kind === 'nullable'
    const bare = bareSchema(field.schema)
    const kind = columnKind(bare)
    head.push(`const d${index} = drafts[${index}]`, ...declaration(kind, index))
    if (isNullable) head.push(`const m${index} = d${index}.marks`)
    const store = `if (${test(bare, index)}) { ${write(bare, kind, index)} }`
    const unfit = `throw unfit(${index}, i, v${index})`
    body.push(`const v${index} = ${fieldExpression('row', field.name)}`)
    if (isNullable) {
      const skip = hasEnds(kind) ? end(kind, index) : ''
      body.push(`if (v${index} === null || v${index} === undefined) { m${index}[i] = 1; ${skip} }`)
      body.push(`else ${store} else ${unfit}`)
    } else {
      body.push(`${store} else ${unfit}`)
    }
    if (kind === 'utf8') tail.push(`d${index}.text = t${index}`)
  })
  const source = `return function fill(rows, count, drafts) {
    ${head.join('\n')}
    for (let i = 0; i < count; i += 1) {
      const row = rows[i]
      if (typeof row !== 'object' || row === null) throw unfit(0, i, row)
      ${body.join('\n')}
    }
    ${tail.join('\n')}
  }`
  const bare = schema.fields.map((field) => bareSchema(field.schema))
  const oneOf = bare.map((data) => new Set(data.kind === 'utf8' ? data.oneOf : []))
  const unfit = (index: number, record: number, value: unknown): StreamError =>
    new ValueUnfit(schema.fields[index]!, record, value)
  const make = new Function('unfit', 'isFit', 'schemas', 'oneOf', 'packValue', source)
  return (make as (...given: unknown[]) => Filler)(unfit, isFit, bare, oneOf, packValue)
}

function bareSchema(schema: SchemaData): SchemaData {
  return schema.kind === 'nullable' ? bareSchema(schema.of) : schema
}

function hasEnds(kind: Column['kind']): boolean {
  return kind === 'utf8' || kind === 'binary' || kind === 'packed'
}

function declaration(kind: Column['kind'], index: number): string[] {
  switch (kind) {
    case 'float64':
    case 'timestamp':
      return [`const c${index} = d${index}.float64`]
    case 'bool':
      return [`const c${index} = d${index}.bytes`]
    case 'utf8':
      return [`const c${index} = d${index}.int32; let t${index} = ''`]
    case 'binary':
    case 'packed':
      return [`const c${index} = d${index}.int32; const w${index} = d${index}.writer`]
    default:
      return [`const c${index} = d${index}.int32`]
  }
}

function test(schema: SchemaData, index: number): string {
  const value = `v${index}`
  switch (schema.kind) {
    case 'utf8': {
      const isText = `typeof ${value} === 'string'`
      return schema.oneOf === undefined ? isText : `${isText} && oneOf[${index}].has(${value})`
    }
    case 'int32':
      return `typeof ${value} === 'number' && (${value} | 0) === ${value}`
    case 'float64':
      return `typeof ${value} === 'number'`
    case 'bool':
      return `typeof ${value} === 'boolean'`
    default:
      return `isFit(schemas[${index}], ${value})`
  }
}

function write(schema: SchemaData, kind: Column['kind'], index: number): string {
  const value = `v${index}`
  switch (kind) {
    case 'bool':
      return `c${index}[i] = ${value} ? 1 : 0`
    case 'int64':
      // Two words: making a bigint of each number costs several times as much.
      return schema.kind === 'int64' && schema.as === 'number'
        ? `c${index}[2 * i] = ${value}; c${index}[2 * i + 1] = Math.floor(${value} / 4294967296)`
        : `c${index}[2 * i] = Number(BigInt.asIntN(32, ${value}));
           c${index}[2 * i + 1] = Number(${value} >> 32n)`
    case 'utf8':
      return `t${index} += ${value}; ${end(kind, index)}`
    case 'binary':
      return `w${index}.raw(${value}); ${end(kind, index)}`
    case 'packed':
      return `w${index}.raw(packValue(${value})); ${end(kind, index)}`
    default:
      return `c${index}[i] = ${value}`
  }
}

function end(kind: Column['kind'], index: number): string {
  return `c${index}[i + 1] = ${kind === 'utf8' ? `t${index}` : `w${index}`}.length`
}

/** A schema as a message names it. */
export function showSchema(schema: SchemaData): string {
  switch (schema.kind) {
    case 'nullable':
      return `nullable ${showSchema(schema.of)}`
    case 'decimal':
      return `decimal(${schema.precision}, ${schema.scale})`
    case 'utf8':
      return schema.oneOf === undefined ? 'utf8' : `one of ${schema.oneOf.join(', ')}`
    default:
      return schema.kind
  }
}

/** A value as a message shows it: short, and of a text also that it is one. */
export function showValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(cut(value))
  if (typeof value === 'bigint') return `${value}n`
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  return String(value)
}

function cut(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}
