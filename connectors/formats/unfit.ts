import { isTime, StreamError } from '../../engine/index.ts'
import type { SchemaData } from '../../engine/index.ts'
import { parseDecimal, parseFloat64 } from './decimal.ts'
import { parseInstant } from './iso-time.ts'
import { ExactNumber } from './json-exact.ts'

/**
 * The error for a value that its declared field cannot hold. `owner` is the uid of the sink that
 * has the field, where there is one. The caller adds the place.
 */
export function unfit(
  field: string,
  schema: SchemaData,
  value: unknown,
  owner?: string,
): StreamError {
  const subject = field === '' ? 'the record' : `"${field}"`
  const name = owner === undefined ? subject : `${subject} of "${owner}"`
  if (value === undefined || value === null) {
    const found = value === undefined ? 'missing' : 'null'
    return new StreamError('VALUE_UNFIT', `${name} is ${describe(schema)}, the value is ${found}`, {
      hint:
        value === undefined
          ? 'Check the name: is it the one that the record has? A field that a record may lack is nullable.'
          : 'Declare it nullable, or give it a value.',
    })
  }
  const message = `${name} is ${describe(schema)}, the value is ${shown(value)}`
  return new StreamError('VALUE_UNFIT', message, { hint: hintFor(schema, value) })
}

/** What to do. Never names a column type that would refuse the value too. */
function hintFor(schema: SchemaData, value: unknown): string {
  const number = numberText(value)
  switch (schema.kind) {
    case 'nullable':
      return hintFor(schema.of, value)
    case 'int32':
    case 'int64':
    case 'float64':
      return number === undefined ? notNumber(value) : numberHint(schema, number)
    case 'decimal':
      if (number === undefined && typeof value !== 'string') return notNumber(value)
      return `It takes numbers of at most ${schema.precision} digits, ${schema.scale} of them after the point.`
    case 'timestamp':
      return timeHint(value, number)
    case 'date':
      return 'It takes days such as 2026-11-22.'
    default:
      return 'Change the declared schema, or convert the value before.'
  }
}

/** A number as text; undefined for what is none. */
function numberText(value: unknown): string | undefined {
  if (value instanceof ExactNumber) return value.text
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : undefined
}

function notNumber(value: unknown): string {
  return typeof value === 'string'
    ? 'The value is text, not a number: correct it, or declare the field utf8().'
    : 'The value is not a number: correct it, or declare the field as what it is.'
}

function numberHint(
  schema: Extract<SchemaData, { kind: 'int32' | 'int64' | 'float64' }>,
  text: string,
): string {
  const whole = parseDecimal(text, DIGITS_MAX, 0)
  if (whole === undefined) {
    if (schema.kind === 'float64' || parseFloat64(text) === undefined) {
      return 'No column of numbers can hold the value: correct it before.'
    }
    return 'The column holds whole numbers: declare it float64() or decimal(…), or round before.'
  }
  if (BigInt.asIntN(64, whole) === whole) {
    return 'Declare it int64(), which holds whole numbers of 64 bits.'
  }
  const digits = String(whole).replace('-', '').length
  return `Declare it decimal(${digits}, 0), or correct the value before.`
}

/** What a decimal column can hold at most. */
const DIGITS_MAX = 38

function timeHint(value: unknown, number: string | undefined): string {
  const isFiner =
    typeof value === 'string'
      ? parseInstant(value, 'cut') !== undefined
      : number !== undefined && isTime(Math.floor(Number(number)))
  return isFiner
    ? "A timestamp keeps milliseconds: to cut what is finer, give the format { finerThanMs: 'cut' }; in a function, round."
    : 'It takes whole milliseconds since 1970, up to 8.64e15 either way, or in a format a text of ISO 8601.'
}

/** A schema in words. */
export function describe(schema: SchemaData): string {
  switch (schema.kind) {
    case 'nullable':
      return `nullable ${describe(schema.of)}`
    case 'decimal':
      return `decimal(${schema.precision}, ${schema.scale})`
    case 'list':
      return `a list of ${describe(schema.item)}`
    case 'struct':
      return 'a struct'
    case 'utf8':
      return schema.oneOf === undefined ? 'utf8' : `one of ${schema.oneOf.join(', ')}`
    default:
      return schema.kind
  }
}

const SHOWN_MAX = 60

/** A value in a message: short, and never failing. */
export function shown(value: unknown): string {
  const text = textOf(value)
  return text.length <= SHOWN_MAX ? text : `${text.slice(0, SHOWN_MAX)}…`
}

function textOf(value: unknown): string {
  if (value === undefined) return 'missing'
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (value instanceof ExactNumber) return value.text
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`
  try {
    // JSON has no text for an object whose toJSON gives none.
    const text = JSON.stringify(value, (_, inner: unknown) => {
      if (inner instanceof ExactNumber) return `${BARE}${inner.text}`
      return typeof inner === 'bigint' ? `${inner}n` : inner
    }) as string | undefined
    return text?.replaceAll(WRITTEN_BARE, '$1') ?? typeof value
  } catch {
    return typeof value
  }
}

/** In front of the text of a number inside of a list or an object. */
const BARE = '\u0000'
const WRITTEN_BARE = /"\\u0000([\d.eE+-]+)"/g
