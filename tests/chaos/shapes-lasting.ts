/** Shapes whose state lasts: what is lost of it is seen long after. */
import { defineJob, float64, int32, struct, timestamp, utf8, valueState } from 'millrace'
import { fileSink } from 'millrace/connectors'
import { allIds, END_MS, event, events, rows, type ShapeEvent } from './shape-events.ts'
import { checkpointing, generated, Ids, idSink } from './shape-parts.ts'
import { RECORDS, type ChaosShape } from './shape.ts'

/** Records a second: so few that there are many checkpoints. */
const SLOWLY = 500
const ACCOUNTS = 60
/** Heavier than all that changes between two checkpoints, so that chains of deltas grow. */
const TERMS = '§'.repeat(300)
const Balance = struct({ account: int32(), events: int32(), amount: float64(), terms: int32() })

function accountOf({ id }: { readonly id: number }): number {
  return (id * 37) % ACCOUNTS
}

/** Accounts that are seldom heard of. Only the end tells what became of each. */
const ledger: ChaosShape = {
  name: 'ledger',
  job: defineJob('ledger', (env) => {
    env.checkpointing(checkpointing)
    generated(env, 'events', { perSecond: SLOWLY })
      .map(({ id, amount }) => ({ account: accountOf({ id }), amount }))
      .keyBy('account')
      .process('book', {
        emits: Balance,
        state: {
          terms: valueState(utf8(), { default: '' }),
          events: valueState(int32(), { default: 0 }),
          amount: valueState(float64(), { default: 0 }),
        },
        onRecord({ amount }, { state, timers }) {
          if (state.events.value() === 0) state.terms.update(TERMS)
          state.events.update(state.events.value() + 1)
          state.amount.update(state.amount.value() + amount)
          timers.registerEventTimeTimer(END_MS)
        },
        onTimer(_atMs, { key, state, emit }) {
          emit({
            account: key,
            events: state.events.value(),
            amount: state.amount.value(),
            terms: state.terms.value().length,
          })
        },
      })
      .sinkTo('balances', fileSink({ directory: '/balances', schema: Balance }))
  }),
  parameters: {},
  expected: { balances: rows(balances()) },
}

function balances(): readonly object[] {
  return Array.from({ length: ACCOUNTS }, (_, account) => {
    const booked = events.filter((event) => accountOf(event) === account)
    const amount = booked.reduce((sum, event) => sum + event.amount, 0)
    return { account, events: booked.length, amount, terms: TERMS.length }
  })
}

const HEARTS = 2
const BEAT_MS = 3
/** A late beat is none that is missing: so many records have to wait for it, each at its own time. */
const WAITING_MAX = 8

/**
 * Timers of processing time that set themselves again. A heart that has stopped, or beats at a time
 * that it was not set for, gives a row that nobody expects.
 */
const heartbeat: ChaosShape = {
  name: 'heartbeat',
  job: defineJob('heartbeat', (env) => {
    env.checkpointing(checkpointing)
    generated(env, 'events', { perSecond: SLOWLY })
      .map(({ id }) => ({ id, heart: id % HEARTS }))
      .keyBy('heart')
      .process('beat', {
        emits: Ids,
        state: {
          nextMs: valueState(timestamp()),
          seenMs: valueState(timestamp()),
          waiting: valueState(int32(), { default: 0 }),
        },
        onRecord({ id }, { state, timers, emit }) {
          const nowMs = timers.processingTimeMs
          const nextMs = state.nextMs.value()
          if (nextMs === undefined) {
            state.nextMs.update(nowMs + BEAT_MS)
            timers.registerProcessingTimeTimer(nowMs + BEAT_MS)
          } else if (nextMs < nowMs && state.seenMs.value() !== nowMs) {
            state.waiting.update(state.waiting.value() + 1)
            if (state.waiting.value() > WAITING_MAX) emit({ id: -1 - id })
          }
          state.seenMs.update(nowMs)
          emit({ id })
        },
        onTimer(atMs, { key, state, timers, emit }) {
          if (state.nextMs.value() !== atMs) emit({ id: -1_000 - key })
          const nextMs = timers.processingTimeMs + BEAT_MS
          state.waiting.update(0)
          state.nextMs.update(nextMs)
          timers.registerProcessingTimeTimer(nextMs)
        },
      })
      .sinkTo('ids', idSink('ids'))
  }),
  parameters: {},
  expected: { ids: allIds },
}

/** More than of other shapes: a barrier seldom finds nothing before it. */
const PARCELS = 2 * RECORDS
const BUCKETS = 7
/** What the first step has counted by user goes to one of its own. */
const EVERYTHING = -1
const Parcel = struct({ bucket: int32(), amount: float64() })
const Bucket = struct({ bucket: int32(), parcels: int32(), amount: float64() })

/** Each record goes through two keyed steps, at once. Only the end tells what each has counted. */
const relay: ChaosShape = {
  name: 'relay',
  job: defineJob('relay', (env) => {
    env.checkpointing(checkpointing)
    generated(env, 'events', { records: PARCELS })
      .keyBy('user')
      .process('pass', {
        emits: Parcel,
        state: { amount: valueState(float64(), { default: 0 }) },
        onRecord({ id, amount }, { state, timers, emit }) {
          state.amount.update(state.amount.value() + amount)
          timers.registerEventTimeTimer(8.64e15)
          emit({ bucket: id % BUCKETS, amount })
        },
        onTimer(_atMs, { state, emit }) {
          emit({ bucket: EVERYTHING, amount: state.amount.value() })
        },
      })
      .keyBy('bucket')
      .process('gather', {
        emits: Bucket,
        state: {
          parcels: valueState(int32(), { default: 0 }),
          amount: valueState(float64(), { default: 0 }),
        },
        onRecord({ amount }, { state, timers }) {
          state.parcels.update(state.parcels.value() + 1)
          state.amount.update(state.amount.value() + amount)
          timers.registerEventTimeTimer(8.64e15)
        },
        onTimer(_atMs, { key, state, emit }) {
          emit({ bucket: key, parcels: state.parcels.value(), amount: state.amount.value() })
        },
      })
      .sinkTo('buckets', fileSink({ directory: '/buckets', schema: Bucket }))
  }),
  parameters: {},
  expected: { buckets: rows(gathered()) },
}

function gathered(): readonly object[] {
  const all = Array.from({ length: PARCELS }, (_, index) => event(index % RECORDS))
  const sum = (some: readonly ShapeEvent[]): number =>
    some.reduce((total, { amount }) => total + amount, 0)
  const users = new Set(all.map(({ user }) => user))
  const buckets = Array.from({ length: BUCKETS }, (_, bucket) => {
    const parcels = all.filter(({ id }) => id % BUCKETS === bucket)
    return { bucket, parcels: parcels.length, amount: sum(parcels) }
  })
  return [...buckets, { bucket: EVERYTHING, parcels: users.size, amount: sum(all) }]
}

export const lastingShapes: readonly ChaosShape[] = [ledger, heartbeat, relay]
