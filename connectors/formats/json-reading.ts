import type { FieldData, SchemaData, StructData } from '../../engine/index.ts'
import { formatDecimal, parseDecimal } from './decimal.ts'
import { literalName, readCode } from './field-code.ts'
import { formatDay, parseDay, parseInstant } from './iso-time.ts'
import { unfit } from './unfit.ts'

/**
 * From parsed JSON to declared records: checks every field, converts what JSON has no type for,
 * and builds rows of one fixed shape.
 *
 * int64: a number, or digits in a text. binary: base64. timestamp: epoch ms or ISO 8601. date: ISO
 * 8601, or days since 1970. decimal: a number or a text. float64: also "NaN", "Infinity" and
 * "-Infinity". Null or missing: null where the field is nullable. Fields that are not declared
 * are dropped; of two with one name the last counts, as in JSON.parse.
 */
export type Convert = (value: unknown, field: string) => unknown

/**
 * Thrown by a conversion that needs all digits of a number: JSON.parse has rounded it. The text is
 * then parsed again by `parseExact`.
 */
export const INEXACT = new Error('a number has more digits than a float64 holds')

const EXACT = '\u0000exact'

/** As JSON.parse, with numbers as objects that keep their text. `text` is known to be JSON. */
export function parseExact(text: string): unknown {
  const marked = text.replaceAll(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (token) =>
    token.startsWith('"') ? token : `{"\\u0000exact":"${token}"}`,
  )
  return JSON.parse(marked)
}

/** The text of a number from `parseExact`. */
function exactText(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, EXACT)) return undefined
  return (value as Record<string, string>)[EXACT]
}

/** A number from `parseExact` as JSON.parse would have given it; anything else as it is. */
function rounded(value: unknown): unknown {
  const text = exactText(value)
  return text === undefined ? value : Number(text)
}

export function compileReading(schema: SchemaData): Convert {
  switch (schema.kind) {
    case 'utf8':
      return utf8(schema)
    case 'int32':
      return (value, field) => {
        const number = rounded(value)
        if (typeof number !== 'number' || (number | 0) !== number) throw unfit(field, schema, value)
        return number | 0
      }
    case 'int64':
      return schema.as === 'bigint' ? bigInteger(schema) : safeInteger(schema)
    case 'float64':
      return (value, field) => {
        const number = rounded(value)
        if (typeof number === 'number') return number
        if (number === 'NaN' || number === 'Infinity' || number === '-Infinity') {
          return Number(number)
        }
        throw unfit(field, schema, value)
      }
    case 'bool':
      return (value, field) => {
        if (typeof value !== 'boolean') throw unfit(field, schema, value)
        return value
      }
    case 'binary':
      return (value, field) => {
        if (typeof value !== 'string' || !BASE64.test(value)) throw unfit(field, schema, value)
        return new Uint8Array(Buffer.from(value, 'base64'))
      }
    case 'timestamp':
      return (value, field) => {
        const number = typeof value === 'string' ? parseInstant(value) : rounded(value)
        if (!Number.isSafeInteger(number)) throw unfit(field, schema, value)
        return number
      }
    case 'date':
      return (value, field) => {
        const day = typeof value === 'string' ? parseDay(value) : rounded(value)
        if (typeof day !== 'number' || (day | 0) !== day) throw unfit(field, schema, value)
        return formatDay(day)
      }
    case 'decimal':
      return decimal(schema)
    case 'list':
      return list(schema)
    case 'struct':
      return compileStruct(schema)
    case 'nullable': {
      const inner = compileReading(schema.of)
      return (value, field) => (value === null || value === undefined ? null : inner(value, field))
    }
    case 'packed':
      return restored
  }
}

const BASE64 = /^(?:[\w+/-]{4})*(?:[\w+/-]{2}(?:==)?|[\w+/-]{3}=?)?$/

function utf8(schema: Extract<SchemaData, { kind: 'utf8' }>): Convert {
  const allowed = schema.oneOf === undefined ? undefined : new Set(schema.oneOf)
  return (value, field) => {
    if (typeof value !== 'string' || allowed?.has(value) === false) {
      throw unfit(field, schema, value)
    }
    return value
  }
}

/** An integer as JSON may hold it: exact, or INEXACT thrown. */
function integerOf(value: unknown): bigint | number | undefined {
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return value
    if (Number.isInteger(value)) throw INEXACT
    return undefined
  }
  const text = exactText(value) ?? value
  if (typeof text !== 'string') return undefined
  const unscaled = parseDecimal(text, 19, 0)
  return unscaled === undefined || text.length > 40 ? undefined : unscaled
}

function bigInteger(schema: SchemaData): Convert {
  return (value, field) => {
    const integer = integerOf(value)
    if (integer === undefined) throw unfit(field, schema, value)
    const exact = BigInt(integer)
    if (BigInt.asIntN(64, exact) !== exact) throw unfit(field, schema, exact)
    return exact
  }
}

function safeInteger(schema: SchemaData): Convert {
  return (value, field) => {
    const integer = integerOf(value)
    const number = Number(integer)
    if (integer === undefined || !Number.isSafeInteger(number)) throw unfit(field, schema, value)
    return number
  }
}

function decimal(schema: Extract<SchemaData, { kind: 'decimal' }>): Convert {
  const { precision, scale } = schema
  return (value, field) => {
    let text = exactText(value) ?? value
    if (typeof text === 'number') {
      text = String(text)
      // As many digits as a float64 always keeps.
      if ((text as string).length > 15) throw INEXACT
    }
    const unscaled = typeof text === 'string' ? parseDecimal(text, precision, scale) : undefined
    if (unscaled === undefined) throw unfit(field, schema, text)
    return formatDecimal(unscaled, scale)
  }
}

function list(schema: Extract<SchemaData, { kind: 'list' }>): Convert {
  const item = compileReading(schema.item)
  return (value, field) => {
    if (!Array.isArray(value)) throw unfit(field, schema, value)
    const from = value as readonly unknown[]
    const items = new Array<unknown>(from.length)
    for (let index = 0; index < from.length; index += 1) {
      items[index] = item(from[index], `${field}[${index}]`)
    }
    return items
  }
}

/** Packed values keep no digits beyond float64: their numbers become plain ones again. */
function restored(value: unknown): unknown {
  const plain = rounded(value)
  if (typeof plain !== 'object' || plain === null) return plain
  if (Array.isArray(plain)) return (plain as unknown[]).map(restored)
  return Object.fromEntries(Object.entries(plain).map(([name, inner]) => [name, restored(inner)]))
}

/**
 * One generated function a struct: reads each field once, tests the common case in place and
 * builds the row in one literal, so that all rows have one hidden class.
 */
function compileStruct(schema: StructData): Convert {
  const converts = schema.fields.map((field) => compileReading(field.schema))
  const refuse = (value: unknown, field: string): never => {
    throw unfit(field, schema, value)
  }
  const cells = schema.fields.map((field, index) => `${literalName(field.name)}: f${index}`)
  const body = [
    '"use strict"',
    'return (value, field) => {',
    '  if (typeof value !== "object" || value === null || Array.isArray(value)) {',
    '    refuse(value, field)',
    '  }',
    '  const prefix = field === "" ? "" : field + "."',
    ...schema.fields.map(readField),
    `  return { ${cells.join(', ')} }`,
    '}',
  ]
  const make = new Function('converts', 'refuse', 'hasOwn', body.join('\n')) as (
    converts: readonly Convert[],
    refuse: (value: unknown, field: string) => never,
    hasOwn: (object: object, name: string) => boolean,
  ) => Convert
  return make(converts, refuse, Object.hasOwn)
}

function readField(field: FieldData, index: number): string {
  const name = JSON.stringify(field.name)
  const read = readCode('value', field.name)
  const usual = usualCase(field.schema, `f${index}`)
  const convert = `f${index} = converts[${index}](f${index}, prefix + ${name})`
  return `  let f${index} = ${read}\n  ${usual === undefined ? '' : `if (!(${usual})) `}${convert}`
}

/** The test that a value is fine as it is. */
function usualCase(schema: SchemaData, value: string): string | undefined {
  switch (schema.kind) {
    case 'utf8':
      return schema.oneOf === undefined ? `typeof ${value} === "string"` : undefined
    case 'float64':
      return `typeof ${value} === "number"`
    case 'timestamp':
      return `Number.isSafeInteger(${value})`
    case 'bool':
      return `typeof ${value} === "boolean"`
    case 'nullable':
      return usualCase(schema.of, value)
    default:
      return undefined
  }
}
