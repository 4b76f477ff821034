// Counts of each key in each second of event time, by a declared key, records out of order.
import { boundedOutOfOrderness, count, defineJob, parameter, seconds, tumbling } from 'millrace'
import { generatorSource } from 'millrace/connectors'
import { tallySink } from '../tally-sink.ts'
import { keyOf, timeOf } from './records.ts'

export default defineJob(
  'bench-windows',
  {
    events: parameter.integer({ default: 10_000_000 }),
    keys: parameter.integer({ default: 1_000 }),
    tally: parameter.text(),
  },
  (env, { events, keys, tally }) => {
    env.checkpointing({ everyMs: 10_000 })
    env
      .fromSource(
        'events',
        generatorSource({
          records: events,
          generate: (index) => ({ key: keyOf(index, keys), at: timeOf(index) }),
        }),
      )
      .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(seconds(2)))
      .keyBy('key')
      .window(tumbling(seconds(1)))
      .aggregate('count', { n: count() })
      .sinkTo('tally', tallySink(tally, 'n'))
  },
)
