import {
  boundedOutOfOrderness,
  count,
  defineJob,
  field,
  float64,
  hours,
  int32,
  minutes,
  struct,
  sum,
  timestamp,
  tumbling,
  utf8,
} from 'millrace'
import { fileSource, json, parquetSink } from 'millrace/connectors'

const Order = struct({ shop: utf8(), quantity: int32(), cents: int32(), at: timestamp() })
const Revenue = struct({ shop: utf8(), hour: timestamp(), orders: int32(), cents: float64() })

export default defineJob('hourly-revenue', (env) => {
  env
    .fromSource('orders', fileSource({ path: './orders', format: json(Order) }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(minutes(1)))
    .keyBy('shop')
    .window(tumbling(hours(1)))
    .aggregate('revenue', { orders: count(), cents: sum(field('cents').times(field('quantity'))) })
    .select({
      shop: field('shop'),
      hour: field('windowStart'),
      orders: field('orders'),
      cents: field('cents'),
    })
    .sinkTo('lake', parquetSink({ directory: './out/revenue', schema: Revenue }))
})
