import { count, defineJob, field, seconds, sum, tumbling } from 'millrace'
import { parquetSink } from 'millrace/connectors'
import { EventRow, parameters, readEvents, Totals } from './common.ts'

export default defineJob(
  'window-to-parquet',
  parameters,
  (env, { directory, records, perSecond }) => {
    const events = readEvents(env, records, perSecond)
    events.sinkTo('raw', parquetSink({ directory: `${directory}/raw`, schema: EventRow }))
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
