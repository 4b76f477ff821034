import {
  boundedOutOfOrderness,
  count,
  defineJob,
  field,
  float64,
  int32,
  int64,
  max,
  seconds,
  sliding,
  struct,
  timestamp,
} from 'millrace'
import { fileSource, json, parquetSink } from 'millrace/connectors'

const Bid = struct({
  auction: int64({ as: 'number' }),
  bidder: int64(),
  price: float64(),
  at: timestamp(),
})
const Hot = struct({
  auction: int64({ as: 'number' }),
  bids: int32(),
  top: float64(),
  expensive: int32(),
  until: timestamp(),
  rank: int32(),
})

export default defineJob('hot-auctions', (env) => {
  env
    .fromSource('bids', fileSource({ path: './bids', format: json(Bid) }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(seconds(4)))
    .where(field('price').gt(100).and(field('bidder').ne(0n)))
    .keyBy('auction')
    .window(sliding(seconds(10), seconds(2)))
    .aggregate('counts', {
      bids: count(),
      top: max('price'),
      expensive: count().where(field('price').gte(10_000)),
    })
    .topN('hot', { n: 3, by: 'bids' })
    .select({
      auction: field('auction'),
      bids: field('bids'),
      top: field('top'),
      expensive: field('expensive'),
      until: field('windowEnd'),
      rank: field('rank'),
    })
    .sinkTo('lake', parquetSink({ directory: './out/hot', schema: Hot }))
})
