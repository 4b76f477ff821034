import { formatDay, isTime, parseDay, StreamError } from '../../engine/index.ts'
import type { FieldData, SchemaData, StructData } from '../../engine/index.ts'
import { formatDecimal, parseDecimal } from './decimal.ts'
import { readCode } from './field-code.ts'
import { unfit } from './unfit.ts'

/**
 * From declared records to JSON, which `compileReading` reads back as the same records.
 * `owner` is named in errors.
 *
 * int64: digits. binary: base64 text. timestamp: epoch ms. date: its day. decimal: a text with all
 * digits of its scale. float64: NaN and the infinities as texts, -0 as -0.0. Fields that are not
 * declared are left out.
 */
export type Write = (value: unknown, field: string) => string

export function compileWriting(schema: SchemaData, owner?: string): Write {
  switch (schema.kind) {
    case 'utf8': {
      const allowed = schema.oneOf === undefined ? undefined : new Set(schema.oneOf)
      return (value, field) => {
        if (typeof value !== 'string' || !isWhole(value) || allowed?.has(value) === false) {
          throw unfit(field, schema, value, owner)
        }
        return JSON.stringify(value)
      }
    }
    case 'int32':
      return (value, field) => {
        if (typeof value !== 'number' || (value | 0) !== value)
          throw unfit(field, schema, value, owner)
        return String(value)
      }
    case 'int64':
      return (value, field) => {
        if (typeof value === 'bigint' && BigInt.asIntN(64, value) === value) return String(value)
        if (Number.isSafeInteger(value)) return String(value)
        throw unfit(field, schema, value, owner)
      }
    case 'float64':
      return (value, field) => {
        if (typeof value !== 'number') throw unfit(field, schema, value, owner)
        // Others read the integer -0 as 0.
        return Object.is(value, -0) ? '-0.0' : Number.isFinite(value) ? String(value) : `"${value}"`
      }
    case 'bool':
      return (value, field) => {
        if (typeof value !== 'boolean') throw unfit(field, schema, value, owner)
        return value ? 'true' : 'false'
      }
    case 'binary':
      return (value, field) => {
        if (!(value instanceof Uint8Array)) throw unfit(field, schema, value, owner)
        const { buffer, byteOffset, length } = value
        return `"${Buffer.from(buffer, byteOffset, length).toString('base64')}"`
      }
    case 'timestamp':
      return (value, field) => {
        if (!isTime(value)) throw unfit(field, schema, value, owner)
        return String(value)
      }
    case 'date':
      return (value, field) => {
        const day = typeof value === 'string' ? parseDay(value) : undefined
        if (day === undefined) throw unfit(field, schema, value, owner)
        return `"${formatDay(day)}"`
      }
    case 'decimal':
      return decimal(schema, owner)
    case 'list':
      return list(schema, owner)
    case 'struct':
      return compileStruct(schema, owner)
    case 'nullable': {
      const inner = compileWriting(schema.of, owner)
      return (value, field) =>
        value === null || value === undefined ? 'null' : inner(value, field)
    }
    case 'packed':
      return packed
  }
}

function decimal(schema: Extract<SchemaData, { kind: 'decimal' }>, owner?: string): Write {
  return (value, field) => {
    const unscaled =
      typeof value === 'string' ? parseDecimal(value, schema.precision, schema.scale) : undefined
    if (unscaled === undefined) throw unfit(field, schema, value, owner)
    return `"${formatDecimal(unscaled, schema.scale)}"`
  }
}

function list(schema: Extract<SchemaData, { kind: 'list' }>, owner?: string): Write {
  const item = compileWriting(schema.item, owner)
  return (value, field) => {
    if (!Array.isArray(value)) throw unfit(field, schema, value, owner)
    // A hole is undefined here, where `map` would skip it.
    const items = Array.from(value as readonly unknown[], (each, index) =>
      item(each, `${field}[${index}]`),
    )
    return `[${items.join(',')}]`
  }
}

/** Plain data without a schema: what JSON would change without a word is refused. */
function packed(value: unknown, field: string): string {
  switch (typeof value) {
    case 'string':
      if (!isWhole(value)) throw noJson(field, `half a character: ${JSON.stringify(value)}`)
      return JSON.stringify(value)
    case 'boolean':
      return String(value)
    case 'number':
      if (!Number.isFinite(value)) throw noJson(field, String(value))
      return Object.is(value, -0) ? '-0.0' : String(value)
    case 'object':
      break
    default:
      throw noJson(field, value === undefined ? 'a missing value' : `a ${typeof value}`)
  }
  if (value === null) return 'null'
  if (Array.isArray(value)) {
    const items = Array.from(value, (item, index) => packed(item, `${field}[${index}]`))
    return `[${items.join(',')}]`
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw noJson(field, `a ${value.constructor.name}`)
  }
  const fields = Object.entries(value).filter(([, inner]) => inner !== undefined)
  const texts = fields.map(([name, inner]) => {
    return `${packed(name, field)}:${packed(inner, `${field}.${name}`)}`
  })
  return `{${texts.join(',')}}`
}

/** Half of a surrogate pair is no character: other readers refuse the file that holds its escape. */
function isWhole(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed()
}

function noJson(field: string, found: string): StreamError {
  return new StreamError('VALUE_UNFIT', `"${field}" holds ${found}, which JSON cannot`, {
    hint: 'Declare a schema for the field.',
  })
}

/** One generated function a struct: one chain of additions, the common case tested in place. */
function compileStruct(schema: StructData, owner?: string): Write {
  const writes = schema.fields.map((field) => compileWriting(field.schema, owner))
  const refuse = (value: unknown, field: string): never => {
    throw unfit(field, schema, value, owner)
  }
  const body = [
    '"use strict"',
    'return (value, field) => {',
    '  if (typeof value !== "object" || value === null || Array.isArray(value)) {',
    '    refuse(value, field)',
    '  }',
    '  const prefix = field === "" ? "" : field + "."',
    '  let text = "{"',
    ...schema.fields.map(writeField),
    '  return text + "}"',
    '}',
  ]
  const given = { writes, refuse, hasOwn: Object.hasOwn, isTime }
  const make = new Function(...Object.keys(given), body.join('\n')) as (
    ...values: readonly unknown[]
  ) => Write
  return make(...Object.values(given))
}

function writeField(field: FieldData, index: number): string {
  const name = JSON.stringify(field.name)
  const label = JSON.stringify(`${index === 0 ? '' : ','}${name}:`)
  const read = readCode('value', field.name)
  const usual = usualCase(field.schema, `f${index}`)
  const convert = `writes[${index}](f${index}, prefix + ${name})`
  const written = usual === undefined ? convert : `${usual} : ${convert}`
  return `  const f${index} = ${read}\n  text += ${label} + (${written})`
}

/** `test ? text` for the common case. */
function usualCase(schema: SchemaData, value: string): string | undefined {
  switch (schema.kind) {
    case 'utf8':
      return schema.oneOf === undefined
        ? `typeof ${value} === "string" && ${value}.isWellFormed() ? JSON.stringify(${value})`
        : undefined
    case 'timestamp':
      return `isTime(${value}) ? ${value}`
    case 'int32':
      return `typeof ${value} === "number" && (${value} | 0) === ${value} ? ${value}`
    case 'float64':
      return `typeof ${value} === "number" && ${value} - ${value} === 0 && ${value} !== 0 ? ${value}`
    case 'nullable':
      return usualCase(schema.of, value)
    default:
      return undefined
  }
}
