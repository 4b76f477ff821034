import { count, defineJob, field, millis, session, sum } from 'millrace'
import { parquetSink } from 'millrace/connectors'
import { parameters, readEvents, Totals } from './common.ts'

export const GAP_MS = 1_500

export default defineJob('sessions', parameters, (env, { directory, records, perSecond }) => {
  readEvents(env, records, perSecond)
    .keyBy('user')
    .window(session(millis(GAP_MS)))
    .aggregate('sessions', { events: count(), amount: sum('amount') })
    .select({
      user: field('user'),
      start: field('windowStart'),
      end: field('windowEnd'),
      events: field('events'),
      amount: field('amount'),
    })
    .sinkTo('sink', parquetSink({ directory: `${directory}/totals`, schema: Totals }))
})
