// The main job: shop orders, out of order by up to half a minute, landed as Parquet one by one
// and as revenue a minute and shop. `npm start` runs it, kills it in the middle and checks it.
import {
  boundedOutOfOrderness,
  count,
  defineJob,
  field,
  float64,
  int32,
  int64,
  minutes,
  parameter,
  seconds,
  struct,
  sum,
  timestamp,
  tumbling,
  utf8,
} from 'millrace'
import { generatorSource, parquetSink } from 'millrace/connectors'
import { order } from './orders.ts'

const Order = struct({
  id: int64({ as: 'number' }),
  shop: utf8(),
  item: utf8(),
  quantity: int32(),
  cents: int32(),
  at: timestamp(),
})
const Revenue = struct({ shop: utf8(), minute: timestamp(), orders: int32(), cents: float64() })

export default defineJob(
  'shop',
  {
    directory: parameter.text({ default: './out/shop', help: 'Where the two tables go.' }),
    records: parameter.integer({ default: 1_500_000 }),
    perSecond: parameter.integer({ default: 150_000 }),
  },
  (env, { directory, records, perSecond }) => {
    env.checkpointing({ everyMs: 1_000 })
    const orders = env
      .fromSource('orders', generatorSource({ records, perSecond, generate: order }))
      .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(seconds(30)))

    orders.sinkTo('landed', parquetSink({ directory: `${directory}/orders`, schema: Order }))
    orders
      .keyBy('shop')
      .window(tumbling(minutes(1)))
      .aggregate('revenue', {
        orders: count(),
        cents: sum(field('cents').times(field('quantity'))),
      })
      .select({
        shop: field('shop'),
        minute: field('windowStart'),
        orders: field('orders'),
        cents: field('cents'),
      })
      .sinkTo('lake', parquetSink({ directory: `${directory}/revenue`, schema: Revenue }))
  },
)
