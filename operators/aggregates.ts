/**
 * Declared aggregates: `keyBy(…).aggregate(uid, { orders: count(), cents: sum('cents') })`.
 *
 * G1. Nulls are skipped: a count is of records, everything else of values that are not null.
 * G2. With no value at all, count and sum are 0, and min, max and average are null.
 */
import type {
  ExpressionData,
  NumberExpression,
  Predicate,
  PredicateData,
  TextOrder,
} from './expressions.ts'
import type { Has, Numeric, requires, ValueOf, yields } from './types.ts'
import type { Key } from '../engine/stream/keys.ts'
import type { Schema } from '../engine/stream/schema.ts'
import { callSite } from './call-site.ts'
import { expressionData, predicateData } from './expressions.ts'
import { StreamError } from '../engine/base/errors.ts'
import { ASYNC_HINT, isAsyncFunction } from '../engine/operator/user-error.ts'

/** What an aggregate is below its type. With `where`, only records that fit it count. */
export type AggregateData =
  | { readonly type: 'count'; readonly where?: PredicateData }
  | {
      readonly type: 'sum' | 'min' | 'max' | 'average' | 'countDistinct'
      readonly of: ExpressionData
      readonly where?: PredicateData
      /** How min and max compare texts; set when the step is planned. */
      readonly as?: TextOrder
    }
  | {
      readonly type: 'function'
      readonly definition: AggregateFunction<unknown, unknown, unknown>
      readonly where?: PredicateData
    }

export interface Aggregate<in R, out D> {
  readonly [requires]: (record: R) => void
  readonly [yields]: D
  where<R2>(predicate: Predicate<R2>): Aggregate<R & R2, D>
}

/** An aggregate of one's own. Steps are synchronous; `add` and `merge` may change `accumulator`. */
export interface AggregateFunction<T, A, R> {
  readonly accumulator: Schema<A>
  readonly result: Schema<R>
  create(): A
  add(accumulator: A, record: T): A
  merge(left: A, right: A): A
  getResult(accumulator: A): R
}

export type ResultOf<T, G> = G extends { readonly [yields]: { readonly sumOf: infer F } }
  ? F extends keyof T
    ? Exclude<T[F], null>
    : never
  : ValueOf<T, G>
export type Aggregates<T> = Readonly<Record<string, Aggregate<T, unknown>>>
export type Results<T, G> = { readonly [N in keyof G]: ResultOf<T, G[N]> }
export type KeyColumns<T, K, F> = [F] extends [never]
  ? { readonly key: K }
  : { readonly [P in F & keyof T]: T[P] }

/** How many records. */
export function count(): Aggregate<unknown, { readonly type: number }> {
  return aggregateOf({ type: 'count' })
}

/** How many different values of a field. */
export function countDistinct<const F extends string>(
  field: F,
): Aggregate<Has<F, Key>, { readonly type: number }> {
  return aggregateOf({ type: 'countDistinct', of: operand(field) })
}

export function sum<const F extends string>(
  field: F,
): Aggregate<Has<F, Numeric>, { readonly sumOf: F }>
export function sum<R>(expression: NumberExpression<R>): Aggregate<R, { readonly type: number }>
export function sum(of: unknown): unknown {
  return aggregateOf({ type: 'sum', of: operand(of) })
}

export function average<const F extends string>(
  field: F,
): Aggregate<Has<F, Numeric>, { readonly type: number }> {
  return aggregateOf({ type: 'average', of: operand(field) })
}

export function min<const F extends string>(
  field: F,
): Aggregate<Has<F, Numeric | string>, { readonly field: F }> {
  return aggregateOf({ type: 'min', of: operand(field) })
}

export function max<const F extends string>(
  field: F,
): Aggregate<Has<F, Numeric | string>, { readonly field: F }> {
  return aggregateOf({ type: 'max', of: operand(field) })
}

export function aggregateFunction<T, A, R>(
  definition: AggregateFunction<T, A, R>,
): Aggregate<T, { readonly type: R }> {
  for (const part of ['create', 'add', 'merge', 'getResult'] as const) {
    // eslint-disable-next-line @typescript-eslint/unbound-method -- looked at, never called
    if (isAsyncFunction(definition[part])) {
      const at = callSite()
      throw new StreamError('STEP_ASYNC', `"${part}" of aggregateFunction is async`, {
        hint: ASYNC_HINT,
        ...(at === undefined ? {} : { place: { at } }),
      })
    }
    if (typeof definition[part] === 'function') continue
    throw new StreamError('OPTION_INVALID', `aggregateFunction has no function "${part}"`, {
      hint: 'It needs accumulator, result, create, add, merge and getResult.',
    })
  }
  return aggregateOf({
    type: 'function',
    definition: definition as unknown as AggregateFunction<unknown, unknown, unknown>,
  })
}

/** The data below an aggregate. Throws OPTION_INVALID for what is none. */
export function aggregateData(aggregate: unknown): AggregateData {
  if (aggregate instanceof AggregateValue) return aggregate.data
  throw new StreamError('OPTION_INVALID', 'an aggregate is expected', {
    hint: 'Use count(), sum, min, max, average or aggregateFunction({ … }).',
  })
}

class AggregateValue {
  readonly data: AggregateData

  constructor(data: AggregateData) {
    this.data = data
    Object.freeze(this)
  }

  where(predicate: unknown): AggregateValue {
    const asked = predicateData(predicate)
    const before = this.data.where
    const where: PredicateData =
      before === undefined ? asked : { type: 'and', left: before, right: asked }
    return new AggregateValue({ ...this.data, where })
  }
}

function aggregateOf<R, D>(data: AggregateData): Aggregate<R, D> {
  return new AggregateValue(data) as unknown as Aggregate<R, D>
}

function operand(of: unknown): ExpressionData {
  return typeof of === 'string' ? { type: 'field', field: of } : expressionData(of)
}
