/**
 * A function of a step that returns a promise, and is not written with `async`, is found at its first
 * record: with the code of those that are, naming the step.
 */
import { expect, test } from 'vitest'
import type { Infer, KeyedStream, StreamEnvironment } from 'millrace'
import {
  aggregateFunction,
  boundedOutOfOrderness,
  defineJob,
  hours,
  int32,
  KeyedProcessFunction,
  seconds,
  session,
  sliding,
  struct,
  timestamp,
  tumbling,
  utf8,
  watermarkGenerator,
} from 'millrace'
import { collectionSource, printSink } from 'millrace/connectors'
import { testJob } from 'millrace/testing'

const Row = struct({ k: utf8(), at: timestamp() })
type Row = Infer<typeof Row>

/** As a function that is compiled for an older target, or calls one that waits, has it. */
const later = (value: unknown) => (): never => Promise.resolve(value) as never
const slack = boundedOutOfOrderness(hours(3))
const rows = (env: StreamEnvironment) => env.fromSource('in', collectionSource<Row>([]))
const timed = (env: StreamEnvironment) => rows(env).assignTimestampsAndWatermarks('at', slack)
const keyed = (env: StreamEnvironment): KeyedStream<Row, string, 'k'> => timed(env).keyBy('k')

type Parts = Parameters<typeof aggregateFunction<Row, number, number>>[0]
const aggregate = (part: Exclude<keyof Parts, 'accumulator' | 'result'>) => ({
  n: aggregateFunction<Row, number, number>({
    accumulator: int32(),
    result: int32(),
    create: () => 0,
    add: (sum) => sum + 1,
    merge: (left, right) => left + right,
    getResult: (sum) => sum,
    [part]: later(1),
  }),
})
const windows = [tumbling(hours(1)), sliding(hours(2), hours(1)), session(hours(1))] as const

class Late extends KeyedProcessFunction<string, Row, Row> {
  override processElement = later(1)
}

const STEPS: Readonly<Record<string, (env: StreamEnvironment) => unknown>> = {
  'map "map-1"': (env) => rows(env).map(later({ k: 'a' })),
  'filter "filter-1"': (env) => rows(env).filter(later(true)),
  'flatMap "flatMap-1"': (env) => rows(env).flatMap(later([])),
  'the key of a record': (env) =>
    rows(env)
      .keyBy(later('a'))
      .reduce('r', (left) => left),
  assignTimestampsAndWatermarks: (env) => rows(env).assignTimestampsAndWatermarks(later(1), slack),
  watermarkGenerator: (env) =>
    rows(env).assignTimestampsAndWatermarks('at', watermarkGenerator(later(1))),
  'process "p"': (env) => rows(env).process('p', { emits: Row, onRecord: later(1) }),
  'process "q"': (env) => keyed(env).process('q', { emits: Row, onRecord: later(1) }),
  'process "o"': (env) =>
    keyed(env).process('o', { order: 'event-time', emits: Row, onRecord: later(1) }),
  'process "c"': (env) => keyed(env).process('c', () => new Late()),
  'process "t"': (env) =>
    keyed(env).process('t', {
      emits: Row,
      onRecord: (row, { timers }) => {
        timers.registerEventTimeTimer(row.at)
      },
      onTimer: later(1),
    }),
  'reduce "r"': (env) => keyed(env).reduce('r', later({ k: 'a', at: 0 })),
  "a window's reduce": (env) =>
    keyed(env)
      .window(tumbling(hours(1)))
      .reduce('w', later({ k: 'a', at: 0 })),
  "a window's process": (env) =>
    keyed(env)
      .window(tumbling(hours(1)))
      .process('w', { emits: Row, onWindow: later(1) }),
  'intervalJoin "j"': (env) =>
    keyed(env).intervalJoin(
      'j',
      keyed2(env),
      { lower: seconds(0), upper: seconds(1) },
      later({ k: 'a', at: 0 }),
    ),
  ...Object.fromEntries(
    (['create', 'add', 'getResult'] as const).map((part) => [
      `"${part}" of the aggregate "n" of all`,
      (env: StreamEnvironment) => keyed(env).aggregate('g', aggregate(part)),
    ]),
  ),
  ...Object.fromEntries(
    windows.flatMap((window, index) =>
      (['create', 'add', 'getResult', 'merge'] as const)
        .filter((part) => part !== 'merge' || index > 0)
        .map((part) => [
          `"${part}" of the aggregate "n" in window ${index}`,
          (env: StreamEnvironment) => keyed(env).window(window).aggregate('g', aggregate(part)),
        ]),
    ),
  ),
}

const keyed2 = (env: StreamEnvironment): KeyedStream<Row, string, 'k'> =>
  env
    .fromSource('right', collectionSource<Row>([]))
    .assignTimestampsAndWatermarks('at', slack)
    .keyBy('k')

test.each(Object.entries(STEPS))('%s', async (step, build) => {
  const job = defineJob('promises', (env) => {
    const stream = build(env) as { sinkTo(uid: string, sink: unknown): void }
    stream.sinkTo('out', printSink())
  })
  const given = [
    { k: 'a', at: 0 },
    { k: 'a', at: 5_400_000 },
    { k: 'a', at: 2_700_000 },
  ]
  const run = async (): Promise<unknown> => {
    const running = await testJob(job)
    const sides = step.startsWith('intervalJoin') ? ['in', 'right'] : ['in']
    for (const side of sides) await running.source(side).send(...given)
    await running.finish()
    return running.sink('out').rows()
  }
  const named = step.replace(/ (of all|in window \d)$/, '')
  await expect(run()).rejects.toMatchObject({
    code: 'STEP_ASYNC',
    message: expect.stringContaining(named) as string,
  })
})
