/**
 * Over one channel the answer of a step in arrival order is a function of the order of the records
 * alone: late records, timers among the records, what a function sees of the watermark and windows
 * that fire again are the same however the input is cut, paced and checkpointed.
 */
import { expect, test } from 'vitest'
import {
  boundedOutOfOrderness,
  count,
  defineJob,
  float64,
  int32,
  millis,
  session,
  struct,
  sum,
  timestamp,
  tumbling,
  utf8,
  valueState,
  watermarkGenerator,
} from 'millrace'
import type { DataStream, StreamEnvironment, WatermarkStrategy } from 'millrace'
import { collectionSource, fileSink } from 'millrace/connectors'
import { goldenOf, type Subject } from '../../engine/chaos/subject.ts'
import type { RecordFlow } from '../../engine/faults/schedule.ts'
import { seededRandom } from '../../engine/base/random.ts'

interface Event {
  readonly user: string
  readonly id: number
  readonly at: number
}

const RECORDS = 300
const dice = seededRandom(5)
/** Up to 150 ms out of order, where watermarks allow 30: many are late. */
const events: readonly Event[] = Array.from({ length: RECORDS }, (_, id) => ({
  user: `user-${dice.int(4)}`,
  id,
  at: 1_000_000 + id * 10 - (dice.int(4) === 0 ? dice.int(150) : dice.int(30)),
}))

const Row = struct({ user: utf8(), what: utf8(), at: timestamp(), value: float64() })
type Row = ReturnType<typeof rowOf>
const rowOf = (user: string, what: string, at: number, value: number) => ({ user, what, at, value })

function read(env: StreamEnvironment, strategy: WatermarkStrategy): DataStream<Event> {
  return env
    .fromSource('events', collectionSource(events)) // One split, so that its order is one.
    .assignTimestampsAndWatermarks('at', strategy)
}

/** The greatest time of all records but the last: it may be that of the record at hand. */
const own = watermarkGenerator(() => {
  let [last, before] = [-Infinity, -Infinity]
  return {
    onRecord: (timeMs) => {
      before = Math.max(before, last)
      last = timeMs
    },
    watermarkMs: () => before,
    snapshot: () => [last, before].map((ms) => (ms === -Infinity ? null : ms)),
    restore: (kept) => {
      ;[last, before] = (kept as (number | null)[]).map((ms) => ms ?? -Infinity) as [number, number]
    },
  }
})

const jobs: Readonly<Record<string, (env: StreamEnvironment) => DataStream<Row>>> = {
  'timers, and what a function sees of the watermark': (env) => visits(env, boundedOf(30)),
  'the same with a generator of its own': (env) => visits(env, own),

  'windows that fire again, and late records': (env) => {
    const windows = read(env, boundedOf(30))
      .keyBy('user')
      .window(tumbling(millis(50)))
    const counted = windows.allowedLateness(millis(40)).aggregate('step', { n: count() })
    return counted
      .map(({ user, windowEnd, n }) => rowOf(user, 'window', windowEnd, n))
      .union(counted.sideOutput('late').map(({ user, at, id }) => rowOf(user, 'late', at, id)))
  },

  'sessions behind timers': (env) =>
    visits(env, boundedOf(0))
      .keyBy('user')
      .window(session(millis(15)))
      .aggregate('session', { n: count(), value: sum('value') })
      .map(({ user, windowEnd, n, value }) => rowOf(user, 'session', windowEnd, n * 1e9 + value)),
}

function boundedOf(ms: number): WatermarkStrategy {
  return boundedOutOfOrderness(millis(ms))
}

function visits(env: StreamEnvironment, strategy: WatermarkStrategy): DataStream<Row> {
  return read(env, strategy)
    .filter(({ id }) => id % 11 !== 3)
    .keyBy('user')
    .process('visits', {
      emits: Row,
      state: {
        records: valueState(int32(), { default: 0 }),
        deadline: valueState(timestamp(), { default: 0 }),
      },
      onRecord({ user, id, at }, { state, timers, emit }) {
        timers.deleteEventTimeTimer(state.deadline.value())
        state.deadline.update(at + 25)
        timers.registerEventTimeTimer(at + 25)
        state.records.update(state.records.value() + 1)
        const seenMs = Math.max(timers.watermarkMs, 0)
        if (id % 3 === 0) emit(rowOf(user, 'sees', at, seenMs))
      },
      onTimer(atMs, { key, state, timers, emit }) {
        emit(rowOf(key, 'visit', atMs, state.records.value() * 1e9 + timers.watermarkMs))
        if (state.records.value() === 2) timers.registerEventTimeTimer(atMs - 5)
        state.records.clear()
      },
    })
}

const cuts: readonly RecordFlow[] = [
  {},
  { batchRecords: 1, pollMs: 1 },
  { batchRecords: 7 },
  { batchRecords: 64, pollMs: 3 },
]

test.each(Object.keys(jobs))('%s: equal rows however the input is cut', async (name) => {
  let expected: readonly string[] | undefined
  for (const everyMs of [20, 100_000]) {
    for (const [seed, flow] of cuts.entries()) {
      const subject: Subject = {
        name,
        job: defineJob('one-channel', (env) => {
          env.checkpointing({ everyMs })
          jobs[name]!(env).sinkTo('out', fileSink({ directory: '/out', schema: Row }))
        }),
        parameters: {},
        workers: 1,
      }
      const { published } = await goldenOf(subject, { seed, parallelism: 1, flow })
      const rows = published['out']!.toSorted()
      expected ??= rows
      expect(rows, JSON.stringify({ everyMs, flow })).toEqual(expected)
    }
  }
  expect(expected!.length).toBeGreaterThan(20)
})
