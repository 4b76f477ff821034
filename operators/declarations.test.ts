/** Expressions, aggregates, windows, schemas, durations, states: data below their types. */
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { secretOf } from '../engine/base/secret.ts'
import { schemaData } from '../engine/stream/schema.ts'
import { aggregateData } from './aggregates.ts'
import { expressionData, fieldsOfPredicate, predicateData } from './expressions.ts'
import {
  aggregateFunction,
  average,
  count,
  decimal,
  field,
  float64,
  hours,
  int32,
  int64,
  listState,
  mapState,
  millis,
  minutes,
  nullable,
  session,
  sliding,
  struct,
  sum,
  tumbling,
  utf8,
  valueState,
} from './index.ts'
import { planJson } from './plan-json.ts'
import { stateDescriptors } from './states.ts'
import { windowData } from './windows.ts'

test('an expression is a tree of plain data', () => {
  expect(expressionData(field('cents').times(field('quantity')).plus(1))).toEqual({
    type: 'arithmetic',
    operator: 'plus',
    left: {
      type: 'arithmetic',
      operator: 'times',
      left: { type: 'field', field: 'cents' },
      right: { type: 'field', field: 'quantity' },
    },
    right: { type: 'literal', value: 1 },
  })
})

test('a predicate names its fields once, in the order of use', () => {
  const predicate = field('price')
    .gt(100)
    .and(field('bidder').ne(0n))
    .or(field('price').isNull().not())
  expect(fieldsOfPredicate(predicateData(predicate))).toEqual(['price', 'bidder'])
  expect(predicateData(predicate).type).toBe('or')
})

test('what no scalar is cannot be compared with', () => {
  expect(() => field('x').eq(null as never)).toThrow('a field is compared with null')
  expect(() => field('x').eq({} as never)).toThrow(
    'a field is compared with a value of type object',
  )
  expect(() => predicateData(() => true)).toThrow('a predicate is expected')
  expect(() => field('')).toThrow('field() was given no name')
})

test('an aggregate keeps its condition, and a second one narrows it', () => {
  expect(aggregateData(count())).toEqual({ type: 'count' })
  expect(aggregateData(sum('cents'))).toEqual({
    type: 'sum',
    of: { type: 'field', field: 'cents' },
  })
  const narrowed = average('cents').where(field('a').eq(1)).where(field('b').eq(2))
  expect(aggregateData(narrowed).where?.type).toBe('and')
  expect(() => aggregateData({ type: 'count' })).toThrow('an aggregate is expected')
})

test('an aggregate function without one of its parts is refused', () => {
  const parts = {
    accumulator: int32(),
    result: int32(),
    create: () => 0,
    add: (total: number) => total,
    merge: (left: number) => left,
  }
  expect(() => aggregateFunction(parts as never)).toThrow('no function "getResult"')
})

test('windows are plain data, and those that cannot be are refused', () => {
  expect(windowData(tumbling(hours(1), { timeZone: 'Europe/Vienna' }))).toEqual({
    kind: 'windows',
    type: 'tumbling',
    sizeMs: 3_600_000,
    offsetMs: 0,
    timeZone: 'Europe/Vienna',
  })
  expect(windowData(sliding(minutes(10), minutes(2)))).toMatchObject({ everyMs: 120_000 })
  expect(windowData(session(minutes(5)))).toMatchObject({ type: 'session', gapMs: 300_000 })
  expect(() => tumbling(millis(0))).toThrow('tumbling: size is 0')
  expect(() => tumbling(hours(1), { timeZone: 'Mars/Base' })).toThrow('no time zone "Mars/Base"')
  expect(() => sliding(minutes(1), minutes(2))).toThrow('longer than the size')
  expect(() => windowData(60)).toThrow('window() was not given windows')
})

test('a schema is its own frozen data', () => {
  const Row = struct({ id: int64(), note: nullable(nullable(utf8())), price: decimal(10, 2) })
  expect(schemaData(Row)).toEqual({
    kind: 'struct',
    fields: [
      { name: 'id', schema: { kind: 'int64', as: 'bigint' } },
      { name: 'note', schema: { kind: 'nullable', of: { kind: 'utf8' } } },
      { name: 'price', schema: { kind: 'decimal', precision: 10, scale: 2 } },
    ],
  })
  expect(Object.isFrozen(Row)).toBe(true)
  expect(() => decimal(39, 0)).toThrow('decimal(39, 0) is no decimal')
  expect(() => struct({ id: int64 as never })).toThrow('field "id" has no schema')
})

test('states take the name of the field they stand in', () => {
  const states = stateDescriptors({
    n: valueState(int32(), { default: 0 }),
    seen: listState(utf8()),
    by: mapState(utf8(), float64()),
  })
  expect(Object.values(states).map(({ type, name }) => [type, name])).toEqual([
    ['value', 'n'],
    ['list', 'seen'],
    ['map', 'by'],
  ])
  expect(() => stateDescriptors({ n: 0 })).toThrow('state "n" is not declared')
  expect(() => valueState(int32(), { ttlMs: 1 })).toThrow('not part of this version')
})

test('the plan keeps apart what JSON would not', () => {
  expect(planJson([1n, NaN, -0, 'NaN', undefined])).toEqual([
    { bigint: '1' },
    { number: 'NaN' },
    { number: '-0' },
    'NaN',
    null,
  ])
  expect(planJson({ step: () => 1, none: undefined, a: null })).toEqual({ a: null })
})

test('a secret shows itself only when asked to', () => {
  const secret = secretOf('hunter2')
  expect(secret.reveal()).toBe('hunter2')
  const shown = [secret as unknown as string, JSON.stringify({ secret }), inspect({ secret })]
  for (const text of shown) expect(text).not.toContain('hunter2')
  expect(JSON.stringify(secret)).toBe('"***"')
})
