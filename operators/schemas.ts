/** Schemas as jobs write them. A schema object is its own plain data, frozen. */
import type { Fields, RowOf, Simplify } from './types.ts'
import type {
  Infer,
  Schema,
  SchemaData,
  StructData,
  StructSchema,
} from '../engine/stream/schema.ts'
import { StreamError } from '../engine/base/errors.ts'
import { schemaData, schemaOf, structOf } from '../engine/stream/schema.ts'

export type { Infer, Schema, StructSchema }

/** A record with named fields. Extend one by its fields: `struct({ ...Order.fields, paid: bool() })`. */
export function struct<F extends Fields>(fields: F): StructSchema<Simplify<RowOf<F>>> {
  const data: StructData = {
    kind: 'struct',
    fields: Object.freeze(
      Object.entries(fields).map(([name, schema]) =>
        Object.freeze({ name, schema: checked(schema, `field "${name}"`) }),
      ),
    ),
  }
  type Row = Simplify<RowOf<F>>
  return structOf<Row>(fields, Object.freeze(data))
}

/** Text. With `oneOf`, only these texts, for the compiler and when a record comes in. */
export function utf8<const L extends string = string>(options?: {
  readonly oneOf: readonly L[]
}): Schema<L> {
  if (options === undefined) return schemaFrom({ kind: 'utf8' })
  return schemaFrom({ kind: 'utf8', oneOf: Object.freeze([...options.oneOf]) })
}

/** Whole numbers of 32 bits, signed. */
export function int32(): Schema<number> {
  return schemaFrom({ kind: 'int32' })
}

export function float64(): Schema<number> {
  return schemaFrom({ kind: 'float64' })
}

/** Whole numbers of 64 bits, as bigint, or as number where they stay below 2^53. */
export function int64(): Schema<bigint>
export function int64(options: { readonly as: 'number' }): Schema<number>
export function int64(options?: { readonly as: 'number' }): Schema<bigint> | Schema<number> {
  const as = options?.as ?? 'bigint'
  return schemaFrom<number>({ kind: 'int64', as })
}

export function bool(): Schema<boolean> {
  return schemaFrom({ kind: 'bool' })
}

export function binary(): Schema<Uint8Array> {
  return schemaFrom({ kind: 'binary' })
}

/** Milliseconds since 1970-01-01T00:00:00Z. */
export function timestamp(): Schema<number> {
  return schemaFrom({ kind: 'timestamp' })
}

/** ISO 8601, as in 2026-11-22. */
export function date(): Schema<string> {
  return schemaFrom({ kind: 'date' })
}

/** A number of `precision` digits, `scale` of them behind the point, as text. */
export function decimal(precision: number, scale: number): Schema<string> {
  const fits =
    Number.isInteger(precision) &&
    precision >= 1 &&
    precision <= DECIMAL_PRECISION_MAX &&
    Number.isInteger(scale) &&
    scale >= 0 &&
    scale <= precision
  if (!fits) {
    throw new StreamError('OPTION_INVALID', `decimal(${precision}, ${scale}) is no decimal`, {
      hint: `Precision is 1 to ${DECIMAL_PRECISION_MAX}, scale 0 to the precision.`,
    })
  }
  return schemaFrom({ kind: 'decimal', precision, scale })
}

export function list<V>(item: Schema<V>): Schema<readonly V[]> {
  return schemaFrom({ kind: 'list', item: checked(item, 'the item of a list') })
}

export function nullable<V>(schema: Schema<V>): Schema<V | null> {
  const of = checked(schema, 'nullable()')
  return of.kind === 'nullable' ? schemaOf(of) : schemaFrom({ kind: 'nullable', of })
}

/** Any plain data, packed: no columns, no evolution. The one schema with a type argument. */
export function packed<V>(): Schema<V> {
  return schemaFrom({ kind: 'packed' })
}

/** What Parquet and Arrow hold in 128 bits. */
const DECIMAL_PRECISION_MAX = 38

function schemaFrom<V>(data: SchemaData): Schema<V> {
  return schemaOf(Object.freeze(data))
}

function checked(schema: Schema<unknown>, where: string): SchemaData {
  const data = schemaData(schema) as SchemaData | undefined
  if (typeof data === 'object' && typeof data.kind === 'string') return data
  throw new StreamError('OPTION_INVALID', `${where} has no schema`, {
    hint: 'Give it one, for example utf8() or int32(), called with brackets.',
  })
}
