/**
 * What the plan knows of records, so that it can find mistakes in jobs that were not type-checked.
 *
 * A shape is a schema in which `packed` stands for a field whose type is not known. Only an exact
 * one, without such a field, is the schema of a step's output.
 */
import type { AggregateData } from './aggregates.ts'
import type { ExpressionData } from './expressions.ts'
import type { SchemaData } from '../engine/stream/schema.ts'
import { schemaData } from '../engine/stream/schema.ts'

/** Told from a schema of the user's by its identity. */
const UNKNOWN: SchemaData = Object.freeze({ kind: 'packed' })
const COUNT: SchemaData = Object.freeze({ kind: 'int64', as: 'number' })
const NUMBER: SchemaData = Object.freeze({ kind: 'float64' })
const RANK: SchemaData = Object.freeze({ kind: 'int32' })
const TIME: SchemaData = Object.freeze({ kind: 'timestamp' })

/** Names of the windows' own result columns. */
export const WINDOW_COLUMNS = ['windowStart', 'windowEnd'] as const

export type Columns = readonly { readonly name: string; readonly schema: SchemaData }[]

/** A shape made of columns, of which some may not be known. */
export function shapeOf(columns: Columns): SchemaData {
  return Object.freeze({
    kind: 'struct',
    fields: columns.map(({ name, schema }) => Object.freeze({ name, schema })),
  })
}

/** A shape of which only the names are known. */
export function namesShape(names: readonly string[] | undefined): SchemaData | undefined {
  return names && shapeOf(names.map((name) => ({ name, schema: UNKNOWN })))
}

/** Whether a shape is a schema. */
export function isExact(shape: SchemaData | undefined): boolean {
  if (shape === undefined || shape === UNKNOWN) return false
  return shape.kind !== 'struct' || shape.fields.every((field) => field.schema !== UNKNOWN)
}

/** The shape of one field; `UNKNOWN` when nothing is known of it. */
export function fieldShape(shape: SchemaData | undefined, name: string): SchemaData {
  if (shape?.kind !== 'struct') return UNKNOWN
  return shape.fields.find((field) => field.name === name)?.schema ?? UNKNOWN
}

export function pickShape(shape: SchemaData | undefined, fields: readonly string[]): SchemaData {
  return shapeOf(fields.map((name) => ({ name, schema: fieldShape(shape, name) })))
}

/** Columns of a key in a result: its fields', or one that nothing is known of. */
export function keyColumns(shape: SchemaData | undefined, names: readonly string[]): Columns {
  return names.map((name) => ({ name, schema: fieldShape(shape, name) }))
}

export function windowColumns(): Columns {
  return WINDOW_COLUMNS.map((name) => ({ name, schema: TIME }))
}

/** What an expression gives for records of a shape. */
export function expressionShape(shape: SchemaData | undefined, data: ExpressionData): SchemaData {
  switch (data.type) {
    case 'field':
      return fieldShape(shape, data.field)
    case 'literal':
      return NUMBER
    case 'arithmetic': {
      const parts = [expressionShape(shape, data.left), expressionShape(shape, data.right)]
      return parts.every((part) => part.kind !== 'nullable' && part !== UNKNOWN)
        ? NUMBER
        : nullableOf(NUMBER)
    }
    default:
      return data satisfies never
  }
}

/** What an aggregate gives for records of a shape (aggregates.ts, G1 and G2). */
export function aggregateShape(shape: SchemaData | undefined, data: AggregateData): SchemaData {
  switch (data.type) {
    case 'count':
    case 'countDistinct':
      return COUNT
    case 'sum':
      return sumShape(expressionShape(shape, data.of))
    case 'average':
      return mayBeEmpty(shape, data) ? nullableOf(NUMBER) : NUMBER
    case 'min':
    case 'max': {
      const of = expressionShape(shape, data.of)
      if (of === UNKNOWN) return UNKNOWN
      return mayBeEmpty(shape, data) ? nullableOf(of) : of
    }
    case 'function':
      return schemaData(data.definition.result)
    default:
      return data satisfies never
  }
}

function sumShape(of: SchemaData): SchemaData {
  if (of === UNKNOWN) return UNKNOWN
  const value = of.kind === 'nullable' ? of.of : of
  return value.kind === 'int64' && value.as === 'bigint' ? value : NUMBER
}

/** Whether a group may have no value for this aggregate: all null, or none fits `where`. */
function mayBeEmpty(
  shape: SchemaData | undefined,
  data: Extract<AggregateData, { readonly of: ExpressionData }>,
): boolean {
  if (data.where !== undefined) return true
  const of = expressionShape(shape, data.of)
  return of.kind === 'nullable' || of === UNKNOWN
}

function nullableOf(schema: SchemaData): SchemaData {
  return schema.kind === 'nullable' ? schema : Object.freeze({ kind: 'nullable', of: schema })
}

/** The shape with the rank that topN adds. */
export function rankedShape(shape: SchemaData | undefined): SchemaData | undefined {
  if (shape?.kind !== 'struct') return undefined
  return shapeOf([...shape.fields, { name: 'rank', schema: RANK }])
}

/** The shape of several streams together: known when it is the same for all. */
export function commonShape(shapes: readonly (SchemaData | undefined)[]): SchemaData | undefined {
  const [first, ...others] = shapes
  if (first === undefined) return undefined
  const text = JSON.stringify(first)
  return others.every((shape) => shape !== undefined && JSON.stringify(shape) === text)
    ? first
    : undefined
}
