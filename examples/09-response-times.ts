// Median and 99th percentile of the last ten minutes, every minute: an aggregate of your own.
// Run it:  npx millrace run examples/09-response-times.ts
import {
  aggregateFunction,
  boundedOutOfOrderness,
  defineJob,
  int32,
  list,
  minutes,
  parameter,
  seconds,
  sliding,
  struct,
  timestamp,
  utf8,
} from 'millrace'
import { csv, fileSource, parquetSink } from 'millrace/connectors'

const Request = struct({ path: utf8(), millis: int32(), at: timestamp() })
const Quantiles = struct({ median: int32(), p99: int32(), slowest: int32() })
const Times = struct({
  path: utf8(),
  millis: Quantiles,
  windowStart: timestamp(),
  windowEnd: timestamp(),
})

/** Sorted when asked: what was added and merged stays in no order. */
const quantiles = aggregateFunction({
  accumulator: list(int32()),
  result: Quantiles,
  create: (): readonly number[] => [],
  add: (all, { millis }: { readonly millis: number }) => [...all, millis],
  merge: (left, right) => [...left, ...right],
  getResult(all) {
    const sorted = all.toSorted((left, right) => left - right)
    const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? 0
    return { median: at(0.5), p99: at(0.99), slowest: at(1) }
  },
})

const parameters = {
  requests: parameter.text({ default: './examples/data/requests.csv' }),
  directory: parameter.text({ default: './out/response-times', help: 'where the table goes' }),
}

export default defineJob('response-times', parameters, (env, { requests, directory }) => {
  env
    .fromSource('requests', fileSource({ path: requests, format: csv(Request) }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(seconds(30)))
    .keyBy('path')
    .window(sliding(minutes(10), minutes(1)))
    .aggregate('times', { millis: quantiles })
    .sinkTo('table', parquetSink({ directory, schema: Times }))
})
