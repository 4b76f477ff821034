import {
  boundedOutOfOrderness,
  count,
  defineJob,
  field,
  float64,
  int32,
  millis,
  parameter,
  seconds,
  struct,
  sum,
  timestamp,
  tumbling,
} from 'millrace'
import { fileSink, generatorSource } from 'millrace/connectors'

const Row = struct({ bucket: int32(), end: timestamp(), users: int32(), amount: float64() })
export const RECORDS = 40_000
export const userOf = (index: number): number => (Math.imul(index, 0x9e3779b1) >>> 0) % 500

/** Three exchanges one behind the other. */
export default defineJob('exchanges', { directory: parameter.text() }, (env, { directory }) => {
  env
    .fromSource(
      'events',
      generatorSource({
        records: RECORDS,
        generate: (index) => ({ user: userOf(index), amount: index % 97, at: index }),
      }),
    )
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(millis(100)))
    .rebalance()
    .map(({ user, amount, at }) => ({ user, bucket: user % 10, amount: amount * 2, at }))
    .keyBy(['user', 'bucket'])
    .window(tumbling(seconds(1)))
    .aggregate('users', { amount: sum('amount') })
    .keyBy('bucket')
    .window(tumbling(seconds(10)))
    .aggregate('buckets', { users: count(), amount: sum('amount') })
    .select({
      bucket: field('bucket'),
      end: field('windowEnd'),
      users: field('users'),
      amount: field('amount'),
    })
    .sinkTo('rows', fileSink({ directory, schema: Row }))
})
