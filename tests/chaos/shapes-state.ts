/** Shapes whose answers hang on state, timers and several inputs. */
import {
  boundedOutOfOrderness,
  count,
  defineJob,
  field,
  int32,
  listState,
  mapState,
} from 'millrace'
import { millis, monotonous, struct, sum, timestamp, tumbling, utf8, valueState } from 'millrace'
import type { BroadcastStream, DataStream, Infer, StreamEnvironment } from 'millrace'
import { fileSink, generatorSource } from 'millrace/connectors'
import { allIds, END_MS, event, events, rows, START_MS, windowTotals } from './shape-events.ts'
import type { ShapeEvent } from './shape-events.ts'
import { checkpointing, generated, Ids, idSink } from './shape-parts.ts'
import { RECORDS, type ChaosShape } from './shape.ts'

const Pair = struct({ left: int32(), right: int32() })
const JOIN = { lower: millis(-100), upper: millis(150) }

/** Two streams of a key, whose records meet within bounds. */
const join: ChaosShape = {
  name: 'join',
  job: defineJob('join', (env) => {
    env.checkpointing(checkpointing)
    const left = generated(env, 'left').filter(({ id }) => id % 2 === 0)
    const right = generated(env, 'right').filter(({ id }) => id % 2 === 1)
    left
      .keyBy('user')
      .intervalJoin('pairs', right.keyBy('user'), JOIN, (one, other) => ({
        left: one.id,
        right: other.id,
      }))
      .sinkTo('pairs-out', fileSink({ directory: '/pairs', schema: Pair }))
  }),
  parameters: {},
  expected: { pairs: rows(pairs()) },
}

function pairs(): readonly object[] {
  const found: object[] = []
  for (const left of events.filter(({ id }) => id % 2 === 0)) {
    for (const right of events.filter(({ id }) => id % 2 === 1)) {
      const laterMs = right.at - left.at
      if (left.user !== right.user || laterMs < JOIN.lower || laterMs > JOIN.upper) continue
      found.push({ left: left.id, right: right.id })
    }
  }
  return found
}

const Both = struct({ user: utf8(), left: int32(), right: int32() })

/** Two streams that change the state of one key; a timer at the end tells it. */
const connect: ChaosShape = {
  name: 'connect',
  job: defineJob('connect', (env) => {
    env.checkpointing(checkpointing)
    const left = generated(env, 'left').filter(({ amount }) => amount < 600)
    const right = generated(env, 'right').filter(({ amount }) => amount >= 300)
    left
      .keyBy('user')
      .connect(right.keyBy('user'))
      .process('both', {
        emits: Both,
        state: {
          left: valueState(int32(), { default: 0 }),
          right: valueState(int32(), { default: 0 }),
        },
        onLeft({ amount }, { state, timers }) {
          state.left.update(state.left.value() + amount)
          timers.registerEventTimeTimer(END_MS)
        },
        onRight({ amount }, { state, timers }) {
          state.right.update(state.right.value() + amount)
          timers.registerEventTimeTimer(END_MS)
        },
        onTimer(_atMs, { key, state, emit }) {
          emit({ user: key, left: state.left.value(), right: state.right.value() })
        },
      })
      .sinkTo('both-out', fileSink({ directory: '/both', schema: Both }))
  }),
  parameters: {},
  expected: { both: rows(both()) },
}

function both(): readonly object[] {
  const totals = new Map<string, { user: string; left: number; right: number }>()
  for (const { user, amount } of events) {
    const total = totals.get(user) ?? { user, left: 0, right: 0 }
    if (amount < 600) total.left += amount
    if (amount >= 300) total.right += amount
    totals.set(user, total)
  }
  return [...totals.values()]
}

const LIMITS = 10
const LIMIT_EVERY_MS = 100
const Limit = struct({ limit: int32(), from: timestamp() })

function limitOf(index: number): { limit: number; from: number } {
  return { limit: (index * 377) % 1_000, from: START_MS - 1 + index * LIMIT_EVERY_MS }
}

/** The rules, for every subtask. */
function ruleStream(env: StreamEnvironment): BroadcastStream<Infer<typeof Limit>> {
  return env
    .fromSource('limits', generatorSource({ records: LIMITS, perSecond: 100, generate: limitOf }))
    .assignTimestampsAndWatermarks('from', monotonous())
    .broadcast()
}

/** Records held against rules that change: the answer depends on event times only. */
const broadcast: ChaosShape = {
  name: 'broadcast',
  job: defineJob('broadcast', (env) => {
    env.checkpointing(checkpointing)
    generated(env, 'events')
      .keyBy('user')
      .connect(ruleStream(env))
      .process('check', {
        emits: Ids,
        broadcast: { limits: mapState(timestamp(), Limit) },
        state: {
          waiting: listState(struct({ id: int32(), amount: int32(), at: timestamp() })),
        },
        onRecord({ id, amount, at }, { state, timers }) {
          state.waiting.add({ id, amount, at })
          timers.registerEventTimeTimer(at)
        },
        onTimer(atMs, { state, broadcast: { limits }, emit }) {
          const waiting = state.waiting.get()
          const known = [...limits.entries()].map(([, rule]) => rule)
          for (const { id, amount, at } of waiting) {
            if (at > atMs) continue
            let latest = known[0]!
            for (const rule of known) {
              if (rule.from <= at && (latest.from > at || rule.from > latest.from)) latest = rule
            }
            if (amount > latest.limit) emit({ id })
          }
          state.waiting.update(waiting.filter(({ at }) => at > atMs))
        },
        onBroadcast: (rule, { broadcast: { limits } }) => limits.put(rule.from, rule),
      })
      .sinkTo('above', idSink('above'))
  }),
  parameters: {},
  expected: { above: rows(events.filter(isAboveLimit).map(({ id }) => ({ id }))) },
}

/** The same with the rules in their place in event time: no record is held by the job itself. */
const rules: ChaosShape = {
  name: 'rules',
  job: defineJob('rules', (env) => {
    env.checkpointing(checkpointing)
    generated(env, 'events')
      .keyBy('user')
      .connect(ruleStream(env))
      .process('check', {
        emits: Ids,
        order: 'event-time',
        broadcast: { limit: mapState(int32(), int32()) },
        onRecord({ id, amount }, { broadcast, emit }) {
          if (amount > broadcast.limit.get(0)!) emit({ id })
        },
        onBroadcast: ({ limit }, { broadcast }) => broadcast.limit.put(0, limit),
      })
      .sinkTo('above', idSink('above'))
  }),
  parameters: {},
  expected: { above: rows(events.filter(isAboveLimit).map(({ id }) => ({ id }))) },
}

function isAboveLimit({ amount, at }: ShapeEvent): boolean {
  const index = Math.min(LIMITS - 1, Math.floor((at - START_MS + 1) / LIMIT_EVERY_MS))
  return amount > limitOf(index).limit
}

/**
 * Each record comes out of a timer of event time, or at once when it is late: once in any case.
 * A watermark that goes back, in a life or over a restore, gives a row that nobody expects.
 */
function eachOnce(stream: DataStream<ShapeEvent>): void {
  stream
    .keyBy('user')
    .process('hold', {
      emits: Ids,
      state: {
        held: listState(struct({ id: int32(), at: timestamp() })),
        latestMs: valueState(timestamp()),
      },
      onRecord({ id, at }, { state, timers, emit }) {
        if (timers.watermarkMs < (state.latestMs.value() ?? -Infinity)) emit({ id: -1 - id })
        if (timers.watermarkMs > 0) state.latestMs.update(timers.watermarkMs)
        if (at <= timers.watermarkMs) {
          emit({ id })
          return
        }
        state.held.add({ id, at })
        timers.registerEventTimeTimer(at)
      },
      onTimer(atMs, { state, emit }) {
        const held = state.held.get()
        for (const { id, at } of held) if (at <= atMs) emit({ id })
        state.held.update(held.filter(({ at }) => at > atMs))
      },
    })
    .sinkTo('ids', idSink('ids'))
}

const timers: ChaosShape = {
  name: 'timers',
  job: defineJob('timers', (env) => {
    env.checkpointing(checkpointing)
    eachOnce(generated(env, 'events'))
  }),
  parameters: {},
  expected: { ids: allIds },
}

const SLOW_RECORDS = 10

/** A source that falls silent between its records, and comes back behind the other. */
const idle: ChaosShape = {
  name: 'idle',
  job: defineJob('idle', (env) => {
    env.checkpointing(checkpointing)
    const source = (uid: string, records: number, perSecond: number, generate: typeof event) =>
      idleSource(env, uid, generatorSource({ records, perSecond, generate }))
    const steady = source('steady', RECORDS, 2_000, event)
    eachOnce(steady.union(source('slow', SLOW_RECORDS, 60, slowEvent)))
  }),
  parameters: {},
  expected: {
    ids: [
      ...allIds,
      ...rows(Array.from({ length: SLOW_RECORDS }, (_, index) => ({ id: RECORDS + index }))),
    ],
  },
}

function idleSource(
  env: StreamEnvironment,
  uid: string,
  source: ReturnType<typeof generatorSource<ShapeEvent>>,
): DataStream<ShapeEvent> {
  const strategy = boundedOutOfOrderness(millis(10)).withIdleness(millis(15))
  return env.fromSource(uid, source).assignTimestampsAndWatermarks('at', strategy)
}

function slowEvent(index: number): ShapeEvent {
  const at = START_MS + Math.floor(((END_MS - START_MS) * index) / SLOW_RECORDS)
  return { ...event(index), id: RECORDS + index, at }
}

/** Timers of processing time: each record leaves once, some time after it came. */
const delays: ChaosShape = {
  name: 'delays',
  job: defineJob('delays', (env) => {
    env.checkpointing(checkpointing)
    generated(env, 'events')
      .keyBy('user')
      .process('delay', {
        emits: Ids,
        state: { held: listState(int32()), timerMs: valueState(timestamp()) },
        onRecord({ id }, { state, timers }) {
          state.held.add(id)
          timers.registerEventTimeTimer(8.64e15)
          if (state.timerMs.value() !== undefined) return
          const atMs = timers.processingTimeMs + 25
          state.timerMs.update(atMs)
          timers.registerProcessingTimeTimer(atMs)
        },
        onTimer(_atMs, { state, emit }) {
          for (const id of state.held.get()) emit({ id })
          state.held.update([])
          state.timerMs.clear()
        },
      })
      .sinkTo('ids', idSink('ids'))
  }),
  parameters: {},
  expected: { ids: allIds },
}

const Top = struct({ user: utf8(), amount: int32(), end: timestamp(), rank: int32() })
const TOP = 2
const TOP_MS = 200

/** The users of each window with the largest totals. */
const top: ChaosShape = {
  name: 'top',
  job: defineJob('top', (env) => {
    env.checkpointing(checkpointing)
    generated(env, 'events')
      .keyBy('user')
      .window(tumbling(millis(TOP_MS)))
      .aggregate('totals', { amount: sum('amount') })
      .topN('largest', { n: TOP, by: 'amount' })
      .map(({ user, amount, windowEnd, rank }) => ({ user, amount, end: windowEnd, rank }))
      .sinkTo('top-out', fileSink({ directory: '/top', schema: Top }))
  }),
  parameters: {},
  expected: { top: rows(largest()) },
}

function largest(): readonly object[] {
  const totals = windowTotals(TOP_MS)
  const ends = [...new Set(totals.map(({ end }) => end))]
  return ends.flatMap((end) =>
    totals
      .filter((total) => total.end === end)
      .sort((left, right) => right.amount - left.amount)
      .slice(0, TOP)
      .map(({ user, amount }, index) => ({ user, amount, end, rank: index + 1 })),
  )
}

/** Two keyed steps, one behind the other: the second's windows by what the first gives out. */
const twice: ChaosShape = {
  name: 'twice',
  job: defineJob('twice', (env) => {
    env.checkpointing(checkpointing)
    generated(env, 'events')
      .keyBy('user')
      .window(tumbling(millis(100)))
      .aggregate('by-user', { events: count() })
      .select({ bucket: field('windowStart'), events: field('events') })
      .keyBy('bucket')
      .window(tumbling(millis(100)))
      .aggregate('all-users', { events: sum('events') })
      .select({ bucket: field('bucket'), events: field('events') })
      .sinkTo('buckets', fileSink({ directory: '/buckets', schema: Bucket }))
  }),
  parameters: {},
  expected: { buckets: rows(buckets()) },
}

const Bucket = struct({ bucket: timestamp(), events: int32() })

function buckets(): readonly object[] {
  const counts = new Map<number, number>()
  for (const { at } of events) counts.set(at - (at % 100), (counts.get(at - (at % 100)) ?? 0) + 1)
  return [...counts].map(([bucket, found]) => ({ bucket, events: found }))
}

export const stateShapes: readonly ChaosShape[] = [
  join,
  connect,
  broadcast,
  rules,
  timers,
  idle,
  delays,
  top,
  twice,
]
