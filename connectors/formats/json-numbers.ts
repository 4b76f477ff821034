/** The numbers of JSON as values of declared columns, judged by their text where it matters. */
import { formatDay, isDay, isTime, parseDay } from '../../engine/index.ts'
import type { SchemaData } from '../../engine/index.ts'
import { floorDivide, formatDecimal, parseDecimal, parseFloat64 } from './decimal.ts'
import { parseInstant } from './iso-time.ts'
import type { FinerTimes } from './iso-time.ts'
import type { Doubts } from './json-doubts.ts'
import { ExactNumber } from './json-exact.ts'
import { unfit } from './unfit.ts'

/** From parsed JSON to a value of a declared field; throws VALUE_UNFIT, or INEXACT. */
export type Convert = (value: unknown, field: string) => unknown

/**
 * Thrown by a conversion that needs all digits of a number: JSON.parse has rounded it. The text is
 * then parsed again by `parseExact`.
 */
export const INEXACT = new Error('a number has more digits than a float64 holds')

/** How the values of one reader are converted. */
export interface ReadingOptions {
  readonly doubts: Doubts
  readonly finer: FinerTimes
}

const INTEGER = /^[+-]?\d+$/

/** A whole number as JSON may hold it. Undefined: it is none, or has more than 19 digits. */
function integerOf(value: unknown, doubts: Doubts): bigint | number | undefined {
  if (typeof value === 'number') {
    if (value === 0) doubts.zero = true
    if (Number.isSafeInteger(value)) return value
    if (Number.isInteger(value)) throw INEXACT
    return undefined
  }
  if (value instanceof ExactNumber) return parseDecimal(value.text, 19, 0)
  return undefined
}

export function int32(schema: SchemaData, { doubts }: ReadingOptions): Convert {
  return (value, field) => {
    const number = Number(integerOf(value, doubts))
    if ((number | 0) !== number) throw unfit(field, schema, value)
    return number | 0
  }
}

export function int64(
  schema: Extract<SchemaData, { kind: 'int64' }>,
  { doubts }: ReadingOptions,
): Convert {
  const integer = (value: unknown): bigint | number | undefined =>
    typeof value !== 'string'
      ? integerOf(value, doubts)
      : INTEGER.test(value)
        ? parseDecimal(value, 19, 0)
        : undefined
  if (schema.as === 'number') {
    return (value, field) => {
      const number = Number(integer(value))
      if (!Number.isSafeInteger(number)) throw unfit(field, schema, value)
      return number
    }
  }
  return (value, field) => {
    const found = integer(value)
    if (found === undefined) throw unfit(field, schema, value)
    const exact = BigInt(found)
    if (BigInt.asIntN(64, exact) !== exact) throw unfit(field, schema, value)
    return exact
  }
}

export function float64(schema: SchemaData, { doubts }: ReadingOptions): Convert {
  return (value, field) => {
    if (typeof value === 'number') {
      if (value === 0) doubts.zero = true
      else if (Math.abs(value) > Number.MAX_SAFE_INTEGER) doubts.large = true
      if (value - value === 0) return value
    } else if (value instanceof ExactNumber) {
      const number = parseFloat64(value.text)
      if (number !== undefined) return number
    } else if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') {
      return Number(value)
    }
    throw unfit(field, schema, value)
  }
}

export function decimal(
  schema: Extract<SchemaData, { kind: 'decimal' }>,
  { doubts }: ReadingOptions,
): Convert {
  const { precision, scale } = schema
  return (value, field) => {
    let text = value
    if (typeof value === 'number') {
      if (value === 0) doubts.zero = true
      text = String(value)
    } else if (value instanceof ExactNumber) text = value.text
    const unscaled = typeof text === 'string' ? parseDecimal(text, precision, scale) : undefined
    if (unscaled === undefined) throw unfit(field, schema, value)
    return formatDecimal(unscaled, scale)
  }
}

export function timestamp(schema: SchemaData, { doubts, finer }: ReadingOptions): Convert {
  return (value, field) => {
    let ms: number | undefined
    if (typeof value === 'string') ms = parseInstant(value, finer)
    else ms = Number(finer === 'cut' ? cutToWhole(value, doubts) : integerOf(value, doubts))
    if (!isTime(ms)) throw unfit(field, schema, value)
    return ms
  }
}

/** The whole number at or below a number. */
function cutToWhole(value: unknown, doubts: Doubts): bigint | number | undefined {
  if (typeof value === 'number') return integerOf(Math.floor(value), doubts)
  if (!(value instanceof ExactNumber)) return undefined
  const unscaled = parseDecimal(value.text, CUT_DIGITS_MAX + 19, CUT_DIGITS_MAX)
  return unscaled === undefined ? undefined : floorDivide(unscaled, 10n ** BigInt(CUT_DIGITS_MAX))
}

/** Digits behind the point that can be cut. */
const CUT_DIGITS_MAX = 30

export function date(schema: SchemaData, { doubts }: ReadingOptions): Convert {
  return (value, field) => {
    const day = typeof value === 'string' ? parseDay(value) : Number(integerOf(value, doubts))
    if (!isDay(day)) throw unfit(field, schema, value)
    return formatDay(day)
  }
}

/** Packed values hold plain numbers: one that has no float64 of its own is refused. */
export function packed(schema: SchemaData, options: ReadingOptions): Convert {
  const number = float64(schema, options)
  const restore = (value: unknown, field: string): unknown => {
    if (typeof value === 'number' || value instanceof ExactNumber) return number(value, field)
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) {
      return (value as unknown[]).map((item, index) => restore(item, `${field}[${index}]`))
    }
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [name, restore(inner, `${field}.${name}`)]),
    )
  }
  return restore
}
