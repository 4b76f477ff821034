/** Jobs of many shapes for the simulation, each with what it must have published at the end. */
import {
  boundedOutOfOrderness,
  count,
  defineJob,
  field,
  float64,
  int32,
  listState,
  mapState,
  millis,
  monotonous,
  seconds,
  struct,
  sum,
  timestamp,
  tumbling,
  utf8,
  valueState,
} from 'millrace'
import type { DataStream, StreamEnvironment } from 'millrace'
import { fileSink, generatorSource } from 'millrace/connectors'
import { event, EVENTS_START_MS, JITTER_MS, type Event } from '../jobs/events.ts'
import { bucketTotals } from '../kill/oracle.ts'

export interface Shape {
  readonly name: string
  readonly job: unknown
  /** Rows of each output folder, sorted. */
  readonly expected: Readonly<Record<string, readonly string[]>>
}

const RECORDS = 1_000
const BUCKET_MS = 1_000

const Totals = struct({
  user: utf8(),
  start: timestamp(),
  end: timestamp(),
  events: int32(),
  amount: float64(),
})
const Ids = struct({ id: int32() })

function events(
  env: StreamEnvironment,
  uid: string,
  first = 0,
  records = RECORDS,
): DataStream<Event> {
  return env
    .fromSource(
      uid,
      generatorSource({ records, perSecond: 5_000, generate: (index) => event(first + index) }),
    )
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(millis(JITTER_MS)))
}

function totalsTo(stream: DataStream<Event>, folder: string): void {
  stream
    .keyBy('user')
    .window(tumbling(millis(BUCKET_MS)))
    .aggregate(`totals-${folder}`, { events: count(), amount: sum('amount') })
    .select({
      user: field('user'),
      start: field('windowStart'),
      end: field('windowEnd'),
      events: field('events'),
      amount: field('amount'),
    })
    .sinkTo(folder, fileSink({ directory: `/${folder}`, schema: Totals }))
}

const checkpointing = { everyMs: 20, timeoutMs: 300, tolerableFailures: 1_000 }

function idsOf(keep: (event: Event) => boolean): readonly string[] {
  const rows: string[] = []
  for (let index = 0; index < RECORDS; index += 1) {
    if (keep(event(index))) rows.push(JSON.stringify({ id: index }))
  }
  return rows.sort()
}

/** Two sources, one stream. */
const union = defineJob('union', (env) => {
  env.checkpointing(checkpointing)
  const left = events(env, 'left', 0, RECORDS / 2)
  const right = events(env, 'right', RECORDS / 2, RECORDS / 2)
  totalsTo(left.union(right), 'totals')
})

/** One stream to two sinks of its own chain, and to a keyed step. */
const diamond = defineJob('diamond', (env) => {
  env.checkpointing(checkpointing)
  const all = events(env, 'events')
  all.select({ id: field('id') }).sinkTo('all', fileSink({ directory: '/all', schema: Ids }))
  all
    .filter(({ amount }) => amount >= 500)
    .select({ id: field('id') })
    .sinkTo('large', fileSink({ directory: '/large', schema: Ids }))
  totalsTo(all, 'totals')
})

const LIMITS = 20
const LIMIT_EVERY_MS = 300
const Limit = struct({ limit: int32(), from: timestamp() })

function limitOf(index: number): { limit: number; from: number } {
  const limit = (index * 377) % 1_000
  return { limit, from: EVENTS_START_MS - 1 + index * LIMIT_EVERY_MS }
}

/** Records held against rules that change: the answer depends on event times only. */
const broadcast = defineJob('broadcast', (env) => {
  env.checkpointing(checkpointing)
  const limits = env
    .fromSource('limits', generatorSource({ records: LIMITS, perSecond: 200, generate: limitOf }))
    .assignTimestampsAndWatermarks('from', monotonous())
    .broadcast()
  events(env, 'events')
    .keyBy('user')
    .connect(limits)
    .process('check', {
      emits: Ids,
      broadcast: { limits: mapState(timestamp(), Limit) },
      state: { waiting: listState(struct({ id: int32(), amount: int32(), at: timestamp() })) },
      onRecord({ id, amount, at }, { state, timers }) {
        state.waiting.add({ id, amount, at })
        timers.registerEventTimeTimer(at)
      },
      onTimer(atMs, { state, broadcast: { limits }, emit }) {
        const waiting = state.waiting.get()
        for (const { id, amount, at } of waiting) {
          if (at > atMs) continue
          const known = [...limits.entries()].map(([, rule]) => rule)
          const rule = known
            .filter(({ from }) => from <= at)
            .sort((left, right) => right.from - left.from)[0]
          if (amount > rule!.limit) emit({ id })
        }
        state.waiting.update(waiting.filter(({ at }) => at > atMs))
      },
      onBroadcast: (rule, { broadcast: { limits } }) => limits.put(rule.from, rule),
    })
    .sinkTo('above', fileSink({ directory: '/above', schema: Ids }))
})

function aboveLimit({ amount, at }: Event): boolean {
  let latest = limitOf(0)
  for (let index = 0; index < LIMITS; index += 1) {
    const rule = limitOf(index)
    if (rule.from <= at && rule.from > latest.from) latest = rule
  }
  return amount > latest.limit
}

/** Each record comes out of a timer of event time, or at once when it is late: once in any case. */
function eachOnce(stream: DataStream<Event>, env: StreamEnvironment): void {
  env.checkpointing(checkpointing)
  stream
    .keyBy('user')
    .process('hold', {
      emits: Ids,
      state: { held: listState(struct({ id: int32(), at: timestamp() })) },
      onRecord({ id, at }, { state, timers, emit }) {
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
    .sinkTo('ids', fileSink({ directory: '/ids', schema: Ids }))
}

const timers = defineJob('timers', (env) => {
  eachOnce(events(env, 'events'), env)
})

const SLOW_RECORDS = 30

/** A source that falls silent between its records, and comes back behind the other. */
const idle = defineJob('idle', (env) => {
  const strategy = boundedOutOfOrderness(millis(10)).withIdleness(millis(15))
  const steady = env
    .fromSource('steady', generatorSource({ records: RECORDS, perSecond: 3_000, generate: event }))
    .assignTimestampsAndWatermarks('at', strategy)
  const slow = env
    .fromSource(
      'slow',
      generatorSource({ records: SLOW_RECORDS, perSecond: 70, generate: slowEvent }),
    )
    .assignTimestampsAndWatermarks('at', strategy)
  eachOnce(steady.union(slow), env)
})

function slowEvent(index: number): Event {
  const at = EVENTS_START_MS + (index * RECORDS * 5) / SLOW_RECORDS
  return { ...event(index), id: RECORDS + index, at: Math.floor(at) }
}

/** Timers of processing time: each record leaves once, some time after it came. */
const delays = defineJob('delays', (env) => {
  env.checkpointing(checkpointing)
  events(env, 'events')
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
    .sinkTo('ids', fileSink({ directory: '/ids', schema: Ids }))
})

/** Two keyed steps, one behind the other: the second's windows by what the first gives out. */
const twice = defineJob('twice', (env) => {
  env.checkpointing(checkpointing)
  events(env, 'events')
    .keyBy('user')
    .window(tumbling(millis(BUCKET_MS)))
    .aggregate('by-user', { events: count() })
    .select({ bucket: field('windowStart'), events: field('events') })
    .keyBy('bucket')
    .window(tumbling(seconds(1)))
    .aggregate('all-users', { events: sum('events') })
    .select({ id: field('events') })
    .sinkTo('ids', fileSink({ directory: '/ids', schema: struct({ id: float64() }) }))
})

function eventsByBucket(): readonly string[] {
  const counts = new Map<number, number>()
  for (let index = 0; index < RECORDS; index += 1) {
    const bucket = Math.floor(event(index).at / BUCKET_MS)
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1)
  }
  return [...counts.values()].map((id) => JSON.stringify({ id })).sort()
}

const allIds = idsOf(() => true)
const slowIds = Array.from({ length: SLOW_RECORDS }, (_, index) => `{"id":${RECORDS + index}}`)
const totals = bucketTotals(RECORDS, BUCKET_MS)

export const shapes: readonly Shape[] = [
  { name: 'union', job: union, expected: { totals } },
  {
    name: 'diamond',
    job: diamond,
    expected: { all: allIds, large: idsOf(({ amount }) => amount >= 500), totals },
  },
  { name: 'broadcast', job: broadcast, expected: { above: idsOf(aboveLimit) } },
  { name: 'timers', job: timers, expected: { ids: allIds } },
  { name: 'idle', job: idle, expected: { ids: [...allIds, ...slowIds].sort() } },
  { name: 'delays', job: delays, expected: { ids: allIds } },
  { name: 'twice', job: twice, expected: { ids: eventsByBucket() } },
]
