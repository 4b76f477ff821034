import { expect, test } from 'vitest'
import type { AggregateData } from '../aggregates.ts'
import type { TextOrder } from '../expressions.ts'
import type { KeySelector } from '../../engine/stream/keys.ts'
import type { OperatorSubject } from '../../engine/testing/operator-host.ts'
import type { SchemaData } from '../../engine/stream/schema.ts'
import {
  aggregateData,
  aggregateFunction,
  average,
  count,
  countDistinct,
  max,
  min,
  sum,
} from '../aggregates.ts'
import {
  createAggregate,
  createPick,
  createReduce,
  createSelect,
  createWhere,
} from './factories.ts'
import { expressionData, field, predicateData } from '../expressions.ts'
import { record, verifyOperator } from '../../engine/testing/index.ts'
import { schemaOf } from '../../engine/stream/schema.ts'

const where = (predicate: unknown): OperatorSubject =>
  createWhere({ predicate: predicateData(predicate), schema: undefined })

function keeps(predicate: unknown, rows: readonly object[], kept: readonly object[]): void {
  verifyOperator(where(predicate))
    .input(...rows.map((row) => record(row)))
    .expect(...kept.map((row) => record(row)))
}

const [one, two, nothing] = [
  { n: 1, t: 'a' },
  { n: 2.5, t: 'b' },
  { n: null, t: null },
]

test('where compares fields; with null nothing is greater, less, equal or unequal', () => {
  keeps(field('n').gt(1), [one, two, nothing], [two])
  keeps(field('n').gte(1), [one, two, nothing], [one, two])
  keeps(field('n').lt(2), [one, two, nothing], [one])
  keeps(field('n').ne(1), [one, two, nothing], [two])
  keeps(field('n').eq(1).not(), [one, two, nothing], [two, nothing])
  keeps(field('t').eq('a'), [one, two, nothing], [one])
  keeps(field('t').oneOf(['b', 'c']), [one, two, nothing], [two])
  keeps(field('n').isNull(), [one, two, nothing], [nothing])
  keeps(field('n').isNull().or(field('t').gt('a')), [one, two, nothing], [two, nothing])
})

test('texts that stand for decimals and dates compare as those, over rows and columns', () => {
  const rows = ['9.50', '10.00', '-1.00', '+010000-01-01', '9999-12-31'].map((t) => ({ t }))
  const compare = (operator: 'gt' | 'lt', value: string, as: TextOrder): OperatorSubject => {
    const left = { type: 'field', field: 't' } as const
    const predicate = { type: 'compare', operator, left, value, as } as const
    return createWhere({ predicate, schema: undefined })
  }
  const check = (subject: OperatorSubject, kept: readonly object[]): void => {
    verifyOperator(subject)
      .input(...rows.map((row) => record(row)))
      .expect(...kept.map((row) => record(row)))
  }
  check(compare('gt', '9.6', 'decimal'), [rows[1]!])
  check(compare('lt', '0', 'decimal'), [rows[2]!])
  check(compare('gt', '9999-12-31', 'date'), [rows[3]!])
})

test('values of different types are never equal', () => {
  const rows = [{ n: 1 }, { n: 1n }, { n: '1' }, { n: true }]
  for (const [index, value] of [1, 1n, '1', true].entries()) {
    keeps(field('n').eq(value), rows, [rows[index]!])
    for (const row of rows) keeps(field('n').eq(value), [row], row === rows[index] ? [row] : [])
  }
  keeps(field('n').gt(0n), rows, [rows[1]!])
  keeps(field('n').ne(1), [{ n: 1n }], [{ n: 1n }])
})

test('arithmetic with null is null', () => {
  const product = field('n').times(field('m'))
  keeps(
    product.gt(5),
    [
      { n: 2, m: 3 },
      { n: 2, m: null },
      { n: 1, m: 1 },
    ],
    [{ n: 2, m: 3 }],
  )
  keeps(field('n').plus(1).eq(3), [{ n: 2 }, { n: 3 }], [{ n: 2 }])
  expect(() => keeps(product.gt(5), [{ n: 'x', m: 1 }], [])).toThrow('used as a number')
})

test('field names are data, whatever they hold', () => {
  const odd = 'a"] || process.exit() //\u2028'
  keeps(field(odd).gt(1), [{ [odd]: 2 }, { [odd]: 1 }], [{ [odd]: 2 }])
})

test('select hands on fields and computes columns; pick is a select of fields', () => {
  const columns = [
    { name: 'name', of: expressionData(field('t')) },
    { name: 'double', of: expressionData(field('n').times(2)) },
  ]
  verifyOperator(createSelect({ columns, schema: undefined, result: undefined }))
    .input(record(one, 5), record(two, 6), record(nothing, 7))
    .expect(
      record({ name: 'a', double: 2 }, 5),
      record({ name: 'b', double: 5 }, 6),
      record({ name: null, double: null }, 7),
    )
  verifyOperator(createPick({ fields: ['t'], schema: undefined }))
    .input(record(one), record(two))
    .expect(record({ t: 'a' }), record({ t: 'b' }))
})

const byUser: KeySelector = { type: 'field', field: 'user' }

function aggregate(
  aggregates: Readonly<Record<string, unknown>>,
  key: KeySelector = byUser,
  schema?: SchemaData,
): OperatorSubject {
  const named = Object.entries(aggregates).map(([name, given]): [string, AggregateData] => [
    name,
    aggregateData(given),
  ])
  const keyColumns =
    key.type === 'field' ? [key.field] : key.type === 'fields' ? key.fields : ['key']
  const factory = createAggregate({
    key,
    keyColumns,
    schema,
    aggregates: named.map(([name, data]) => ({ name, aggregate: data })),
    result: undefined,
  })
  return { ...factory, keys: [key] }
}

test('each record gives the aggregates of its key so far', () => {
  verifyOperator(
    aggregate({ n: count(), total: sum('n'), low: min('n'), high: max('n'), mean: average('n') }),
  )
    .input(
      record({ user: 'a', n: 4 }, 1),
      record({ user: 'b', n: 1 }, 2),
      record({ user: 'a', n: 2 }, 3),
    )
    .expect(
      record({ user: 'a', n: 1, total: 4, low: 4, high: 4, mean: 4 }, 1),
      record({ user: 'b', n: 1, total: 1, low: 1, high: 1, mean: 1 }, 2),
      record({ user: 'a', n: 2, total: 6, low: 2, high: 4, mean: 3 }, 3),
    )
})

test('aggregates skip nulls, and of no value at all are 0 or null', () => {
  verifyOperator(
    aggregate({
      n: count(),
      total: sum('n'),
      low: min('n'),
      mean: average('n'),
      kinds: countDistinct('n'),
    }),
  )
    .input(
      record({ user: 1, n: null }),
      record({ user: 1, n: 3 }),
      record({ user: 1, n: null }),
      record({ user: 1, n: 3 }),
    )
    .expect(
      record({ user: 1, n: 1, total: 0, low: null, mean: null, kinds: 0 }),
      record({ user: 1, n: 2, total: 3, low: 3, mean: 3, kinds: 1 }),
      record({ user: 1, n: 3, total: 3, low: 3, mean: 3, kinds: 1 }),
      record({ user: 1, n: 4, total: 6, low: 3, mean: 3, kinds: 1 }),
    )
})

test('the sum of bigints is a bigint, also of none where the schema says so', () => {
  const nullable: SchemaData = { kind: 'nullable', of: { kind: 'int64', as: 'bigint' } }
  const schema: SchemaData = { kind: 'struct', fields: [{ name: 'n', schema: nullable }] }
  verifyOperator(aggregate({ total: sum('n'), top: max('n') }, byUser, schema))
    .input(
      record({ user: 'a', n: null }),
      record({ user: 'a', n: 2n ** 62n }),
      record({ user: 'a', n: 2n ** 62n }),
    )
    .expect(
      record({ user: 'a', total: 0n, top: null }),
      record({ user: 'a', total: 2n ** 62n, top: 2n ** 62n }),
      record({ user: 'a', total: 2n ** 63n, top: 2n ** 62n }),
    )
})

test('an aggregate with where counts only what fits; keys may be several fields or a function', () => {
  const dear = count().where(field('n').gt(10))
  const two: KeySelector = { type: 'fields', fields: ['user', 'shop'] }
  verifyOperator(aggregate({ dear, of: sum(field('n').times(2)) }, two))
    .input(
      record({ user: 'a', shop: 1, n: 11 }),
      record({ user: 'a', shop: 2, n: 1 }),
      record({ user: 'a', shop: 1, n: 12 }),
    )
    .expect(
      record({ user: 'a', shop: 1, dear: 1, of: 22 }),
      record({ user: 'a', shop: 2, dear: 0, of: 2 }),
      record({ user: 'a', shop: 1, dear: 2, of: 46 }),
    )
  const select = ({ user }: { user: string }): string => user.toUpperCase()
  verifyOperator(aggregate({ n: count() }, { type: 'function', select: select }))
    .input(record({ user: 'a' }), record({ user: 'A' }))
    .expect(record({ key: 'A', n: 1 }), record({ key: 'A', n: 2 }))
})

test("a user's aggregate function may change its accumulator; results that went out stay", () => {
  const all = aggregateFunction({
    accumulator: schemaOf<number[]>({ kind: 'packed' }),
    result: schemaOf<number[]>({ kind: 'packed' }),
    create: (): number[] => [],
    add(seen, { n }: { n: number }) {
      seen.push(n)
      return seen
    },
    merge: (left, right) => [...left, ...right],
    getResult: (seen) => seen,
  })
  verifyOperator(aggregate({ all, many: count() }))
    .input(record({ user: 'a', n: 1 }), record({ user: 'a', n: 2 }))
    .expect(record({ user: 'a', all: [1], many: 1 }), record({ user: 'a', all: [1, 2], many: 2 }))
})

test('min and max tell texts apart by their code units, and refuse a mixture', () => {
  verifyOperator(aggregate({ first: min('n'), last: max('n') }))
    .input(
      record({ user: 'a', n: 'b' }),
      record({ user: 'a', n: 'ä' }),
      record({ user: 'a', n: 'a' }),
    )
    .expect(
      record({ user: 'a', first: 'b', last: 'b' }),
      record({ user: 'a', first: 'b', last: 'ä' }),
      record({ user: 'a', first: 'a', last: 'ä' }),
    )
  const run = (): void => {
    verifyOperator(aggregate({ first: min('n') }))
      .input(record({ user: 'a', n: 'b' }), record({ user: 'a', n: 1 }))
      .expect()
  }
  expect(run).toThrow('min found a value of type number after one of type string')
})

test('a missing key is refused with the field named', () => {
  const run = (): void => {
    verifyOperator(aggregate({ n: count() }))
      .input(record({ usr: 'a' }))
      .expect()
  }
  expect(run).toThrow('field "user", is undefined')
})

test('reduce folds the records of a key', () => {
  const step = (left: { n: number }, right: { n: number }): object => ({
    ...left,
    n: left.n + right.n,
  })
  verifyOperator({
    ...createReduce({ key: byUser, schema: undefined, step: step }),
    keys: [byUser],
  })
    .input(record({ user: 'a', n: 1 }), record({ user: 'b', n: 5 }), record({ user: 'a', n: 2 }))
    .expect(record({ user: 'a', n: 1 }), record({ user: 'b', n: 5 }), record({ user: 'a', n: 3 }))
})
