/** What the jobs of several shapes are made of. */
import { boundedOutOfOrderness, float64, int32, listState, millis, struct } from 'millrace'
import { timestamp, utf8, valueState } from 'millrace'
import type { DataStream, Source, StreamEnvironment } from 'millrace'
import { fileSink, generatorSource } from 'millrace/connectors'
import { event, JITTER_MS, type ShapeEvent } from './shape-events.ts'
import { RECORDS, type RowOrder } from './shape.ts'

export const checkpointing = { everyMs: 12, timeoutMs: 300, tolerableFailures: 1_000 }

export const Event = struct({ id: int32(), user: utf8(), amount: int32(), at: timestamp() })
export const Ids = struct({ id: int32() })
export const Running = struct({ user: utf8(), events: int32(), amount: float64() })
export const Totals = struct({
  user: utf8(),
  start: timestamp(),
  end: timestamp(),
  events: int32(),
  amount: float64(),
})

export interface Pace {
  readonly perSecond: number
  readonly records: number
}

/** All records, or so many of them in turn. */
export function generated(
  env: StreamEnvironment,
  uid: string,
  { perSecond = 2_000, records = RECORDS }: Partial<Pace> = {},
): DataStream<ShapeEvent> {
  const generate = (index: number): ShapeEvent => event(index % RECORDS)
  return env
    .fromSource(uid, generatorSource({ records, perSecond, generate }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(millis(JITTER_MS)))
}

export function idSink(folder: string) {
  return fileSink({ directory: `/${folder}`, schema: Ids })
}

/** Running totals are ordered by how many records they are of. */
export const byUser: RowOrder = (row) => {
  const { user, events } = JSON.parse(row) as { readonly user: string; readonly events: number }
  return { key: user, place: events }
}

/**
 * What a source gives at once, spread over the whole run: each user's records wait in state and
 * leave one by one, in their order, by timers of processing time.
 */
export function paced(env: StreamEnvironment, source: Source<ShapeEvent>): DataStream<ShapeEvent> {
  const strategy = boundedOutOfOrderness(millis(JITTER_MS))
  const read = env.fromSource('events', source).assignTimestampsAndWatermarks('at', strategy)
  // Keeps the input open meanwhile: at its end all that waits leaves at once.
  const ticks = generated(env, 'ticks').map((tick) => ({ ...tick, user: 'tick' }))
  return read
    .union(ticks)
    .keyBy('user')
    .process('pace', {
      emits: Event,
      state: { waiting: listState(Event), timerMs: valueState(timestamp()) },
      onRecord(record, { key, state, timers }) {
        if (key === 'tick') return
        state.waiting.add(record)
        timers.registerEventTimeTimer(8.64e15)
        if (state.timerMs.value() !== undefined) return
        state.timerMs.update(timers.processingTimeMs + PACE_MS)
        timers.registerProcessingTimeTimer(timers.processingTimeMs + PACE_MS)
      },
      onTimer(atMs, { state, timers, emit }) {
        const waiting = [...state.waiting.get()]
        const isEnd = atMs === 8.64e15
        for (const record of waiting.splice(0, isEnd ? waiting.length : 1)) emit(record)
        state.waiting.update(waiting)
        state.timerMs.clear()
        if (waiting.length === 0) return
        state.timerMs.update(timers.processingTimeMs + PACE_MS)
        timers.registerProcessingTimeTimer(timers.processingTimeMs + PACE_MS)
      },
    })
}

const PACE_MS = 10
