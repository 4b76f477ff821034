import { defineJob, int32, mapState, struct, timestamp } from 'millrace'
import { parquetSink } from 'millrace/connectors'
import { parameters, readEvents, Totals } from './common.ts'

export const BUCKET_MS = 10_000
const Bucket = struct({ events: int32(), amount: int32() })

/** Ten-second totals once more, by hand: state and timers of a process function. */
export default defineJob('timers', parameters, (env, { directory, records, perSecond }) => {
  readEvents(env, records, perSecond)
    .keyBy('user')
    .process('buckets', {
      emits: Totals,
      state: { buckets: mapState(timestamp(), Bucket) },
      onRecord(event, { state, timers }) {
        const start = event.at - (event.at % BUCKET_MS)
        const bucket = state.buckets.get(start) ?? { events: 0, amount: 0 }
        state.buckets.put(start, {
          events: bucket.events + 1,
          amount: bucket.amount + event.amount,
        })
        timers.registerEventTimeTimer(start + BUCKET_MS - 1)
      },
      onTimer(atMs, { key, state, emit }) {
        const start = atMs + 1 - BUCKET_MS
        const bucket = state.buckets.get(start)
        if (bucket === undefined) throw new Error(`the timer of ${key} at ${atMs} has no bucket`)
        emit({ user: key, start, end: start + BUCKET_MS, ...bucket })
        state.buckets.remove(start)
      },
    })
    .sinkTo('sink', parquetSink({ directory: `${directory}/totals`, schema: Totals }))
})
