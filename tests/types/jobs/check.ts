/* eslint-disable -- what is written here is written for the compiler alone */
import {
  aggregateFunction,
  average,
  boundedOutOfOrderness,
  count,
  countDistinct,
  field,
  float64,
  hours,
  int32,
  int64,
  KeyedProcessFunction,
  list,
  max,
  min,
  minutes,
  nullable,
  packed,
  seconds,
  session,
  struct,
  sum,
  timestamp,
  tumbling,
  utf8,
  valueState,
} from 'millrace'
import type {
  Change,
  DataStream,
  Infer,
  KeyedContext,
  KeyedStream,
  StreamEnvironment,
} from 'millrace'
import {
  collectionSource,
  csv,
  debezium,
  fileSource,
  generatorSource,
  json,
  kafkaSource,
  parquetSink,
  printSink,
} from 'millrace/connectors'
type Equal<A, B> =
  (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false
declare function expectType<A>(): <B>(value: B, same: Equal<A, B>) => void
declare function rows<T, O extends object>(stream: DataStream<T, O>): T
declare function key<T, K, F extends string>(stream: KeyedStream<T, K, F>): K
declare const env: StreamEnvironment
const Bid = struct({
  auction: int32(),
  bidder: int64(),
  price: float64(),
  channel: utf8({ oneOf: ['web', 'app'] }),
  note: nullable(utf8()),
  tags: list(utf8()),
  at: timestamp(),
})
const bids = env.fromSource('bids', kafkaSource({ brokers: [], topic: 'bids', value: json(Bid) }))

expectType<{
  readonly auction: number
  readonly bidder: bigint
  readonly price: number
  readonly channel: 'web' | 'app'
  readonly note: string | null
  readonly tags: readonly string[]
  readonly at: number
}>()(rows(bids), true)
expectType<number>()(key(bids.keyBy('auction')), true)
expectType<'web' | 'app'>()(key(bids.keyBy('channel')), true)
expectType<string>()(key(bids.keyBy((bid) => bid.channel + bid.auction)), true)
const two = bids.keyBy(['auction', 'bidder'])
const k: readonly [number, bigint] = key(two)
expectType<{
  readonly auction: number
  readonly bidder: bigint
  readonly n: number
  readonly total: number
  readonly whales: number
  readonly lo: 'web' | 'app'
  readonly mean: number
  readonly big: bigint
  readonly windowStart: number
  readonly windowEnd: number
}>()(
  rows(
    two.window(session(minutes(10))).aggregate('a', {
      n: count(),
      total: sum('price'),
      whales: countDistinct('auction'),
      lo: min('channel'),
      mean: average('price'),
      big: sum('bidder'),
    }),
  ),
  true,
)
expectType<{ readonly key: string; readonly top: number }>()(
  rows(bids.keyBy((bid) => bid.note ?? '').aggregate('a', { top: max('price') })),
  true,
)

// own aggregate function inside the declared ones: is `bid` inferred?
const spread = bids.keyBy('auction').aggregate('spread', {
  bids: count(),
  spread: aggregateFunction({
    accumulator: struct({ low: float64(), high: float64() }),
    result: float64(),
    create: () => ({ low: Infinity, high: -Infinity }),
    add: (range, bid) => ({
      low: Math.min(range.low, bid.price),
      high: Math.max(range.high, bid.price),
    }),
    merge: (left, right) => ({
      low: Math.min(left.low, right.low),
      high: Math.max(left.high, right.high),
    }),
    getResult: (range) => range.high - range.low,
  }),
})
expectType<{ readonly auction: number; readonly bids: number; readonly spread: number }>()(
  rows(spread),
  true,
)

// narrowing by filter
type Event =
  | { readonly type: 'order'; readonly cents: number }
  | { readonly type: 'refund'; readonly why: string }
const events = env.fromSource('events', collectionSource<Event>([]))
expectType<string>()(
  rows(events.filter((event) => event.type === 'refund').map((event) => event.why)),
  true,
)
expectType<'order' | 'refund'>()(key(events.keyBy('type')), true)

// late
const windowed = bids
  .keyBy('auction')
  .window(tumbling(hours(1)))
  .allowedLateness(minutes(5))
  .aggregate('w', { bids: count() })
const late = windowed.sideOutput('late')
expectType<Infer<typeof Bid>>()(rows(late), true)
late.sinkTo('late', parquetSink({ directory: '', schema: Bid }))

// metadata
expectType<bigint>()(
  rows(
    env.fromSource('m', kafkaSource({ brokers: [], topic: 't', value: json(Bid), metadata: true })),
  )._offset,
  true,
)
// primitives have no fields
const words = env.fromSource('w', collectionSource(['a']))
words.keyBy((word) => word)
// generator
expectType<{ n: number }>()(
  rows(env.fromSource('g', generatorSource({ generate: (index) => ({ n: index }) }))),
  true,
)
// changes
expectType<Change<Infer<typeof Bid>>>()(
  rows(env.fromSource('cdc', kafkaSource({ brokers: [], topic: 't', value: debezium(json(Bid)) }))),
  true,
)
// class rows by interface
interface Order {
  readonly id: string
  readonly cents: number
}
const orders = env.fromSource('o', collectionSource<Order>([]))
orders
  .keyBy('id')
  .aggregate('x', { cents: sum('cents') })
  .pick('id')
  .sinkTo('p', printSink())
orders.keyBy((order) => ({ id: order.id }))
// generic function over streams
function perKey<T, K, F extends string>(
  stream: KeyedStream<T, K, F>,
): DataStream<{ readonly key: K } | { readonly [P in F & keyof T]: T[P] }> {
  throw stream
}
function landed<T extends { readonly at: number }>(stream: DataStream<T>): DataStream<T> {
  return stream.assignTimestampsAndWatermarks(
    (record) => record.at,
    boundedOutOfOrderness(seconds(1)),
  )
}
landed(bids).keyBy('auction')
// process definition kept apart
const definition = { emits: utf8(), state: { n: valueState(int32(), { default: 0 }) } }
// emits late in the literal
bids.keyBy('auction').process('late-emits', {
  onRecord(bid, { emit, state }) {
    emit(bid.price)
    state.n.update(1)
  },
  emits: float64(),
  state: { n: valueState(int32()) },
})
// arrow functions as properties
bids.keyBy('auction').process('arrows', {
  emits: float64(),
  state: { n: valueState(int32()) },
  onRecord: (bid, { emit, state }) => {
    emit(bid.price)
    state.n.update(1)
  },
})
// class with sides
class S extends KeyedProcessFunction<number, Infer<typeof Bid>, number, { bad: string }> {
  override processElement(
    bid: Infer<typeof Bid>,
    context: KeyedContext<number, number, { bad: string }>,
  ): void {
    context.emitTo('bad', 'x')
    context.emit(bid.price)
  }
}
expectType<string>()(
  rows(
    bids
      .keyBy('auction')
      .process('s', () => new S())
      .sideOutput('bad'),
  ),
  true,
)
expectType<number>()(rows(bids.keyBy('auction').process('s', () => new S())), true)
void k
void perKey
void definition
void csv
void fileSource
void packed
bids
  .keyBy('auction')
  .connect(orders.keyBy((order) => order.cents))
  .process('co', {
    emits: utf8(),
    state: { n: valueState(int32()) },
    onLeft(bid, { emit }) {
      emit(bid.channel)
    },
    onRight(order, { emit, state }) {
      state.n.update(order.cents)
      emit(order.id)
    },
  })
const narrow = env
  .fromSource('nk', collectionSource<{ readonly channel: string; readonly x: number }>([]))
  .keyBy('channel')
bids.keyBy('channel').connect(narrow)
narrow.connect(bids.keyBy('channel'))
