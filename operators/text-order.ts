/** Decimals and dates are texts in JavaScript; what a declared step compares them as. */
import type { AggregateData } from './aggregates.ts'
import type { ExpressionData, PredicateData, TextOrder } from './expressions.ts'
import type { SchemaData } from '../engine/stream/schema.ts'
import { fieldShape } from './shapes.ts'

/** What the texts of an expression stand for; undefined for anything but a decimal or a date. */
export function textOrder(
  shape: SchemaData | undefined,
  of: ExpressionData,
): TextOrder | undefined {
  if (of.type !== 'field') return undefined
  const found = fieldShape(shape, of.field)
  const { kind } = found.kind === 'nullable' ? found.of : found
  return kind === 'decimal' || kind === 'date' ? kind : undefined
}

/** The predicate with the order of each comparison, for records of a shape. */
export function orderedPredicate(
  shape: SchemaData | undefined,
  data: PredicateData,
): PredicateData {
  switch (data.type) {
    case 'compare':
      return ordered(data, textOrder(shape, data.left))
    case 'oneOf':
      return ordered(data, textOrder(shape, data.of))
    case 'isNull':
      return data
    case 'and':
    case 'or': {
      const [left, right] = [
        orderedPredicate(shape, data.left),
        orderedPredicate(shape, data.right),
      ]
      return { ...data, left, right }
    }
    case 'not':
      return { ...data, of: orderedPredicate(shape, data.of) }
    default:
      return data satisfies never
  }
}

export function orderedAggregate(
  shape: SchemaData | undefined,
  data: AggregateData,
): AggregateData {
  const where = data.where === undefined ? {} : { where: orderedPredicate(shape, data.where) }
  if (data.type !== 'min' && data.type !== 'max') return { ...data, ...where }
  return ordered({ ...data, ...where }, textOrder(shape, data.of))
}

function ordered<D extends object>(data: D, as: TextOrder | undefined): D {
  return as === undefined ? data : { ...data, as }
}
