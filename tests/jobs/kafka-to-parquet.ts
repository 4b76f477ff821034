import {
  boundedOutOfOrderness,
  count,
  defineJob,
  field,
  int32,
  int64,
  millis,
  parameter,
  seconds,
  struct,
  sum,
  timestamp,
  tumbling,
  utf8,
} from 'millrace'
import { json, kafkaSource, parquetSink } from 'millrace/connectors'
import { Totals } from './common.ts'
import { JITTER_MS } from './events.ts'

const Event = struct({
  id: int64({ as: 'number' }),
  user: utf8(),
  amount: int32(),
  at: timestamp(),
})
const Landed = struct({
  id: int64({ as: 'number' }),
  user: utf8(),
  amount: int32(),
  at: timestamp(),
  _topic: utf8(),
  _partition: int32(),
  _offset: int64(),
  _timestamp: timestamp(),
})

export default defineJob(
  'kafka-to-parquet',
  { directory: parameter.text(), brokers: parameter.list(), topic: parameter.text() },
  (env, { directory, brokers, topic }) => {
    env.checkpointing({ everyMs: 150 })
    env.restart({ strategy: 'fixed-delay', attempts: 100, delayMs: 10 })
    const events = env
      .fromSource(
        'events',
        kafkaSource({ brokers, topic, value: json(Event), to: 'latest', metadata: true }),
      )
      .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(millis(JITTER_MS)))
    events.sinkTo('raw', parquetSink({ directory: `${directory}/raw`, schema: Landed }))
    events
      .keyBy('user')
      .window(tumbling(seconds(10)))
      .aggregate('totals', { events: count(), amount: sum('amount') })
      .select({
        user: field('user'),
        start: field('windowStart'),
        end: field('windowEnd'),
        events: field('events'),
        amount: field('amount'),
      })
      .sinkTo('totals-sink', parquetSink({ directory: `${directory}/totals`, schema: Totals }))
  },
)
