// Revenue of each shop and hour of event time, as a Parquet table with a folder a day.
// Run it:  npx millrace run examples/02-hourly-revenue.ts
import {
  boundedOutOfOrderness,
  count,
  days,
  defineJob,
  field,
  float64,
  hours,
  int32,
  parameter,
  struct,
  sum,
  timestamp,
  tumbling,
  utf8,
} from 'millrace'
import { csv, fileSource, parquetSink } from 'millrace/connectors'

const Order = struct({
  id: int32(),
  shop: utf8(),
  customer: utf8(),
  cents: int32(),
  at: timestamp(),
})
const Revenue = struct({ shop: utf8(), hour: timestamp(), orders: int32(), cents: float64() })

const parameters = {
  orders: parameter.text({ default: './examples/data/orders.csv' }),
  directory: parameter.text({ default: './out/hourly-revenue', help: 'where the table goes' }),
}

export default defineJob('hourly-revenue', parameters, (env, { orders, directory }) => {
  env
    .fromSource('orders', fileSource({ path: orders, format: csv(Order) }))
    // A shop that was offline sends its orders half a day later.
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(days(1)))
    .keyBy('shop')
    .window(tumbling(hours(1)))
    .aggregate('revenue', { orders: count(), cents: sum('cents') })
    .select({
      shop: field('shop'),
      hour: field('windowStart'),
      orders: field('orders'),
      cents: field('cents'),
    })
    .sinkTo(
      'table',
      parquetSink({
        directory,
        schema: Revenue,
        partitionBy: ({ hour }) => `day=${new Date(hour).toISOString().slice(0, 10)}`,
      }),
    )
})
