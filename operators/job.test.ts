/** What a job becomes: its graph, and every mistake found before a thread starts. */
import { expect, test } from 'vitest'
import type { ErrorCode } from '../engine/base/errors.ts'
import type { StreamGraph } from '../engine/graph/stream-graph.ts'
import type {
  DataStream,
  KeyedStream,
  StreamEnvironment,
  TimerService,
  WindowedStream,
} from './index.ts'
import { StreamError } from '../engine/base/errors.ts'
import { jobDefinition } from '../engine/graph/job-definition.ts'
import { sinkOf } from '../engine/operator/sink.ts'
import { sourceOf } from '../engine/operator/source.ts'
import { schemaData } from '../engine/stream/schema.ts'
import {
  average,
  boundedOutOfOrderness,
  count,
  defineJob,
  field,
  float64,
  hours,
  int32,
  int64,
  KeyedProcessFunction,
  mapState,
  max,
  nullable,
  packed,
  parameter,
  seconds,
  struct,
  sum,
  timestamp,
  tumbling,
  utf8,
  valueState,
} from './index.ts'

const Click = struct({ user: utf8(), url: utf8(), at: timestamp() })
const Bid = struct({ auction: int32(), price: float64(), big: int64(), at: timestamp() })

/** A step as a job in plain JavaScript may call it: unknown to the compiler. */
type Loose = Readonly<
  Record<
    Extract<
      | keyof DataStream<unknown>
      | keyof KeyedStream<unknown, unknown, never>
      | keyof WindowedStream<unknown, unknown, never>,
      string
    >,
    (...given: readonly unknown[]) => Loose
  >
>

function source<V>(schema?: Parameters<typeof schemaData>[0]): Parameters<typeof sourceOf<V>>[0] {
  return {
    kind: 'test',
    parameters: {},
    bounded: true,
    ...(schema === undefined ? {} : { schema: schemaData(schema) }),
    createEnumerator: () => expect.fail('a plan starts nothing'),
    createReader: () => expect.fail('a plan starts nothing'),
  }
}

const clicksOf = (env: StreamEnvironment): Loose =>
  env.fromSource('clicks', sourceOf(source(Click))) as unknown as Loose
const bidsOf = (env: StreamEnvironment): Loose =>
  env.fromSource('bids', sourceOf(source(Bid))) as unknown as Loose

function sink(schema?: Parameters<typeof schemaData>[0]): unknown {
  return sinkOf({
    kind: 'test',
    parameters: {},
    ...(schema === undefined ? {} : { schema: schemaData(schema) }),
    createWriter: () => expect.fail('a plan starts nothing'),
  })
}

function graphOf(build: (env: StreamEnvironment) => unknown): StreamGraph {
  return jobDefinition(
    defineJob('test', (env) => {
      build(env)
    }),
  ).build({})
}

function errorOf(build: (env: StreamEnvironment) => unknown): StreamError {
  try {
    graphOf(build)
  } catch (error) {
    expect(error).toBeInstanceOf(StreamError)
    return error as StreamError
  }
  return expect.fail('the job was planned')
}

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
  const error = errorOf((env) =>
    clicksOf(env)
      .keyBy((click: unknown) => click)
      .aggregate('n', { words: count() })
      .select({
        x: field('wrods'),
      }),
  )
  expect(error.code).toBe('FIELD_UNKNOWN')
  expect(error.hint).toBe('Did you mean "words"?')
})

test('a keyed step has its key on the edge and on the node', () => {
  const graph = graphOf((env) => {
    clicksOf(env)
      .keyBy(['user', 'url'])
      .reduce('last', (_: unknown, right: unknown) => right)
      .sinkTo('out', sink())
  })
  const key = { type: 'fields', fields: ['user', 'url'] }
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
  expect(score!.keys).toEqual([{ type: 'field', field: 'user' }, undefined])
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

const MISTAKES: readonly [ErrorCode, string, string, (env: StreamEnvironment) => unknown][] = [
  ['GRAPH_NO_SOURCE', 'job "test" has no step', 'fromSource', () => undefined],
  [
    'GRAPH_NO_SINK',
    'nothing reads the result of "n" at job.test.ts:',
    'Add sinkTo, or remove the step.',
    (env) => clicksOf(env).keyBy('user').aggregate('n', { n: count() }),
  ],
  ['UID_MISSING', 'sink at job.test.ts:', 'first argument', (env) => clicksOf(env).sinkTo(sink())],
  [
    'UID_MISSING',
    'aggregate at job.test.ts:',
    'first argument',
    (env) => clicksOf(env).keyBy('user').aggregate({ n: count() }),
  ],
  ['UID_INVALID', 'has the uid "a/b"', 'A uid is', (env) => clicksOf(env).sinkTo('a/b', sink())],
  [
    'UID_DUPLICATE',
    'two steps have the uid "clicks": source at job.test.ts:',
    'Give each its own.',
    (env) => clicksOf(env).sinkTo('clicks', sink()),
  ],
  [
    'FIELD_UNKNOWN',
    'keyBy names "usr", the records have "user, url, at"',
    'Did you mean "user"?',
    (env) => clicksOf(env).keyBy('usr'),
  ],
  [
    'FIELD_UNKNOWN',
    'max of "top" names "prise"',
    'Did you mean "price"?',
    (env) =>
      bidsOf(env)
        .keyBy('auction')
        .aggregate('top', { top: max('prise') }),
  ],
  [
    'FIELD_UNKNOWN',
    'where names "prise"',
    'Did you mean "price"?',
    (env) => bidsOf(env).where(field('at').gt(1).or(field('prise').gt(1).not())),
  ],
  [
    'FIELD_TYPE',
    'sum of "s" names "url", which is a text',
    'It takes a number or a bigint.',
    (env) =>
      clicksOf(env)
        .keyBy('user')
        .aggregate('s', { s: sum('url') }),
  ],
  [
    'FIELD_TYPE',
    'where compares "price", which is a number, with a text',
    'Compare it with a number',
    (env) => bidsOf(env).where(field('price').gt('100')),
  ],
  [
    'FIELD_TYPE',
    'where compares "big", which is a bigint, with a number',
    'Compare it with a bigint',
    (env) => bidsOf(env).where(field('big').eq(1)),
  ],
  [
    'FIELD_TYPE',
    'assignTimestampsAndWatermarks names "url", which is a text',
    'It takes a number.',
    (env) => clicksOf(env).assignTimestampsAndWatermarks('url', slack),
  ],
  [
    'FIELD_TYPE',
    'connect is given keys of different types: a number and a text',
    'same type',
    (env) => bidsOf(env).keyBy('auction').connect(clicksOf(env).keyBy('user')),
  ],
  [
    'FIELD_CLASH',
    'the result of "n" has two columns "windowEnd"',
    'Rename',
    (env) =>
      clicksOf(env)
        .keyBy('user')
        .window(tumbling(hours(1)))
        .aggregate('n', {
          windowEnd: count(),
        }),
  ],
  [
    'FIELD_CLASH',
    'the result of "n" has two columns "key"',
    'Rename',
    (env) =>
      clicksOf(env)
        .keyBy(() => 1)
        .aggregate('n', { key: count() }),
  ],
  [
    'EVENT_TIME_MISSING',
    'window of "n" gets no watermarks from "clicks"',
    'Call assignTimestampsAndWatermarks',
    (env) =>
      clicksOf(env)
        .keyBy('user')
        .window(tumbling(hours(1)))
        .aggregate('n', { n: count() })
        .sinkTo('out', sink()),
  ],
  [
    'EVENT_TIME_MISSING',
    'timers of "t" get no watermarks from "clicks"',
    'Call assignTimestampsAndWatermarks',
    (env) =>
      clicksOf(env)
        .keyBy('user')
        .process('t', {
          emits: Click,
          onRecord(_: unknown, { timers }: { timers: TimerService }) {
            timers.registerEventTimeTimer(1)
          },
        })
        .sinkTo('out', sink()),
  ],
  [
    'PARALLELISM_INVALID',
    '"m" has a parallelism of 200, the maximum is 128',
    'maxParallelism',
    (env) =>
      clicksOf(env)
        .map(() => 1)
        .named('m')
        .parallelism(200)
        .sinkTo('out', sink()),
  ],
  [
    'PARALLELISM_INVALID',
    'has a parallelism of 0',
    'whole number',
    (env) =>
      clicksOf(env)
        .map(() => 1)
        .parallelism(0)
        .sinkTo('out', sink()),
  ],
  [
    'FIELD_UNKNOWN',
    'the records for "lake" have a field "url", its schema does not',
    'pick',
    (env) => clicksOf(env).sinkTo('lake', sink(struct({ user: utf8(), at: timestamp() }))),
  ],
  [
    'FIELD_UNKNOWN',
    'the schema of "lake" has a column "more", the records do not',
    'nullable',
    (env) =>
      clicksOf(env)
        .pick('user')
        .sinkTo('lake', sink(struct({ user: utf8(), more: utf8() }))),
  ],
  [
    'FIELD_TYPE',
    '"user" of "lake" is a number, the records have a text',
    'map',
    (env) =>
      clicksOf(env)
        .pick('user')
        .sinkTo('lake', sink(struct({ user: int32() }))),
  ],
  [
    'FIELD_UNKNOWN',
    'the step has no side output "worse"',
    'It has: bad',
    (env) =>
      clicksOf(env)
        .process('p', {
          emits: Click,
          sides: { bad: Click },
          onRecord: () => undefined,
        })
        .sideOutput('worse'),
  ],
  [
    'OPTION_INVALID',
    'process "p" has a part "onRecrod"',
    'Did you mean "onRecord"?',
    (env) => clicksOf(env).process('p', { emits: Click, onRecrod: () => undefined }),
  ],
  [
    'OPTION_INVALID',
    'process "p" has no "emits"',
    'emits: schema',
    (env) => clicksOf(env).process('p', { onRecord: () => undefined }),
  ],
  [
    'OPTION_INVALID',
    'connect is given a stream that is neither keyed nor broadcast',
    'keyBy',
    (env) => clicksOf(env).keyBy('user').connect(bidsOf(env)),
  ],
  [
    'OPTION_INVALID',
    'env.checkpointing has no option "every"',
    'Did you mean "everyMs"?',
    (env) => {
      env.checkpointing({ every: 1 } as object)
    },
  ],
  [
    'OPTION_INVALID',
    'topN is not part of this version',
    'timer',
    (env) => clicksOf(env).topN('t', { n: 1, by: 'at' }),
  ],
  [
    'JOB_INVALID',
    'the function of job "test" threw: oops',
    'before a record flows',
    () => {
      throw new Error('oops')
    },
  ],
]

test.each(MISTAKES)('%s: %s', (code, message, hint, build) => {
  const error = errorOf(build)
  expect(error.message).toContain(message)
  expect(error.code).toBe(code)
  expect(error.hint).toContain(hint)
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
