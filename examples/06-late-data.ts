// Hourly means of sensors at once: corrected while a window is kept; what comes later is put aside.
// Run it:  npx millrace run examples/06-late-data.ts
import {
  average,
  boundedOutOfOrderness,
  count,
  defineJob,
  float64,
  hours,
  int32,
  minutes,
  parameter,
  struct,
  timestamp,
  tumbling,
  utf8,
} from 'millrace'
import { fileSink, generatorSource } from 'millrace/connectors'

const Reading = struct({ sensor: utf8(), celsius: float64(), at: timestamp() })
const Mean = struct({
  sensor: utf8(),
  readings: int32(),
  celsius: float64(),
  windowStart: timestamp(),
  windowEnd: timestamp(),
})
const START_MS = Date.UTC(2026, 0, 1)

/** A reading a second; one in 500 was kept half a day by a sensor without network. */
export function reading(index: number): {
  readonly sensor: string
  readonly celsius: number
  readonly at: number
} {
  const delayMs = index % 500 === 7 ? hours(12) : (index * 7_919) % minutes(90)
  const at = START_MS + index * 1_000 - delayMs
  return { sensor: `s${index % 5}`, celsius: 18 + (index % 64) / 8, at }
}

const parameters = {
  readings: parameter.integer({ default: 100_000 }),
  directory: parameter.text({ default: './out/late-data', help: 'where means and late go' }),
}

export default defineJob('late-data', parameters, (env, { readings, directory }) => {
  const means = env
    .fromSource('readings', generatorSource({ records: readings, generate: reading }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(minutes(5)))
    .keyBy('sensor')
    .window(tumbling(hours(1)))
    // A late reading within this time gives its window's row once more, with the new mean.
    .allowedLateness(hours(1))
    .aggregate('means', { readings: count(), celsius: average('celsius') })

  means.sinkTo('files', fileSink({ directory: `${directory}/means`, schema: Mean }))
  means
    .sideOutput('late')
    .sinkTo('late-files', fileSink({ directory: `${directory}/late`, schema: Reading }))
})
