/**
 * Schemas are values: one place that says how TypeScript sees a value and how columns, state and
 * files hold it. `Infer<typeof Click>` is the type; a job needs no type argument.
 */
declare const rowType: unique symbol

/** Describes one kind of value. */
export interface Schema<out V> {
  readonly kind: SchemaKind
  readonly [rowType]: V
}

/** The type of the values that schema `S` describes. */
export type Infer<S extends Schema<unknown>> = S[typeof rowType]

export interface StructSchema<out V> extends Schema<V> {
  readonly kind: 'struct'
  /** The schemas of the fields, by name: to spread into another struct, or to pick from. */
  readonly fields: { readonly [N in keyof V]: Schema<V[N]> }
}

export type SchemaKind =
  | 'utf8'
  | 'int32'
  | 'int64'
  | 'float64'
  | 'bool'
  | 'binary'
  | 'timestamp'
  | 'date'
  | 'decimal'
  | 'list'
  | 'struct'
  | 'nullable'
  | 'packed'

/**
 * What a schema is at run time, and as it stands in plans and manifests: plain JSON.
 *
 * utf8: string. int32, float64: number. int64: bigint, or number with `as`. bool: boolean.
 * binary: Uint8Array. timestamp: number, epoch ms. date: string, ISO 8601 day. decimal: string.
 */
export type SchemaData =
  | { readonly kind: 'utf8'; readonly oneOf?: readonly string[] }
  | { readonly kind: 'int32' }
  | { readonly kind: 'int64'; readonly as: 'bigint' | 'number' }
  | { readonly kind: 'float64' }
  | { readonly kind: 'bool' }
  | { readonly kind: 'binary' }
  | { readonly kind: 'timestamp' }
  | { readonly kind: 'date' }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly kind: 'list'; readonly item: SchemaData }
  | { readonly kind: 'struct'; readonly fields: readonly FieldData[] }
  | { readonly kind: 'nullable'; readonly of: SchemaData }
  | { readonly kind: 'packed' }

export interface FieldData {
  readonly name: string
  readonly schema: SchemaData
}

export type StructData = Extract<SchemaData, { kind: 'struct' }>

/** Where a struct keeps its data: its `fields` are by name there, for users to spread. */
const DATA = Symbol('data')

/** The plain data of a schema. Of all kinds but struct the object *is* its data. */
export function schemaData(schema: Schema<unknown>): SchemaData {
  const data = (schema as { readonly [DATA]?: SchemaData } | null | undefined)?.[DATA]
  return data ?? (schema as unknown as SchemaData)
}

/** A struct as jobs hold it. */
export function structOf<V>(fields: StructSchema<V>['fields'], data: StructData): StructSchema<V> {
  const schema = { kind: 'struct', fields: Object.freeze({ ...fields }) }
  Object.defineProperty(schema, DATA, { value: data })
  return Object.freeze(schema) as unknown as StructSchema<V>
}

export function schemaOf<V>(data: SchemaData): Schema<V> {
  return data as unknown as Schema<V>
}

/** Field names of a struct, and undefined for anything else. */
export function fieldNames(data: SchemaData | undefined): readonly string[] | undefined {
  return data?.kind === 'struct' ? data.fields.map((field) => field.name) : undefined
}
