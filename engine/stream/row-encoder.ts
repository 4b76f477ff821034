/**
 * Generated code that writes rows of one schema as columns, in place.
 *
 * E1. A row is written only if what comes out equals what went in: its fields are those of the
 *     schema and no others, and each value is of its column's kind. Else the code stops there.
 * E2. `__proto__`, quotes and line ends in names are data: names enter the code as JSON.
 */
import type { Memory, WireField, WireSchema } from './wire-schema.ts'
import { ByteWriter } from './byte-buffer.ts'
import { fieldExpression } from './key-selector.ts'
import { packValue } from './value-codec.ts'
import { columnPlace, isBlock, marksPlace } from './wire-schema.ts'

/** What a run of the code leaves behind for each field whose bytes go to a block. */
export interface BlockParts {
  readonly texts: string[]
  readonly writers: ByteWriter[]
  /** Whether it stopped at a row that does not fit the schema. */
  misfit: boolean
}

/**
 * Writes rows from `from` on, `count` at most, and returns how many. It stops at the first row
 * that is no fit (`misfit`), and where the blocks have passed `blockLimit`.
 */
export type RowEncoder = (
  rows: readonly unknown[],
  from: number,
  count: number,
  memory: Memory,
  places: Int32Array,
  parts: BlockParts,
  blockLimit: number,
) => number

export function newParts(schema: WireSchema): BlockParts {
  return {
    texts: schema.fields.map(() => ''),
    writers: schema.fields.map(() => new ByteWriter(0)),
    misfit: false,
  }
}

export function makeRowEncoder(schema: WireSchema): RowEncoder {
  const { fields, isWhole } = schema
  const head = fields.flatMap(declarations)
  const body = fields.map((field, index) => {
    const source = isWhole ? 'row' : fieldExpression('row', field.name)
    return `const v${index} = ${source}\n${store(field, index, isWhole)}`
  })
  const sizes = fields.flatMap((field, index) => (isBlock(field.kind) ? [size(field, index)] : []))
  const tail = fields.flatMap((field, index) =>
    field.kind === 'utf8' ? [`parts.texts[${index}] = t${index}`] : [],
  )
  const source = `return function encodeRows(rows, from, count, memory, places, parts, blockLimit) {
    const bytes = memory.bytes, int32 = memory.int32
    const float64 = memory.float64, int64 = memory.int64
    parts.misfit = false
    ${head.join('\n')}
    let i = 0
    for (; i < count; i += 1) {
      const row = rows[from + i]
      ${isWhole ? '' : fieldCheck(fields)}
      ${body.join('\n')}
      ${isWhole ? '' : 'if (fields !== expected) { parts.misfit = true; break }'}
      ${sizes.length === 0 ? '' : `if (${sizes.join(' + ')} > blockLimit) { i += 1; break }`}
    }
    ${tail.join('\n')}
    return i
  }`
  const make = new Function('packValue', source) as (pack: typeof packValue) => RowEncoder
  return make(packValue)
}

/** Counts the fields of the row: with every field of the schema there, it then has no other. */
function fieldCheck(fields: readonly WireField[]): string {
  const canBeEmpty = fields.every((field) => field.marks === 'missing')
  return `
    if (typeof row !== 'object' || row === null) { parts.misfit = true; break }
    let fields = 0, expected = ${fields.length}
    for (const name in row) fields += 1
    ${canBeEmpty ? 'if (fields === 0) { parts.misfit = true; break }' : ''}`
}

function declarations(field: WireField, index: number): string[] {
  const place = `places[${columnPlace(index)}]`
  const lines: string[] = []
  switch (field.kind) {
    case 'float64':
    case 'timestamp':
    case 'int64':
      lines.push(`const p${index} = ${place} >> 3`)
      break
    case 'int32':
      lines.push(`const p${index} = ${place} >> 2`)
      break
    case 'utf8':
      lines.push(`const p${index} = (${place} >> 2) + 1; let t${index} = ''`)
      lines.push(`int32[p${index} - 1] = 0`)
      break
    case 'binary':
    case 'packed':
      lines.push(`const p${index} = (${place} >> 2) + 1; const w${index} = parts.writers[${index}]`)
      lines.push(`w${index}.clear(); int32[p${index} - 1] = 0`)
      break
    default:
      lines.push(`const p${index} = ${place}`)
  }
  if (field.marks !== 'none') lines.push(`const m${index} = places[${marksPlace(index)}]`)
  return lines
}

function size(field: WireField, index: number): string {
  return field.kind === 'utf8' ? `t${index}.length` : `w${index}.length`
}

/** Checks one value and writes it, or its mark. */
function store(field: WireField, index: number, isWhole: boolean): string {
  const value = `v${index}`
  const misfit = '{ parts.misfit = true; break }'
  const test = TESTS[field.kind](value)
  const mark = (what: string | number): string =>
    field.marks === 'none' ? '' : `bytes[m${index} + i] = ${what}`
  const empty = emptyValue(field, index)
  const marked = `if (${test}) { ${write(field, index)}; ${mark(0)} }`
  if (field.marks === 'none') return `${marked} else ${misfit}`
  const absent = isWhole
    ? `{ ${mark(2)}; ${empty} }`
    : `if (Object.hasOwn(row, ${JSON.stringify(field.name)})) { ${mark(2)}; ${empty} }
       else ${field.marks === 'missing' ? `{ ${mark(3)}; ${empty}; expected -= 1 }` : misfit}`
  return `${marked}
    else if (${value} === null) { ${mark(1)}; ${empty} }
    else if (${value} === undefined) { ${absent} }
    else ${misfit}`
}

const TESTS: Readonly<Record<WireField['kind'], (value: string) => string>> = {
  float64: (value) => `typeof ${value} === 'number'`,
  timestamp: (value) => `typeof ${value} === 'number'`,
  int32: (value) =>
    `typeof ${value} === 'number' && (${value} | 0) === ${value}
      && (${value} !== 0 || 1 / ${value} > 0)`,
  int64: (value) => `typeof ${value} === 'bigint' && BigInt.asIntN(64, ${value}) === ${value}`,
  bool: (value) => `typeof ${value} === 'boolean'`,
  utf8: (value) => `typeof ${value} === 'string'`,
  binary: (value) => `${value} instanceof Uint8Array && ${value}.constructor === Uint8Array`,
  packed: (value) => `${value} !== null && ${value} !== undefined`,
  nothing: () => 'false',
}

function write(field: WireField, index: number): string {
  const value = `v${index}`
  switch (field.kind) {
    case 'float64':
    case 'timestamp':
      return `float64[p${index} + i] = ${value}`
    case 'int64':
      return `int64[p${index} + i] = ${value}`
    case 'int32':
      return `int32[p${index} + i] = ${value}`
    case 'bool':
      return `bytes[p${index} + i] = ${value} ? 1 : 0`
    case 'utf8':
      return `t${index} += ${value}; int32[p${index} + i] = t${index}.length`
    case 'binary':
      return `w${index}.raw(${value}); int32[p${index} + i] = w${index}.length`
    case 'packed':
      return `w${index}.raw(packValue(${value})); int32[p${index} + i] = w${index}.length`
    case 'nothing':
      return ''
    default:
      return field.kind satisfies never
  }
}

/** What stands in the column where there is a mark: the same for every run. */
function emptyValue(field: WireField, index: number): string {
  switch (field.kind) {
    case 'float64':
    case 'timestamp':
      return `float64[p${index} + i] = 0`
    case 'int64':
      return `int64[p${index} + i] = 0n`
    case 'int32':
      return `int32[p${index} + i] = 0`
    case 'utf8':
      return `int32[p${index} + i] = t${index}.length`
    case 'binary':
    case 'packed':
      return `int32[p${index} + i] = w${index}.length`
    default:
      return `bytes[p${index} + i] = 0`
  }
}
