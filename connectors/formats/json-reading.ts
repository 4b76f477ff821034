import { isTime } from '../../engine/index.ts'
import type { FieldData, SchemaData, StructData } from '../../engine/index.ts'
import { literalName, readCode } from './field-code.ts'
import { ExactNumber } from './json-exact.ts'
import { date, decimal, float64, int32, int64, packed, timestamp } from './json-numbers.ts'
import type { Convert, ReadingOptions } from './json-numbers.ts'
import { unfit } from './unfit.ts'

/**
 * From parsed JSON to declared records: checks every field, converts what JSON has no type for,
 * and builds rows of one fixed shape.
 *
 * int64: a number, or digits in a text. binary: base64. timestamp: epoch ms or ISO 8601. date: ISO
 * 8601, or days since 1970. decimal: a number or a text. float64: also "NaN", "Infinity" and
 * "-Infinity". Null or missing: null where the field is nullable. Fields that are not declared
 * are dropped; of two with one name the last counts, as in JSON.parse. What a number is, its text
 * says: see `Doubts`.
 */
export function compileReading(schema: SchemaData, options: ReadingOptions): Convert {
  switch (schema.kind) {
    case 'utf8':
      return utf8(schema)
    case 'int32':
      return int32(schema, options)
    case 'int64':
      return int64(schema, options)
    case 'float64':
      return float64(schema, options)
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
      return timestamp(schema, options)
    case 'date':
      return date(schema, options)
    case 'decimal':
      return decimal(schema, options)
    case 'list':
      return list(schema, options)
    case 'struct':
      return compileStruct(schema, options)
    case 'nullable': {
      const inner = compileReading(schema.of, options)
      return (value, field) => (value === null || value === undefined ? null : inner(value, field))
    }
    case 'packed':
      return packed(schema, options)
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

function list(schema: Extract<SchemaData, { kind: 'list' }>, options: ReadingOptions): Convert {
  const item = compileReading(schema.item, options)
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

/**
 * One generated function a struct: reads each field once, tests the common case in place and
 * builds the row in one literal, so that all rows have one hidden class.
 */
function compileStruct(schema: StructData, options: ReadingOptions): Convert {
  const converts = schema.fields.map((field) => compileReading(field.schema, options))
  const refuse = (value: unknown, field: string): never => {
    throw unfit(field, schema, value)
  }
  const cells = schema.fields.map((field, index) => `${literalName(field.name)}: f${index}`)
  const body = [
    '"use strict"',
    'return (value, field) => {',
    '  const isObject = typeof value === "object" && value !== null && !Array.isArray(value)',
    '  if (!isObject || value instanceof ExactNumber) refuse(value, field)',
    '  const prefix = field === "" ? "" : field + "."',
    ...schema.fields.map(readField),
    `  return { ${cells.join(', ')} }`,
    '}',
  ]
  const given = { converts, refuse, hasOwn: Object.hasOwn, isTime, ExactNumber }
  const make = new Function(...Object.keys(given), body.join('\n')) as (
    ...values: readonly unknown[]
  ) => Convert
  return make(...Object.values(given))
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
    case 'int32':
      return `(${value} | 0) === ${value} && ${value} !== 0`
    case 'int64':
      return schema.as === 'number' ? `Number.isSafeInteger(${value}) && ${value} !== 0` : undefined
    case 'float64':
      // 0 and what is 2^53 or more may not be what was written (N1, N2 of `Doubts`).
      return `typeof ${value} === "number" && ${value} !== 0 && Math.abs(${value}) < 2 ** 53`
    case 'timestamp':
      return `isTime(${value}) && ${value} !== 0`
    case 'bool':
      return `typeof ${value} === "boolean"`
    case 'nullable':
      return usualCase(schema.of, value)
    default:
      return undefined
  }
}
