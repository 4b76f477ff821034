import type { SchemaData } from '../stream/schema.ts'

/** What JavaScript sees of a value, null apart. */
export type ValueKind =
  'a text' | 'a number' | 'a bigint' | 'a boolean' | 'bytes' | 'a list' | 'a struct'

/** What JavaScript sees of a schema's values; undefined where it is not known. */
export function valueKind(schema: SchemaData): ValueKind | undefined {
  switch (schema.kind) {
    case 'utf8':
    case 'date':
    case 'decimal':
      return 'a text'
    case 'int32':
    case 'float64':
    case 'timestamp':
      return 'a number'
    case 'int64':
      return schema.as === 'bigint' ? 'a bigint' : 'a number'
    case 'bool':
      return 'a boolean'
    case 'binary':
      return 'bytes'
    case 'list':
      return 'a list'
    case 'struct':
      return 'a struct'
    case 'nullable':
      return valueKind(schema.of)
    case 'packed':
      return undefined
    default:
      return schema satisfies never
  }
}

/** Why records of one schema cannot go where another is asked for. */
export type Misfit =
  /** A field that has no column. */
  | { readonly type: 'extra'; readonly field: string }
  /** A column that no field fills, and that takes no null. */
  | { readonly type: 'missing'; readonly field: string }
  | {
      readonly type: 'kind'
      readonly field: string
      readonly found: ValueKind
      readonly wanted: ValueKind
    }

/**
 * The first misfit, or undefined. Only what is known is compared, and by what JavaScript sees of
 * it: whether a number fits an int32 is found when it is written.
 */
export function misfit(
  record: SchemaData | undefined,
  wanted: SchemaData | undefined,
  path = '',
): Misfit | undefined {
  if (record === undefined || wanted === undefined) return undefined
  const from = bare(record)
  const to = bare(wanted)
  const found = valueKind(from)
  const asked = valueKind(to)
  if (found === undefined || asked === undefined) return undefined
  if (found !== asked) return { type: 'kind', field: path, found, wanted: asked }
  if (from.kind === 'list' && to.kind === 'list') return misfit(from.item, to.item, `${path}[]`)
  if (from.kind === 'struct' && to.kind === 'struct') return structMisfit(from, to, path)
  return undefined
}

function structMisfit(
  record: Extract<SchemaData, { kind: 'struct' }>,
  wanted: Extract<SchemaData, { kind: 'struct' }>,
  path: string,
): Misfit | undefined {
  const columns = new Map(wanted.fields.map((field) => [field.name, field.schema]))
  for (const { name, schema } of record.fields) {
    const field = path === '' ? name : `${path}.${name}`
    const column = columns.get(name)
    if (column === undefined) return { type: 'extra', field }
    const found = misfit(schema, column, field)
    if (found !== undefined) return found
    columns.delete(name)
  }
  for (const [name, schema] of columns) {
    if (schema.kind === 'nullable') continue
    return { type: 'missing', field: path === '' ? name : `${path}.${name}` }
  }
  return undefined
}

function bare(schema: SchemaData): SchemaData {
  return schema.kind === 'nullable' ? schema.of : schema
}
