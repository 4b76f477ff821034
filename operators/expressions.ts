/**
 * Declared expressions: data that runs on columns with no row made, can be pushed into a source,
 * and stands in the plan.
 *
 * X1. Comparing with null is false, also `ne`; `not` turns false into true all the same.
 * X2. Arithmetic with null is null. Otherwise numbers behave as in JavaScript.
 * X3. Values of different types are never equal, nor greater or less: 1, 1n and '1' differ.
 * X4. Fields declared decimal or date compare as the numbers and days they are: 9.5 is less than
 *     10.00, and 1.5 equals 1.50. Where nothing is declared they are texts, and compare as such.
 */
import type { FieldName, Has, requires, Scalar, Widen, yields } from './types.ts'
import { StreamError } from '../engine/base/errors.ts'

export type ExpressionData =
  | { readonly type: 'field'; readonly field: string }
  | { readonly type: 'literal'; readonly value: number }
  | {
      readonly type: 'arithmetic'
      readonly operator: ArithmeticOperator
      readonly left: ExpressionData
      readonly right: ExpressionData
    }

export type ArithmeticOperator = 'plus' | 'minus' | 'times' | 'dividedBy' | 'modulo'

export type PredicateData =
  | {
      readonly type: 'compare'
      readonly operator: CompareOperator
      readonly left: ExpressionData
      readonly value: Scalar
      readonly as?: TextOrder
    }
  | {
      readonly type: 'oneOf'
      readonly of: ExpressionData
      readonly values: readonly Scalar[]
      readonly as?: TextOrder
    }
  | { readonly type: 'isNull'; readonly of: ExpressionData }
  | {
      readonly type: 'and' | 'or'
      readonly left: PredicateData
      readonly right: PredicateData
    }
  | { readonly type: 'not'; readonly of: PredicateData }

/** What a text stands for where it is compared as that: set when the step is planned (X4). */
export type TextOrder = 'decimal' | 'date'

export type CompareOperator = 'eq' | 'ne' | 'gt' | 'gte' | 'lt' | 'lte'

/** A condition on a record, for `where`. What it asks of the record is in its type. */
export interface Predicate<in R> {
  readonly [requires]: (record: R) => void
  and<R2>(other: Predicate<R2>): Predicate<R & R2>
  or<R2>(other: Predicate<R2>): Predicate<R & R2>
  not(): Predicate<R>
}

export interface NumberExpression<in R> {
  readonly [requires]: (record: R) => void
  readonly [yields]: { readonly type: number }
  plus<R2 = unknown>(other: number | NumberExpression<R2>): NumberExpression<R & R2>
  minus<R2 = unknown>(other: number | NumberExpression<R2>): NumberExpression<R & R2>
  times<R2 = unknown>(other: number | NumberExpression<R2>): NumberExpression<R & R2>
  dividedBy<R2 = unknown>(other: number | NumberExpression<R2>): NumberExpression<R & R2>
  modulo<R2 = unknown>(other: number | NumberExpression<R2>): NumberExpression<R & R2>
  gt(value: number): Predicate<R>
  gte(value: number): Predicate<R>
  lt(value: number): Predicate<R>
  lte(value: number): Predicate<R>
  eq(value: number): Predicate<R>
}

export interface FieldExpression<F extends string> {
  readonly [requires]: (record: Has<F, unknown>) => void
  readonly [yields]: { readonly field: F }
  eq<V extends Scalar>(value: V): Predicate<Has<F, Widen<V>>>
  ne<V extends Scalar>(value: V): Predicate<Has<F, Widen<V>>>
  gt<V extends Scalar>(value: V): Predicate<Has<F, Widen<V>>>
  gte<V extends Scalar>(value: V): Predicate<Has<F, Widen<V>>>
  lt<V extends Scalar>(value: V): Predicate<Has<F, Widen<V>>>
  lte<V extends Scalar>(value: V): Predicate<Has<F, Widen<V>>>
  oneOf<V extends Scalar>(values: readonly V[]): Predicate<Has<F, Widen<V>>>
  isNull(): Predicate<Has<F, unknown>>
  plus(
    other: number | NumberExpression<never> | FieldExpression<never>,
  ): NumberExpression<Has<F, number>>
  times<G extends string>(other: FieldExpression<G>): NumberExpression<Has<F | G, number>>
  times(other: number): NumberExpression<Has<F, number>>
  modulo(other: number): NumberExpression<Has<F, number>>
}

/** Any expression over records of type R. */
export type Expression<R> = {
  readonly [requires]: (record: R) => void
  readonly [yields]: { readonly field: FieldName<R> } | { readonly type: unknown }
}

/** A field of the record, by name. */
export function field<const F extends string>(name: F): FieldExpression<F> {
  if (typeof name !== 'string' || name === '') {
    throw new StreamError('FIELD_UNKNOWN', 'field() was given no name', {
      hint: 'Give the name of a field of the record as text.',
    })
  }
  return new ExpressionValue({ type: 'field', field: name }) as unknown as FieldExpression<F>
}

/** The data below an expression. Throws OPTION_INVALID for what is none. */
export function expressionData(expression: unknown): ExpressionData {
  if (expression instanceof ExpressionValue) return expression.data
  throw new StreamError('OPTION_INVALID', 'an expression is expected', {
    hint: "Build it with field('name'), for example field('price').times(2).",
  })
}

/** The data below a predicate. Throws OPTION_INVALID for what is none. */
export function predicateData(predicate: unknown): PredicateData {
  if (predicate instanceof PredicateValue) return predicate.data
  throw new StreamError('OPTION_INVALID', 'a predicate is expected', {
    hint: "Build it with field('name'), for example field('price').gt(100); filter() takes functions.",
  })
}

/** Names of all fields that an expression reads, each once, in the order of first use. */
export function fieldsOfExpression(data: ExpressionData): readonly string[] {
  const names = new Set<string>()
  collectFields(data, names)
  return [...names]
}

/** Names of all fields that a predicate reads, each once, in the order of first use. */
export function fieldsOfPredicate(data: PredicateData): readonly string[] {
  const names = new Set<string>()
  collectPredicateFields(data, names)
  return [...names]
}

function collectFields(data: ExpressionData, names: Set<string>): void {
  switch (data.type) {
    case 'field':
      names.add(data.field)
      return
    case 'literal':
      return
    case 'arithmetic':
      collectFields(data.left, names)
      collectFields(data.right, names)
      return
    default:
      data satisfies never
  }
}

function collectPredicateFields(data: PredicateData, names: Set<string>): void {
  switch (data.type) {
    case 'compare':
      collectFields(data.left, names)
      return
    case 'oneOf':
    case 'isNull':
      collectFields(data.of, names)
      return
    case 'and':
    case 'or':
      collectPredicateFields(data.left, names)
      collectPredicateFields(data.right, names)
      return
    case 'not':
      collectPredicateFields(data.of, names)
      return
    default:
      data satisfies never
  }
}

/** Both faces of an expression: a field, and what arithmetic makes of it. */
class ExpressionValue {
  readonly data: ExpressionData

  constructor(data: ExpressionData) {
    this.data = data
    Object.freeze(this)
  }

  eq(value: Scalar): PredicateValue {
    return this.#compare('eq', value)
  }

  ne(value: Scalar): PredicateValue {
    return this.#compare('ne', value)
  }

  gt(value: Scalar): PredicateValue {
    return this.#compare('gt', value)
  }

  gte(value: Scalar): PredicateValue {
    return this.#compare('gte', value)
  }

  lt(value: Scalar): PredicateValue {
    return this.#compare('lt', value)
  }

  lte(value: Scalar): PredicateValue {
    return this.#compare('lte', value)
  }

  oneOf(values: readonly Scalar[]): PredicateValue {
    return new PredicateValue({ type: 'oneOf', of: this.data, values: values.map(scalarOf) })
  }

  isNull(): PredicateValue {
    return new PredicateValue({ type: 'isNull', of: this.data })
  }

  plus(other: unknown): ExpressionValue {
    return this.#calculate('plus', other)
  }

  minus(other: unknown): ExpressionValue {
    return this.#calculate('minus', other)
  }

  times(other: unknown): ExpressionValue {
    return this.#calculate('times', other)
  }

  dividedBy(other: unknown): ExpressionValue {
    return this.#calculate('dividedBy', other)
  }

  modulo(other: unknown): ExpressionValue {
    return this.#calculate('modulo', other)
  }

  #compare(operator: CompareOperator, value: Scalar): PredicateValue {
    return new PredicateValue({
      type: 'compare',
      operator,
      left: this.data,
      value: scalarOf(value),
    })
  }

  #calculate(operator: ArithmeticOperator, other: unknown): ExpressionValue {
    const right: ExpressionData =
      typeof other === 'number' ? { type: 'literal', value: other } : expressionData(other)
    return new ExpressionValue({ type: 'arithmetic', operator, left: this.data, right })
  }
}

class PredicateValue {
  readonly data: PredicateData

  constructor(data: PredicateData) {
    this.data = data
    Object.freeze(this)
  }

  and(other: unknown): PredicateValue {
    return new PredicateValue({ type: 'and', left: this.data, right: predicateData(other) })
  }

  or(other: unknown): PredicateValue {
    return new PredicateValue({ type: 'or', left: this.data, right: predicateData(other) })
  }

  not(): PredicateValue {
    return new PredicateValue({ type: 'not', of: this.data })
  }
}

function scalarOf(value: unknown): Scalar {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'bigint':
    case 'boolean':
      return value
    default:
      throw new StreamError(
        'OPTION_INVALID',
        `a field is compared with ${value === null ? 'null' : `a value of type ${typeof value}`}`,
        { hint: 'Compare with text, a number, a bigint or a boolean; isNull() asks for null.' },
      )
  }
}
