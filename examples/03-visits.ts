// Cuts clicks into visits that end after half an hour of silence: a process function with timers.
// Run it:  npx millrace run examples/03-visits.ts
import {
  boundedOutOfOrderness,
  defineJob,
  int32,
  listState,
  minutes,
  parameter,
  struct,
  timestamp,
  utf8,
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
      state: { times: listState(timestamp()) },
      onRecord(click, { state, timers }) {
        state.times.add(click.at)
        timers.registerEventTimeTimer(click.at + SILENCE)
      },
      // The watermark has passed the silence after one click: no earlier click is still to come.
      onTimer(atMs, { key, state, emit }) {
        const times = [...state.times.get()].sort((left, right) => left - right)
        const last = times.findLastIndex((time) => time + SILENCE <= atMs)
        const next = times[last + 1]
        // A click less than half an hour later: its own timer ends the visit.
        if (last < 0 || (next !== undefined && next < times[last]! + SILENCE)) return
        const [startedAt, endedAt] = [times[0]!, times[last]!]
        emit({ user: key, clicks: last + 1, startedAt, endedAt })
        state.times.update(times.slice(last + 1))
      },
    })
    .sinkTo('files', fileSink({ directory, schema: Visit }))
})
