/** Whether a value is one of a schema. */
import type { SchemaData } from './schema.ts'

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/
const DECIMAL = /^-?(\d+)(?:\.(\d+))?$/
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

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
      return Number.isSafeInteger(value)
    case 'date':
      return typeof value === 'string' && isDate(value)
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

function isDate(text: string): boolean {
  const parts = DATE.exec(text)
  if (parts === null) return false
  const [year, month, day] = parts.slice(1).map(Number) as [number, number, number]
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  const days = month === 2 && isLeap ? 29 : DAYS[month - 1]
  return days !== undefined && day >= 1 && day <= days
}

/** Leading zeros do not count as digits. */
function isDecimal(text: string, precision: number, scale: number): boolean {
  const parts = DECIMAL.exec(text)
  if (parts === null) return false
  const whole = parts[1]!.replace(/^0+/, '').length
  return whole <= precision - scale && (parts[2]?.length ?? 0) <= scale
}
