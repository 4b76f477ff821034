import {
  boundedOutOfOrderness,
  float64,
  int32,
  int64,
  millis,
  parameter,
  struct,
  timestamp,
  utf8,
} from 'millrace'
import type { DataStream, StreamEnvironment } from 'millrace'
import { generatorSource } from 'millrace/connectors'
import { event, JITTER_MS, type Event } from './events.ts'

/** What every job of the kill tests takes. */
export const parameters = {
  directory: parameter.text(),
  records: parameter.integer({ default: 60_000 }),
  perSecond: parameter.integer({ default: 20_000 }),
}

export const EventRow = struct({
  id: int64({ as: 'number' }),
  user: utf8(),
  amount: int32(),
  at: timestamp(),
})
export const Totals = struct({
  user: utf8(),
  start: timestamp(),
  end: timestamp(),
  events: int32(),
  amount: float64(),
})

export function readEvents(
  env: StreamEnvironment,
  records: number,
  perSecond: number,
): DataStream<Event> {
  env.checkpointing({ everyMs: 150 })
  env.restart({ strategy: 'fixed-delay', attempts: 100, delayMs: 10 })
  return env
    .fromSource('events', generatorSource({ records, perSecond, generate: event }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(millis(JITTER_MS)))
}
