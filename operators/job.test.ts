/** What a job becomes: its graph and its settings. */
import { expect, test } from 'vitest'
import type { DataStream, StreamEnvironment } from './index.ts'
import { jobDefinition } from '../engine/graph/job-definition.ts'
import { sourceOf } from '../engine/operator/source.ts'
import { schemaData } from '../engine/stream/schema.ts'
import {
  average,
  boundedOutOfOrderness,
  count,
  defineJob,
  field,
  hours,
  int32,
  KeyedProcessFunction,
  mapState,
  nullable,
  packed,
  parameter,
  seconds,
  struct,
  sum,
  tumbling,
  utf8,
  valueState,
} from './index.ts'
import { bidsOf, clicksOf, Click, graphOf, sink, source } from './testing.ts'

const slack = boundedOutOfOrderness(seconds(1))

test('each step becomes a node with its name, kind, schema and place in the file', () => {
  const graph = graphOf((env) => {
    clicksOf(env)
      .map((click: unknown) => click)
      .named('copy')
      .parallelism(3)
      .sinkTo('out', sink())
  })
  expect(graph.nodes.map(({ name, uid, kind }) => [name, uid, kind])).toEqual([
    ['clicks', 'clicks', 'source'],
    ['copy', undefined, 'map'],
    ['out', 'out', 'sink'],
  ])
  expect(graph.nodes[1]!.parallelism).toBe(3)
  expect(graph.nodes[0]!.schema).toEqual(schemaData(Click))
  expect(graph.nodes[1]!.schema).toBeUndefined()
  for (const node of graph.nodes) expect(node.at).toMatch(/^job\.test\.ts:\d+$/)
  expect(graph.edges).toEqual([
    { from: 0, to: 1, side: undefined, input: 0, partitioning: { type: 'forward' } },
    { from: 1, to: 2, side: undefined, input: 0, partitioning: { type: 'forward' } },
  ])
})

test('schemas flow through declared steps, and an aggregate gives columns of known types', () => {
  const graph = graphOf((env) => {
    bidsOf(env)
      .where(field('price').gt(1))
      .assignTimestampsAndWatermarks('at', slack)
      .keyBy('auction')
      .window(tumbling(hours(1)))
      .aggregate('agg', {
        n: count(),
        total: sum('price'),
        big: sum('big'),
        mean: average('price').where(field('auction').eq(1)),
      })
      .sinkTo('out', sink())
  })
  expect(graph.nodes.find((node) => node.uid === 'agg')!.schema).toEqual({
    kind: 'struct',
    fields: [
      { name: 'auction', schema: { kind: 'int32' } },
      { name: 'n', schema: { kind: 'int64', as: 'number' } },
      { name: 'total', schema: { kind: 'float64' } },
      { name: 'big', schema: { kind: 'int64', as: 'bigint' } },
      { name: 'mean', schema: { kind: 'nullable', of: { kind: 'float64' } } },
      { name: 'windowStart', schema: { kind: 'timestamp' } },
      { name: 'windowEnd', schema: { kind: 'timestamp' } },
    ],
  })
})

test('a result with a column of unknown type has no schema, and its names are checked all the same', () => {
  const graph = graphOf((env) => {
    clicksOf(env)
      .keyBy((click: unknown) => click)
      .aggregate('n', { n: count() })
      .sinkTo('out', sink())
  })
  expect(graph.nodes.find((node) => node.uid === 'n')!.schema).toBeUndefined()
  const select = (env: StreamEnvironment): unknown =>
    clicksOf(env)
      .keyBy((click: unknown) => click)
      .aggregate('n', { words: count() })
      .select({
        x: field('wrods'),
      })
  expect(() => graphOf(select)).toThrow('select names "wrods"')
})

test('a keyed step has its key on the edge and on the node', () => {
  const graph = graphOf((env) => {
    clicksOf(env)
      .keyBy(['user', 'url'])
      .reduce('last', (_: unknown, right: unknown) => right)
      .sinkTo('out', sink())
  })
  const key = { type: 'fields', fields: ['user', 'url'], kinds: ['a text', 'a text'] }
  expect(graph.edges[0]!.partitioning).toEqual({ type: 'hash', key })
  expect(graph.nodes[1]!.keys).toEqual([key])
})

test('a union has the edges of all its streams and no node', () => {
  const graph = graphOf((env) => {
    const clicks = clicksOf(env)
    const more = env.fromSource('more', sourceOf(source(Click)))
    clicks
      .union(more)
      .filter(() => true)
      .sinkTo('out', sink())
  })
  expect(graph.nodes.map((node) => node.kind)).toEqual(['source', 'source', 'filter', 'sink'])
  expect(graph.edges.filter((edge) => edge.to === 2).map((edge) => edge.from)).toEqual([0, 1])
  expect(graph.nodes[2]!.schema).toEqual(schemaData(Click))
})

test('rebalance and global say how the next step gets its records', () => {
  const graph = graphOf((env) => {
    clicksOf(env)
      .rebalance()
      .filter(() => true)
      .global()
      .sinkTo('out', sink())
  })
  expect(graph.edges.map((edge) => edge.partitioning.type)).toEqual(['rebalance', 'global'])
})

test('a broadcast stream passes one subtask before it is copied', () => {
  const graph = graphOf((env) => {
    const rules = bidsOf(env).broadcast()
    clicksOf(env)
      .keyBy('user')
      .connect(rules)
      .process('score', {
        emits: Click,
        broadcast: { rules: mapState(utf8(), packed()) },
        state: { seen: valueState(int32()) },
        onRecord: () => undefined,
        onBroadcast: () => undefined,
      })
      .sinkTo('out', sink())
  })
  const [gather, score] = ['broadcast', 'broadcast-process'].map((kind) =>
    graph.nodes.find((node) => node.kind === kind),
  )
  expect(gather!.parallelism).toBe(1)
  expect(score!.states.map((state) => state.name)).toEqual(['seen'])
  expect(score!.keys).toEqual([{ type: 'field', field: 'user', kinds: ['a text'] }, undefined])
  const edges = graph.edges.filter((edge) => edge.to === score!.id)
  expect(edges.map((edge) => [edge.input, edge.partitioning.type])).toEqual([
    [0, 'hash'],
    [1, 'broadcast'],
  ])
})

test('the states of a class are read from an instance made for the plan', () => {
  class Counter extends KeyedProcessFunction<string, unknown, number> {
    readonly #count = this.valueState('count', int32(), { default: 0 })
    override processElement(): void {
      this.#count.update(this.#count.value() + 1)
    }
  }
  const graph = graphOf((env) => {
    clicksOf(env)
      .keyBy('user')
      .process('n', () => new Counter())
      .sinkTo('out', sink())
  })
  expect(graph.nodes[1]!.states).toEqual([
    { type: 'value', name: 'count', value: { kind: 'int32' }, default: 0 },
  ])
  expect(() => {
    new Counter().processElement()
  }).toThrow('state "count" is used before its process function runs')
})

test('side outputs are edges with their name, and late records of a window have the input schema', () => {
  const graph = graphOf((env) => {
    const counts = clicksOf(env)
      .assignTimestampsAndWatermarks('at', slack)
      .keyBy('user')
      .window(tumbling(hours(1)))
      .aggregate('n', { n: count() })
    counts.sinkTo('out', sink())
    counts.sideOutput('late').sinkTo('late', sink(Click))
  })
  expect(graph.edges.at(-1)!.side).toBe('late')
})

test('an optional column of a sink needs no field', () => {
  const wide = struct({ user: utf8(), note: nullable(utf8()) })
  graphOf((env) => clicksOf(env).pick('user').sinkTo('lake', sink(wide)))
})

test('a job that is async or goes on after it was built is refused', () => {
  const waiting = defineJob('waiting', (async () => {
    await Promise.resolve()
  }) as unknown as () => void)
  expect(() => jobDefinition(waiting).build({})).toThrow('the function of job "waiting" is async')
  let kept: DataStream<unknown> | undefined
  graphOf((env) => {
    kept = env.fromSource('late', sourceOf(source()))
    kept.sinkTo('out', sink() as never)
  })
  expect(() => kept!.map(() => 1)).toThrow('job "test" is changed after it was built')
})

test('the function of a job gets its parameters, and is not called without one', () => {
  let seen: unknown
  const job = defineJob('named', { directory: parameter.text() }, (env, { directory }) => {
    seen = directory
    env.fromSource('in', sourceOf(source())).sinkTo('out', sink() as never)
  })
  const definition = jobDefinition(job)
  expect(definition.parameters).toEqual([{ name: 'directory', type: 'text' }])
  expect(() => definition.build({})).toThrow('job "named" needs "directory"')
  definition.build({ directory: './out' })
  expect(seen).toBe('./out')
})

test('settings of the job stand in its graph', () => {
  const { settings } = graphOf((env) => {
    env.checkpointing({ everyMs: seconds(1), retain: 5 })
    env.restart({ strategy: 'fixed-delay', attempts: 7 })
    env.maxParallelism(256)
    env.parallelism(2)
    clicksOf(env).sinkTo('out', sink())
  })
  expect(settings.checkpointing).toMatchObject({ everyMs: 1_000, retain: 5, timeoutMs: 600_000 })
  expect(settings.restart).toEqual({ strategy: 'fixed-delay', attempts: 7, delayMs: 1_000 })
  expect([settings.maxParallelism, settings.parallelism]).toEqual([256, 2])
})

test('what is no job is told from one', () => {
  expect(() => jobDefinition(undefined)).toThrow('the module has no default export')
  expect(() => jobDefinition({ name: 'x' })).toThrow('the default export is not a job')
  expect(() => defineJob('a b', () => undefined)).toThrow("a job has the name 'a b'")
})
