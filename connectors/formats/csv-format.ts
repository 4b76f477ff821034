import { formatDay, isTime, parseDay, schemaData, StreamError } from '../../engine/index.ts'
import type { SchemaData, StructData, StructSchema } from '../../engine/index.ts'
import { formatDecimal, isNumber, parseDecimal, parseFloat64 } from './decimal.ts'
import { literalName } from './field-code.ts'
import { formatOf } from './format.ts'
import type { Decoder, Encoder, Format } from './format.ts'
import { parseInstant } from './iso-time.ts'
import type { FinerTimes } from './iso-time.ts'
import { ExactNumber } from './json-exact.ts'
import { finerTimes } from './json-format.ts'
import { TextReader } from './text-bytes.ts'
import { describe, shown, unfit } from './unfit.ts'

export interface CsvOptions {
  /**
   * What becomes of a time that is finer than a millisecond, in a `timestamp()` column: 'refuse' it
   * (when left out), or 'cut' it to the millisecond it is in.
   */
  readonly finerThanMs?: FinerTimes
}

/**
 * Comma-separated values (RFC 4180), typed by `schema`. In files the first record names the
 * columns, in any order, and columns that are not declared are dropped; elsewhere there is no
 * header and the columns stand in the schema's order. A quoted field may hold commas, line breaks
 * and doubled quotes. An empty field without quotes is null where the column is nullable.
 *
 * A whole number is digits with a sign or none. A float64 or decimal may have a point and an
 * exponent too, and the words NaN, Infinity and -Infinity are float64. Nothing stands around them.
 */
export function csv<V>(schema: StructSchema<V>, options: CsvOptions = {}): Format<V> {
  const data = schemaData(schema)
  const finer = finerTimes('csv', options.finerThanMs)
  if (data.kind !== 'struct') {
    throw new StreamError('OPTION_INVALID', `csv of ${describe(data)}`, {
      hint: 'Declare the columns with struct({ … }).',
    })
  }
  for (const { name, schema: field } of data.fields) {
    const { kind } = field.kind === 'nullable' ? field.of : field
    if (kind !== 'list' && kind !== 'struct' && kind !== 'packed' && kind !== 'nullable') continue
    throw new StreamError('FIELD_TYPE', `csv column "${name}" is ${describe(field)}`, {
      hint: 'CSV holds single values only: use json.',
    })
  }
  return formatOf<V>({
    kind: 'csv',
    parameters: finer === 'refuse' ? {} : { finerThanMs: finer },
    schema: data,
    framing: { quoted: true, header: true, skipsEmpty: true },
    createDecoder: (header) => new CsvDecoder(data, finer, header),
    createEncoder: () => new CsvEncoder(data),
  })
}

/** The fields of one record: their texts, and whether each was quoted. */
interface Fields {
  readonly texts: string[]
  readonly quoted: boolean[]
}

class CsvDecoder implements Decoder {
  readonly many = false
  readonly #text = new TextReader()
  readonly #columns: number
  readonly #build: (fields: Fields) => unknown

  constructor(schema: StructData, finer: FinerTimes, header: string | undefined) {
    const names =
      header === undefined ? schema.fields.map((field) => field.name) : splitRecord(header).texts
    this.#columns = names.length
    this.#build = compileRow(schema, columnsOf(schema, names), finer)
  }

  decode(bytes: Uint8Array, start: number, end: number): unknown {
    const fields = splitRecord(this.#text.read(bytes, start, end))
    if (fields.texts.length !== this.#columns) {
      const found = `${fields.texts.length} fields, there are ${this.#columns} columns`
      throw new StreamError('RECORD_MALFORMED', `the record has ${found}`, {
        hint: 'Quote fields that hold a comma.',
      })
    }
    return this.#build(fields)
  }
}

/**
 * Where each field of the schema stands; -1 for one that is missing and may be null. A header that
 * names no field at all, or one in other letters, is no header of this schema: its rows would be
 * nulls.
 */
function columnsOf(schema: StructData, names: readonly string[]): number[] {
  const columns = schema.fields.map(({ name, schema: field }) => {
    const column = names.indexOf(name)
    if (column !== names.lastIndexOf(name)) {
      throw new StreamError('RECORD_MALFORMED', `the header names "${name}" twice`, {
        hint: 'Rename one of the two columns in the file.',
      })
    }
    if (column >= 0 || field.kind === 'nullable') return column
    const hint = 'Name the columns as the schema does, or declare the missing one nullable.'
    throw headerError(`has no "${name}", it has ${shown(names)}`, names, hint)
  })
  if (columns.length > 0 && columns.every((column) => column < 0)) {
    const hint = 'Name the columns as the schema does; the first record of a file is its header.'
    throw headerError(`names none of the declared columns, it has ${shown(names)}`, names, hint)
  }
  for (const [index, { name }] of schema.fields.entries()) {
    const near = columns[index]! < 0 ? names.find((found) => sameLetters(found, name)) : undefined
    if (near === undefined || schema.fields.some((field) => field.name === near)) continue
    const hint = `Call the column "${name}" in the file, or the field "${near}" in the schema.`
    throw headerError(`has no "${name}", but ${shown(near)}`, names, hint)
  }
  return columns
}

/** "User Id", "user_id" and "userId" are one name to a person. */
function sameLetters(left: string, right: string): boolean {
  const lettersOf = (name: string): string => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '')
  return lettersOf(left) === lettersOf(right) && lettersOf(left) !== ''
}

const OTHER_SEPARATORS = [
  [';', 'semicolons'],
  ['\t', 'tabs'],
  ['|', 'bars'],
] as const

function headerError(found: string, names: readonly string[], hint: string): StreamError {
  const other = OTHER_SEPARATORS.find(([separator]) =>
    names.some((name) => name.includes(separator)),
  )
  return new StreamError('RECORD_MALFORMED', `the header ${found}`, {
    hint:
      other === undefined
        ? hint
        : `Its columns seem to be separated by ${other[1]}; csv reads commas. Convert the file.`,
  })
}

type ReadField = (text: string, quoted: boolean) => unknown

function compileRow(
  schema: StructData,
  columns: readonly number[],
  finer: FinerTimes,
): (fields: Fields) => unknown {
  const reads = schema.fields.map(({ name, schema: field }) => readingOf(name, field, finer))
  const cells = schema.fields.map(({ name }, index) => {
    const column = columns[index]!
    const value = column < 0 ? 'null' : `reads[${index}](texts[${column}], quoted[${column}])`
    return `${literalName(name)}: ${value}`
  })
  const body = `"use strict"\nreturn ({ texts, quoted }) => ({ ${cells.join(', ')} })`
  const make = new Function('reads', body) as (
    reads: readonly ReadField[],
  ) => (fields: Fields) => unknown
  return make(reads)
}

/**
 * The fields of one record without its line break. A quote opens only at the beginning of a field,
 * and closes only at its end.
 */
export function splitRecord(record: string): Fields {
  const texts: string[] = []
  const quoted: boolean[] = []
  if (!record.includes('"')) {
    if (record.includes('\r')) throw carriageReturn()
    for (const text of record.split(',')) {
      texts.push(text)
      quoted.push(false)
    }
    return { texts, quoted }
  }
  let at = 0
  for (;;) {
    const opens = record.charCodeAt(at) === QUOTE
    const end = opens ? closingQuote(record, at + 1) : nextComma(record, at)
    const text = record.slice(opens ? at + 1 : at, end)
    texts.push(opens && text.includes('"') ? text.replaceAll('""', '"') : text)
    quoted.push(opens)
    at = opens ? end + 1 : end
    if (at >= record.length) return { texts, quoted }
    if (record.charCodeAt(at) !== COMMA) throw misquoted(record)
    at += 1
  }
}

const QUOTE = 34
const COMMA = 44

function nextComma(record: string, from: number): number {
  const comma = record.indexOf(',', from)
  const end = comma < 0 ? record.length : comma
  const text = record.slice(from, end)
  if (text.includes('\r')) throw carriageReturn()
  if (text.includes('"')) throw misquoted(record)
  return end
}

function closingQuote(record: string, from: number): number {
  let at = record.indexOf('"', from)
  while (at >= 0 && record.charCodeAt(at + 1) === QUOTE) at = record.indexOf('"', at + 2)
  if (at < 0) throw misquoted(record)
  return at
}

/** Within quotes it belongs to the text; elsewhere it is the line end of another system. */
function carriageReturn(): StreamError {
  return new StreamError('RECORD_MALFORMED', 'a carriage return stands in a field without quotes', {
    hint: 'Lines end with a line feed, alone or behind a carriage return: convert the file, or quote the field.',
  })
}

function misquoted(record: string): StreamError {
  return new StreamError('RECORD_MALFORMED', `a quote is out of place: ${shown(record)}`, {
    hint: 'A field that holds a quote is quoted as a whole, its own quotes doubled.',
  })
}

function readingOf(name: string, schema: SchemaData, finer: FinerTimes): ReadField {
  if (schema.kind === 'nullable') {
    const inner = readingOf(name, schema.of, finer)
    return (text, quoted) => (text === '' && !quoted ? null : inner(text, quoted))
  }
  const parse = parserOf(schema, finer)
  return (text) => {
    const value = parse(text)
    if (value === undefined)
      throw unfit(name, schema, isNumber(text) ? new ExactNumber(text) : text)
    return value
  }
}

/** Undefined: the text is no such value. */
function parserOf(schema: SchemaData, finer: FinerTimes): (text: string) => unknown {
  switch (schema.kind) {
    case 'utf8':
      return (text) => (schema.oneOf?.includes(text) === false ? undefined : text)
    case 'int32':
      return (text) => {
        const number = INTEGER.test(text) ? Number(text) : NaN
        return (number | 0) === number ? number | 0 : undefined
      }
    case 'int64':
      return (text) => {
        if (!INTEGER.test(text)) return undefined
        if (schema.as === 'number') {
          return Number.isSafeInteger(Number(text)) ? Number(text) : undefined
        }
        const exact = parseDecimal(text, 19, 0)
        return exact !== undefined && BigInt.asIntN(64, exact) === exact ? exact : undefined
      }
    case 'float64':
      return (text) => parseFloat64(text) ?? WORDS.get(text)
    case 'bool':
      return (text) => BOOLEANS.get(text.toLowerCase())
    case 'binary':
      return (text) => (BASE64.test(text) ? new Uint8Array(Buffer.from(text, 'base64')) : undefined)
    case 'timestamp':
      return (text) => {
        const ms = INTEGER.test(text) ? Number(text) : parseInstant(text, finer)
        return isTime(ms) ? ms : undefined
      }
    case 'date':
      return (text) => {
        const day = parseDay(text)
        return day === undefined ? undefined : formatDay(day)
      }
    case 'decimal':
      return (text) => {
        const unscaled = parseDecimal(text, schema.precision, schema.scale)
        return unscaled === undefined ? undefined : formatDecimal(unscaled, schema.scale)
      }
    default:
      return () => undefined
  }
}

const INTEGER = /^[+-]?\d+$/
const WORDS = new Map([
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
])
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const BOOLEANS = new Map([
  ['true', true],
  ['false', false],
  ['1', true],
  ['0', false],
])

class CsvEncoder implements Encoder {
  readonly #fields: StructData['fields']

  constructor(schema: StructData) {
    this.#fields = schema.fields
  }

  encode(record: unknown): string {
    const row = record as Readonly<Record<string, unknown>>
    return this.#fields.map(({ name, schema }) => written(name, schema, row[name])).join(',')
  }
}

function written(name: string, schema: SchemaData, value: unknown): string {
  if (value === null || value === undefined) {
    if (schema.kind === 'nullable') return ''
    throw unfit(name, schema, value)
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  if (typeof value !== 'string') throw unfit(name, schema, value)
  // An empty text is quoted, as nothing means null.
  return value === '' || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value
}
