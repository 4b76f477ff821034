import { StreamError } from '../../engine/index.ts'
import type { SchemaData } from '../../engine/index.ts'

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
      hint: 'Declare it nullable, or give it a value.',
    })
  }
  const message = `${name} is ${describe(schema)}, the value is ${shown(value)}`
  return new StreamError('VALUE_UNFIT', message, { hint: hintFor(schema) })
}

function hintFor(schema: SchemaData): string {
  switch (schema.kind) {
    case 'int32':
      return 'Widen the column to int64 or float64, or round.'
    case 'int64':
      return schema.as === 'number'
        ? 'It takes whole numbers up to 2^53: leave out { as: "number" } for larger ones, or round.'
        : 'It takes bigints, and whole numbers up to 2^53.'
    case 'timestamp':
      return 'It takes whole epoch milliseconds.'
    case 'date':
      return 'It takes days such as 2026-11-22.'
    case 'decimal':
      return `It takes text of at most ${schema.precision} digits, ${schema.scale} of them after the point.`
    default:
      return 'Change the declared schema, or convert the value before.'
  }
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
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`
  try {
    // JSON has no text for a missing value, nor for an object whose toJSON gives none.
    const text = JSON.stringify(value, (_, inner: unknown) =>
      typeof inner === 'bigint' ? `${inner}n` : inner,
    ) as string | undefined
    return text ?? (value === undefined ? 'missing' : typeof value)
  } catch {
    return typeof value
  }
}
