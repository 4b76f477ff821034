/**
 * For records on time, the answer of a job is one: windows, sessions and joins, process functions
 * and connected streams in event-time order publish equal rows at any parallelism, however the
 * input is cut, paced and served. The rows of one key keep their order.
 */
import { describe, expect, test } from 'vitest'
import {
  boundedOutOfOrderness,
  count,
  defineJob,
  float64,
  int32,
  listState,
  millis,
  session,
  sliding,
  struct,
  sum,
  timestamp,
  tumbling,
  utf8,
  valueState,
} from 'millrace'
import type { DataStream, StreamEnvironment } from 'millrace'
import { fileSink, generatorSource } from 'millrace/connectors'
import type { Way } from '../../engine/chaos/arrival.ts'
import { goldenOf, type Subject } from '../../engine/chaos/subject.ts'
import type { RecordFlow } from '../../engine/faults/schedule.ts'
import { seededRandom } from '../../engine/base/random.ts'

interface Event {
  readonly user: string
  readonly id: number
  readonly amount: number
  readonly at: number
}

const RECORDS = 160
const JITTER_MS = 60
const STEP_MS = 10
const dice = seededRandom(11)
const events: readonly Event[] = Array.from({ length: RECORDS }, (_, id) => ({
  user: `user-${dice.int(7)}`,
  id,
  amount: dice.int(100),
  // Some are at the same time: those come in the order of their split and offset.
  at: 1_000_000 + id * STEP_MS - dice.int(JITTER_MS),
}))

/** `place` only grows for one user. */
const Row = struct({ user: utf8(), place: float64(), value: float64() })
interface Row {
  readonly user: string
  readonly place: number
  readonly value: number
}

function read(env: StreamEnvironment, uid: string, from = 0, every = 1): DataStream<Event> {
  const own = events.filter(({ id }) => id % every === from)
  const generate = (index: number): Event => own[index]!
  return env
    .fromSource(uid, generatorSource({ records: own.length, generate }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(millis(JITTER_MS)))
}

const totals = { records: count(), amount: sum('amount') } as const

interface Total {
  readonly user: string
  readonly windowEnd: number
  readonly amount: number
}

const totalRow = ({ user, windowEnd, amount }: Total): Row => ({
  user,
  place: windowEnd,
  value: amount,
})

const jobs: Readonly<Record<string, (env: StreamEnvironment) => DataStream<Row>>> = {
  'tumbling windows': (env) =>
    read(env, 'events')
      .keyBy('user')
      .window(tumbling(millis(100)))
      .aggregate('step', totals)
      .map(totalRow),

  'sliding windows': (env) =>
    read(env, 'events')
      .keyBy('user')
      .window(sliding(millis(100), millis(50)))
      .aggregate('step', totals)
      .map(totalRow),

  sessions: (env) =>
    read(env, 'events')
      .keyBy('user')
      .window(session(millis(40)))
      .aggregate('step', totals)
      .map(totalRow),

  'windows of windows': (env) =>
    read(env, 'events')
      .keyBy('user')
      .window(tumbling(millis(50)))
      .aggregate('inner', totals)
      .keyBy('user')
      .window(tumbling(millis(200)))
      .aggregate('step', { amount: sum('amount') })
      .map(totalRow),

  'a record and the one before': (env) =>
    read(env, 'events')
      .keyBy('user')
      .process('step', {
        emits: Row,
        order: 'event-time',
        state: { before: valueState(int32(), { default: -1 }) },
        onRecord({ user, id, at }, { state, emit }) {
          emit({ user, place: at, value: state.before.value() * 1_000 + id })
          state.before.update(id)
        },
      }),

  'visits by timers': (env) =>
    read(env, 'events')
      .keyBy('user')
      .process('step', {
        emits: Row,
        order: 'event-time',
        state: {
          amount: valueState(int32(), { default: 0 }),
          deadline: valueState(timestamp(), { default: 0 }),
        },
        onRecord({ amount, at }, { state, timers }) {
          timers.deleteEventTimeTimer(state.deadline.value())
          state.deadline.update(at + 40)
          timers.registerEventTimeTimer(at + 40)
          state.amount.update(state.amount.value() + amount)
        },
        onTimer(atMs, { key, state, emit }) {
          emit({ user: key, place: atMs, value: state.amount.value() })
          state.amount.clear()
          state.deadline.clear()
        },
      }),

  'a timer for each record': (env) =>
    read(env, 'events')
      .keyBy('user')
      .process('step', {
        emits: Row,
        order: 'event-time',
        state: { seen: valueState(int32(), { default: 0 }) },
        onRecord({ at }, { state, timers }) {
          state.seen.update(state.seen.value() + 1)
          timers.registerEventTimeTimer(at + 25)
        },
        onTimer(atMs, { key, state, emit }) {
          emit({ user: key, place: atMs, value: state.seen.value() })
        },
      }),

  'two inputs, one balance': (env) =>
    read(env, 'credits', 0, 2)
      .keyBy('user')
      .connect(read(env, 'debits', 1, 2).keyBy('user'))
      .process('step', {
        emits: Row,
        order: 'event-time',
        state: { balance: valueState(int32(), { default: 0 }) },
        onLeft({ user, amount, at }, { state, emit }) {
          state.balance.update(state.balance.value() + amount)
          emit({ user, place: at, value: state.balance.value() })
        },
        onRight({ user, amount, at }, { state, emit }) {
          const isCovered = state.balance.value() >= amount
          if (isCovered) state.balance.update(state.balance.value() - amount)
          emit({ user, place: at, value: isCovered ? -amount : 0.5 })
        },
      }),

  'what waits for the other input': (env) =>
    read(env, 'orders', 0, 2)
      .keyBy('user')
      .connect(read(env, 'payments', 1, 2).keyBy('user'))
      .process('step', {
        emits: Row,
        order: 'event-time',
        state: { open: listState(int32()) },
        onLeft({ id, at }, { state, timers }) {
          state.open.add(id)
          timers.registerEventTimeTimer(at + 70)
        },
        onRight({ user, id, at }, { state, emit }) {
          const [first, ...others] = state.open.get()
          emit({ user, place: at, value: first === undefined ? -id : first * 1_000 + id })
          state.open.update(others)
        },
        onTimer(atMs, { key, state, emit }) {
          const open = [...state.open.get()]
          emit({ user: key, place: atMs, value: open.length })
          state.open.update(open.slice(1))
        },
      }),

  'an interval join, in windows': (env) =>
    read(env, 'orders', 0, 2)
      .keyBy('user')
      .intervalJoin(
        'joined',
        read(env, 'payments', 1, 2).keyBy('user'),
        { lower: millis(-50), upper: millis(50) },
        (order, payment) => ({ user: order.user, amount: order.amount * payment.amount }),
      )
      .keyBy('user')
      .window(tumbling(millis(100)))
      .aggregate('step', { amount: sum('amount') })
      .map(totalRow),
}

const cuts: readonly RecordFlow[] = [
  {},
  { batchRecords: 1, pollMs: 1 },
  { batchRecords: 7, pollMs: 2, uneven: true },
  { batchRecords: 40, uneven: true },
  { batchRecords: 3, pollMs: 5 },
]

describe.each(Object.keys(jobs))('%s', (name) => {
  const subject: Subject = {
    name,
    job: defineJob('cuts', (env) => {
      env.checkpointing({ everyMs: 60 })
      jobs[name]!(env).sinkTo('out', fileSink({ directory: '/out', schema: Row }))
    }),
    parameters: {},
    workers: 2,
  }

  test('publishes equal rows, in order for each key, however it runs', async () => {
    let expected: readonly string[] | undefined
    for (const parallelism of [1, 2, 3, 4]) {
      for (const [index, flow] of cuts.entries()) {
        const way: Way = { seed: 10 * parallelism + index, parallelism, flow }
        const { published } = await goldenOf(subject, way)
        const rows = published['out']!
        expectOrder(rows, way)
        expected ??= rows.toSorted()
        expect(rows.toSorted(), JSON.stringify(way)).toEqual(expected)
      }
    }
    expect(expected!.length).toBeGreaterThan(20)
  })
})

function expectOrder(rows: readonly string[], way: Way): void {
  const places = new Map<string, number>()
  for (const text of rows) {
    const { user, place } = JSON.parse(text.slice(text.indexOf('{'))) as Row
    expect(place, `${JSON.stringify(way)}: ${text}`).toBeGreaterThanOrEqual(places.get(user) ?? 0)
    places.set(user, place)
  }
}
