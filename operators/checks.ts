/** What a step checks of its arguments against what is known of the records. */
import type { AggregateData } from './aggregates.ts'
import type { ExpressionData, PredicateData, TextOrder } from './expressions.ts'
import type { Scalar } from './types.ts'
import type { ErrorCode, ErrorPlace } from '../engine/base/errors.ts'
import type { ValueKind } from '../engine/graph/schema-fit.ts'
import type { SchemaData } from '../engine/stream/schema.ts'
import { StreamError } from '../engine/base/errors.ts'
import { valueKind } from '../engine/graph/schema-fit.ts'
import { nearest } from '../engine/graph/suggest.ts'
import { unknownField } from '../engine/graph/validate.ts'
import { parseDay } from '../engine/stream/day.ts'
import { compareDecimals } from '../engine/stream/decimal-text.ts'
import { ASYNC_HINT, isAsyncFunction } from '../engine/operator/user-error.ts'
import { fieldNames } from '../engine/stream/schema.ts'
import { callSite } from './call-site.ts'
import { fieldsOfExpression } from './expressions.ts'
import { fieldShape } from './shapes.ts'
import { textOrder } from './text-order.ts'

/** An error about the step being made; `uid` names it where it has one. */
export function stepError(
  code: ErrorCode,
  message: string,
  hint: string,
  uid?: string,
): StreamError {
  return new StreamError(code, message, { hint, place: here(uid) })
}

export function here(uid?: string): ErrorPlace {
  const at = callSite()
  return {
    ...(uid === undefined ? {} : { operator: uid }),
    ...(at === undefined ? {} : { at }),
  }
}

/** The step as messages name it: `max of "hot"`, or `where`. */
function stepText(step: string, uid: string | undefined): string {
  return uid === undefined ? step : `${step} of "${uid}"`
}

/** Throws FIELD_UNKNOWN when the records are known and have no such field. */
export function checkField(
  shape: SchemaData | undefined,
  name: unknown,
  step: string,
  uid?: string,
): void {
  if (typeof name !== 'string') {
    throw stepError(
      'FIELD_UNKNOWN',
      `${stepText(step, uid)} is given ${name === undefined ? 'nothing' : `a ${typeof name}`} where a field is named`,
      'Give the name of a field as text.',
      uid,
    )
  }
  if (shape === undefined || shape.kind === 'packed') return
  const known = fieldNames(shape) ?? []
  if (!known.includes(name)) throw unknownField(stepText(step, uid), name, known, here(uid))
}

export function checkFieldKind(
  shape: SchemaData | undefined,
  name: string,
  wanted: readonly ValueKind[],
  step: string,
  uid?: string,
): void {
  checkField(shape, name, step, uid)
  const found = valueKind(fieldShape(shape, name))
  if (found === undefined || wanted.includes(found)) return
  throw stepError(
    'FIELD_TYPE',
    `${stepText(step, uid)} names "${name}", which is ${found}`,
    `It takes ${wanted.join(' or ')}.`,
    uid,
  )
}

/** Fields of an expression exist, and arithmetic is over numbers. */
export function checkExpression(
  shape: SchemaData | undefined,
  data: ExpressionData,
  step: string,
  uid?: string,
): void {
  for (const name of fieldsOfExpression(data)) {
    if (data.type === 'field') checkField(shape, name, step, uid)
    else checkFieldKind(shape, name, ['a number'], step, uid)
  }
}

export function checkPredicate(
  shape: SchemaData | undefined,
  data: PredicateData,
  step: string,
  uid?: string,
): void {
  switch (data.type) {
    case 'compare':
      checkExpression(shape, data.left, step, uid)
      checkComparable(shape, data.left, data.value, step, uid)
      return
    case 'oneOf':
      checkExpression(shape, data.of, step, uid)
      for (const value of data.values) checkComparable(shape, data.of, value, step, uid)
      return
    case 'isNull':
      checkExpression(shape, data.of, step, uid)
      return
    case 'and':
    case 'or':
      checkPredicate(shape, data.left, step, uid)
      checkPredicate(shape, data.right, step, uid)
      return
    case 'not':
      checkPredicate(shape, data.of, step, uid)
      return
    default:
      data satisfies never
  }
}

function checkComparable(
  shape: SchemaData | undefined,
  of: ExpressionData,
  value: Scalar,
  step: string,
  uid: string | undefined,
): void {
  const found = of.type === 'field' ? valueKind(fieldShape(shape, of.field)) : 'a number'
  const given = scalarKind(value)
  const name = of.type === 'field' ? `"${of.field}"` : 'an expression'
  if (found === given)
    checkText(textOrder(shape, of), value, `${stepText(step, uid)} compares ${name}`, uid)
  if (found === undefined || found === given) return
  throw stepError(
    'FIELD_TYPE',
    `${stepText(step, uid)} compares ${name}, which is ${found}, with ${given}`,
    `Compare it with ${found}: values of different types are never equal.`,
    uid,
  )
}

/** A decimal or a date is compared with one: any other text would be neither less nor greater. */
function checkText(
  as: TextOrder | undefined,
  value: Scalar,
  compares: string,
  uid: string | undefined,
): void {
  if (as === undefined || typeof value !== 'string') return
  const isOne =
    as === 'decimal' ? compareDecimals(value, value) === 0 : parseDay(value) !== undefined
  if (isOne) return
  throw stepError(
    'FIELD_TYPE',
    `${compares}, which is a ${as}, with ${JSON.stringify(value)}`,
    as === 'decimal' ? "Give a decimal such as '9.50'." : "Give a day such as '2026-11-22'.",
    uid,
  )
}

function scalarKind(value: Scalar): ValueKind {
  switch (typeof value) {
    case 'string':
      return 'a text'
    case 'number':
      return 'a number'
    case 'bigint':
      return 'a bigint'
    default:
      return 'a boolean'
  }
}

const AGGREGATED: Readonly<Record<string, readonly ValueKind[]>> = {
  sum: ['a number', 'a bigint'],
  average: ['a number', 'a bigint'],
  min: ['a number', 'a bigint', 'a text'],
  max: ['a number', 'a bigint', 'a text'],
}

export function checkAggregate(
  shape: SchemaData | undefined,
  data: AggregateData,
  uid: string,
): void {
  if (data.where !== undefined) checkPredicate(shape, data.where, `${data.type}().where`, uid)
  if (data.type === 'count' || data.type === 'function') return
  const wanted = AGGREGATED[data.type]
  if (data.of.type === 'field' && wanted !== undefined) {
    checkFieldKind(shape, data.of.field, wanted, data.type, uid)
  } else {
    checkExpression(shape, data.of, data.type, uid)
  }
}

/** Throws FIELD_CLASH when two columns of a result have one name. */
export function checkColumns(columns: readonly string[], uid: string): void {
  const seen = new Set<string>()
  for (const name of columns) {
    if (seen.has(name)) {
      throw stepError(
        'FIELD_CLASH',
        `the result of "${uid}" has two columns "${name}"`,
        'Rename the aggregate: the key, windowStart and windowEnd have columns of their own.',
        uid,
      )
    }
    seen.add(name)
  }
}

export function checkFunction(step: unknown, name: string, uid?: string): void {
  checkSynchronous(step, stepText(name, uid), uid)
  if (typeof step === 'function') return
  throw stepError(
    'OPTION_INVALID',
    `${stepText(name, uid)} is not given a function`,
    'Give it a function of a record.',
    uid,
  )
}

function noOrder(uid: string): StreamError {
  return stepError(
    'OPTION_INVALID',
    `process "${uid}" asks for an order, and its stream has no key`,
    'Records are put in order for each key: call keyBy before process.',
    uid,
  )
}

/** Throws STEP_ASYNC for a function that can only give a promise. */
export function checkSynchronous(step: unknown, name: string, uid?: string): void {
  if (isAsyncFunction(step)) {
    throw stepError('STEP_ASYNC', `the function of ${name} is async`, ASYNC_HINT, uid)
  }
}

/** A definition of a process function: has what it must have, and no slip of the pen. */
export function checkDefinition(
  definition: unknown,
  required: readonly string[],
  optional: readonly string[],
  uid: string,
): asserts definition is Readonly<Record<string, unknown>> {
  const isInstance = typeof definition === 'object' && definition !== null
  if (!isInstance || 'processElement' in definition) {
    throw stepError(
      'OPTION_INVALID',
      `process "${uid}" is not given a definition`,
      'Give an object with emits and its functions, or () => new YourProcessFunction().',
      uid,
    )
  }
  const known = [...required, ...optional]
  for (const name of Object.keys(definition)) {
    if (known.includes(name)) {
      checkSynchronous(definition[name as keyof object], `${name} of "${uid}"`, uid)
      continue
    }
    if (name === 'order') throw noOrder(uid)
    const near = nearest(name, known)
    throw stepError(
      'OPTION_INVALID',
      `process "${uid}" has a part "${name}"`,
      near === undefined ? `It has ${known.join(', ')}.` : `Did you mean "${near}"?`,
      uid,
    )
  }
  for (const name of required) {
    const part = (definition as Readonly<Record<string, unknown>>)[name]
    const fits = name.startsWith('on') ? typeof part === 'function' : typeof part === 'object'
    if (fits) continue
    throw stepError(
      'OPTION_INVALID',
      `process "${uid}" has no "${name}"`,
      name === 'emits' ? 'Say what it emits: emits: schema.' : `Give it the function ${name}.`,
      uid,
    )
  }
}
