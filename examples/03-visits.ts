// Cuts clicks into visits that end after half an hour of silence: a process function with timers.
// Run it:  npx millrace run examples/03-visits.ts
import {
  boundedOutOfOrderness,
  defineJob,
  int32,
  minutes,
  parameter,
  struct,
  timestamp,
  utf8,
  valueState,
} from 'millrace'
import { fileSink, fileSource, json } from 'millrace/connectors'

const SILENCE = minutes(30)
const Click = struct({ user: utf8(), url: utf8(), at: timestamp() })
const Visit = struct({
  user: utf8(),
  clicks: int32(),
  startedAt: timestamp(),
  endedAt: timestamp(),
})

const parameters = {
  clicks: parameter.text({ default: './examples/data/clicks.jsonl' }),
  directory: parameter.text({ default: './out/visits', help: 'where the visits go' }),
}

export default defineJob('visits', parameters, (env, { clicks, directory }) => {
  env
    .fromSource('clicks', fileSource({ path: clicks, format: json(Click) }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(minutes(5)))
    .keyBy('user')
    .process('visits', {
      emits: Visit,
      // The clicks of the file are not in order; here they come by their times.
      order: 'event-time',
      state: {
        clicks: valueState(int32(), { default: 0 }),
        startedAt: valueState(timestamp(), { default: 0 }),
        endedAt: valueState(timestamp(), { default: 0 }),
      },
      onRecord(click, { state, timers }) {
        if (state.clicks.value() === 0) state.startedAt.update(click.at)
        else timers.deleteEventTimeTimer(state.endedAt.value() + SILENCE - 1)
        state.endedAt.update(click.at)
        state.clicks.update(state.clicks.value() + 1)
        // A click half an hour later is a new visit, and comes behind this timer.
        timers.registerEventTimeTimer(click.at + SILENCE - 1)
      },
      onTimer(_, { key, state, emit }) {
        const { clicks, startedAt, endedAt } = state
        emit({
          user: key,
          clicks: clicks.value(),
          startedAt: startedAt.value(),
          endedAt: endedAt.value(),
        })
        clicks.clear()
      },
    })
    .sinkTo('files', fileSink({ directory, schema: Visit }))
})
