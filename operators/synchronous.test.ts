/** Async functions where a step is synchronous, fields that no record has, structs that extend others. */
import { expect, test } from 'vitest'
import type { StreamEnvironment } from './index.ts'
import { collectionSource } from '../connectors/collection/collection-source.ts'
import { generatorSource } from '../connectors/generator/generator-source.ts'
import { parquetSink } from '../connectors/parquet/parquet-sink.ts'
import { sourceOf } from '../engine/operator/source.ts'
import { schemaData } from '../engine/stream/schema.ts'
import {
  aggregateFunction,
  bool,
  boundedOutOfOrderness,
  hours,
  int32,
  KeyedProcessFunction,
  list,
  nullable,
  seconds,
  struct,
  tumbling,
  utf8,
  watermarkGenerator,
} from './index.ts'
import { clicksOf, Click, errorOf, graphOf, sink, source } from './testing.ts'

const slack = boundedOutOfOrderness(seconds(1))

const wait = async (): Promise<unknown> => Promise.resolve()
const emits = Click

test.each<[string, (env: StreamEnvironment) => unknown]>([
  ['the function of map', (env) => clicksOf(env).map(wait)],
  ['the function of filter', (env) => clicksOf(env).filter(wait)],
  ['the function of flatMap', (env) => clicksOf(env).flatMap(async function* () {})],
  ['the function of keyBy', (env) => clicksOf(env).keyBy(wait)],
  [
    'the function of assignTimestampsAndWatermarks',
    (env) => clicksOf(env).assignTimestampsAndWatermarks(wait, slack),
  ],
  ['onRecord of "p"', (env) => clicksOf(env).process('p', { emits, onRecord: wait })],
  [
    'onTimer of "p"',
    (env) =>
      clicksOf(env)
        .keyBy('user')
        .process('p', { emits, onRecord: () => 0, onTimer: wait }),
  ],
  [
    'processElement of "p"',
    (env) =>
      clicksOf(env)
        .keyBy('user')
        .process(
          'p',
          () =>
            new (class extends KeyedProcessFunction<string, unknown, unknown> {
              override processElement = wait as () => never
            })(),
        ),
  ],
  [
    'onWindow of "w"',
    (env) =>
      clicksOf(env)
        .assignTimestampsAndWatermarks('at', slack)
        .keyBy('user')
        .window(tumbling(hours(1)))
        .process('w', { emits, onWindow: wait }),
  ],
  ['reduce of "r"', (env) => clicksOf(env).keyBy('user').reduce('r', wait)],
  [
    'intervalJoin of "j"',
    (env) => {
      const clicks = clicksOf(env).keyBy('user')
      return clicks.intervalJoin('j', clicks, { lower: 0, upper: 1 }, wait)
    },
  ],
  [
    '"add" of aggregateFunction',
    () =>
      aggregateFunction({
        accumulator: int32(),
        result: int32(),
        create: () => 0,
        add: wait as () => never,
        merge: () => 0,
        getResult: () => 0,
      }),
  ],
  ['watermarkGenerator', () => watermarkGenerator(wait as () => never)],
  ['generatorSource', () => generatorSource({ records: 1, generate: wait })],
  [
    '"partitionBy" of parquetSink',
    () => parquetSink({ directory: 'out', schema: Click, partitionBy: wait as () => never }),
  ],
])('%s is refused when it is async', (step, build) => {
  const error = errorOf(build)
  expect(error.code).toBe('STEP_ASYNC')
  expect(error.message).toContain(step)
  expect(error.hint).not.toContain('asyncMap')
})

test('keyBy on a field that no record of a collection has is refused where it is written', () => {
  const rows = collectionSource([{ a: 1 }, { b: 2 }])
  const error = errorOf((env) => env.fromSource('in', rows).keyBy('c' as never))
  expect(error.code).toBe('FIELD_UNKNOWN')
  expect(error.message).toBe('keyBy names "c", the records have "a, b"')
  expect(error.place.at).toMatch(/^synchronous\.test\.ts:\d+$/)
  expect(errorOf((env) => env.fromSource('in', rows).keyBy('b' as never)).code).toBe(
    'GRAPH_NO_SINK',
  )
})

test('keyBy on a field of records that are text is refused where it is written', () => {
  const lines = sourceOf<{ readonly a: string }>(source(utf8()))
  const error = errorOf((env) => env.fromSource('in', lines).keyBy('a'))
  expect(error.code).toBe('FIELD_UNKNOWN')
  expect(error.message).toBe('keyBy names "a", the records have no fields')
})

test('a struct is extended by spreading its fields', () => {
  const Order = struct({ id: int32(), shop: utf8() })
  const Paid = struct({ ...Order.fields, shop: nullable(utf8()), paid: bool() })
  expect(schemaData(Paid)).toEqual({
    kind: 'struct',
    fields: [
      { name: 'id', schema: { kind: 'int32' } },
      { name: 'shop', schema: { kind: 'nullable', of: { kind: 'utf8' } } },
      { name: 'paid', schema: { kind: 'bool' } },
    ],
  })
  const nested = struct({ order: Order, all: list(Paid) })
  expect(schemaData(struct(nested.fields))).toEqual(schemaData(nested))
  // In a plan a struct stands as its data, wherever a step names it.
  const graph = graphOf((env) =>
    clicksOf(env)
      .process('p', { emits: Paid, sides: { bad: Order }, onRecord: () => undefined })
      .sinkTo('out', sink()),
  )
  expect(graph.nodes[1]!.parameters).toEqual({
    emits: schemaData(Paid),
    sides: { bad: schemaData(Order) },
  })
})

test('what the function of a job throws is told with its file and line', () => {
  const error = errorOf(() => {
    throw new Error('oops')
  })
  expect(error.code).toBe('JOB_INVALID')
  expect(error.place.at).toMatch(/^synchronous\.test\.ts:\d+:\d+$/)
})
