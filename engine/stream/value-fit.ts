/** Whether a value is one of a schema. */
import type { SchemaData } from './schema.ts'
import { isDecimal } from './decimal-text.ts'
import { parseDay } from './day.ts'

/** The range of ECMAScript's own dates, to either side of 1970. */
export const TIME_MS_MAX = 8_640_000_000_000_000

/** Whether a value is a time as the engine stores it: whole epoch milliseconds, within the range. */
export function isTime(value: unknown): value is number {
  return Number.isInteger(value) && Math.abs(value as number) <= TIME_MS_MAX
}

export function isFit(schema: SchemaData, value: unknown): boolean {
  switch (schema.kind) {
    case 'utf8':
      return typeof value === 'string' && (schema.oneOf?.includes(value) ?? true)
    case 'int32':
      return typeof value === 'number' && (value | 0) === value
    case 'int64':
      return schema.as === 'number'
        ? Number.isSafeInteger(value)
        : typeof value === 'bigint' && BigInt.asIntN(64, value) === value
    case 'float64':
      return typeof value === 'number'
    case 'bool':
      return typeof value === 'boolean'
    case 'binary':
      return value instanceof Uint8Array
    case 'timestamp':
      return isTime(value)
    case 'date':
      return typeof value === 'string' && parseDay(value) !== undefined
    case 'decimal':
      return typeof value === 'string' && isDecimal(value, schema.precision, schema.scale)
    case 'list':
      return Array.isArray(value) && value.every((item) => isFit(schema.item, item))
    case 'struct':
      return typeof value === 'object' && value !== null && hasFields(schema, value)
    case 'nullable':
      return value === null || value === undefined || isFit(schema.of, value)
    case 'packed':
      return true
    default:
      return schema satisfies never
  }
}

function hasFields(schema: Extract<SchemaData, { kind: 'struct' }>, value: object): boolean {
  const fields = value as Readonly<Record<string, unknown>>
  return schema.fields.every((field) =>
    isFit(field.schema, Object.hasOwn(fields, field.name) ? fields[field.name] : undefined),
  )
}
