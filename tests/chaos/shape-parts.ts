/** What the jobs of several shapes are made of. */
import { boundedOutOfOrderness, float64, int32, millis, struct, timestamp, utf8 } from 'millrace'
import type { DataStream, StreamEnvironment } from 'millrace'
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

export function generated(env: StreamEnvironment, uid: string): DataStream<ShapeEvent> {
  return env
    .fromSource(uid, generatorSource({ records: RECORDS, perSecond: 2_000, generate: event }))
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
