import { defineJob } from 'millrace'
import { parquetSink } from 'millrace/connectors'
import { EventRow, parameters, readEvents } from './common.ts'

/** One chain without state: every event lands once, nothing is left out. */
export default defineJob('chain', parameters, (env, { directory, records, perSecond }) => {
  readEvents(env, records, perSecond)
    .map((event) => ({ ...event, amount: event.amount + 1 }))
    .filter((event) => event.amount > 0)
    .map((event) => ({ ...event, amount: event.amount - 1 }))
    .sinkTo('sink', parquetSink({ directory: `${directory}/raw`, schema: EventRow }))
})
