/** A job so small that a run of it takes little: keyed state, timers of event time, two subtasks. */
import {
  defineJob,
  int32,
  listState,
  monotonous,
  struct,
  timestamp,
  utf8,
  valueState,
} from 'millrace'
import { fileSink, generatorSource } from 'millrace/connectors'
import type { Subject } from '../../engine/chaos/subject.ts'

const RECORDS = 120
const USERS = 16
const START_MS = Date.UTC(2026, 0, 1)
const HELD_MS = 40

const Row = struct({ user: utf8(), n: int32(), id: int32() })

function record(id: number): { readonly id: number; readonly user: string; readonly at: number } {
  return { id, user: `user-${id % USERS}`, at: START_MS + id }
}

const checkpointing = { everyMs: 20, timeoutMs: 200, tolerableFailures: 1_000 }

function byUser(row: string): { readonly key: string; readonly place: number } {
  const { user, n } = JSON.parse(row) as { readonly user: string; readonly n: number }
  return { key: user, place: n }
}

/** Each record leaves by a timer, counted for its user. */
export const tiny: Subject = {
  name: 'tiny',
  parameters: {},
  orders: { out: byUser },
  job: defineJob('tiny', (env) => {
    env.checkpointing(checkpointing)
    env
      .fromSource(
        'records',
        generatorSource({ records: RECORDS, perSecond: 1_000, generate: record }),
      )
      .assignTimestampsAndWatermarks('at', monotonous())
      .keyBy('user')
      .process('hold', {
        emits: Row,
        state: {
          held: listState(struct({ id: int32(), at: timestamp() })),
          count: valueState(int32()),
        },
        onRecord({ id, at }, { state, timers }) {
          state.held.add({ id, at })
          timers.registerEventTimeTimer(at + HELD_MS)
        },
        onTimer(atMs, { key, state, emit }) {
          const held = state.held.get()
          for (const { id } of held.filter(({ at }) => at + HELD_MS <= atMs)) {
            const n = (state.count.value() ?? 0) + 1
            state.count.update(n)
            emit({ user: key, n, id })
          }
          state.held.update(held.filter(({ at }) => at + HELD_MS > atMs))
        },
      })
      .sinkTo('out', fileSink({ directory: '/out', schema: Row }))
  }),
}

/** As `tiny`, but what it counts is in a variable: no checkpoint has it. */
export const forgetful: Subject = {
  name: 'forgetful',
  parameters: {},
  job: defineJob('forgetful', (env) => {
    env.checkpointing(checkpointing)
    const counts = new Map<string, number>()
    env
      .fromSource(
        'records',
        generatorSource({ records: RECORDS, perSecond: 1_000, generate: record }),
      )
      .keyBy('user')
      .process('count', {
        emits: struct({ user: utf8(), n: int32() }),
        state: { any: valueState(int32()) },
        onRecord({ user }, { emit }) {
          const n = (counts.get(user) ?? 0) + 1
          counts.set(user, n)
          emit({ user, n })
        },
      })
      .sinkTo('out', fileSink({ directory: '/out', schema: struct({ user: utf8(), n: int32() }) }))
  }),
}
