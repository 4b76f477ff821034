// The three airports with the worst mean delay of each day: 20,000 US flights of early 2001.
// Run it:  npm install vega-datasets && npx millrace run examples/05-flight-delays.ts
import {
  average,
  count,
  days,
  defineJob,
  field,
  float64,
  int32,
  monotonous,
  parameter,
  struct,
  timestamp,
  tumbling,
  utf8,
} from 'millrace'
import { fileSource, parquetSink, text } from 'millrace/connectors'

interface Flight {
  readonly date: string
  readonly delay: number
  readonly origin: string
}
const Worst = struct({
  day: timestamp(),
  rank: int32(),
  origin: utf8(),
  flights: int32(),
  delay: float64(),
})

const parameters = {
  flights: parameter.text({ default: './node_modules/vega-datasets/data/flights-20k.json' }),
  directory: parameter.text({ default: './out/flight-delays', help: 'where the table goes' }),
}

export default defineJob('flight-delays', parameters, (env, { flights, directory }) => {
  env
    // The whole file is one line: an array of flights, in the order of their times.
    .fromSource('flights', fileSource({ path: flights, format: text() }))
    .flatMap((line) => JSON.parse(line) as readonly Flight[])
    .map(({ date, delay, origin }) => ({ at: utc(date), delay, origin }))
    .assignTimestampsAndWatermarks('at', monotonous())
    .keyBy('origin')
    .window(tumbling(days(1)))
    .aggregate('by-airport', { flights: count(), delay: average('delay') })
    .where(field('flights').gte(3))
    .topN('worst', { n: 3, by: 'delay' })
    .select({
      day: field('windowStart'),
      rank: field('rank'),
      origin: field('origin'),
      flights: field('flights'),
      delay: field('delay'),
    })
    .sinkTo('table', parquetSink({ directory, schema: Worst }))
})

/** As in 2001/01/01 00:47. */
function utc(date: string): number {
  return Date.parse(`${date.replaceAll('/', '-').replace(' ', 'T')}Z`)
}
