/** Whole jobs that connect a stream with a broadcast one in event-time order. */
import { expect, test } from 'vitest'
import type { BroadcastStream, DataStream } from './index.ts'
import { sinkOf } from '../engine/operator/sink.ts'
import { sourceOf } from '../engine/operator/source.ts'
import { testJob } from '../engine/testing/test-job.ts'
import { sink, source } from './testing.ts'
import {
  boundedOutOfOrderness,
  defineJob,
  int32,
  mapState,
  millis,
  struct,
  timestamp,
  utf8,
} from './index.ts'

const Order = struct({ shop: utf8(), id: int32(), at: timestamp() })
const Limit = struct({ shop: utf8(), limit: int32(), at: timestamp() })
const Row = struct({ id: int32(), limit: int32() })
interface Order {
  readonly shop: string
  readonly id: number
  readonly at: number
}
interface Limit {
  readonly shop: string
  readonly limit: number
  readonly at: number
}

const order = (shop: string, id: number, at: number): Order => ({ shop, id, at })
const limit = (shop: string, value: number, at: number): Limit => ({ shop, limit: value, at })

function checked(
  uid: string,
  orders: DataStream<Order>,
  limits: BroadcastStream<Limit>,
): DataStream<{ readonly id: number; readonly limit: number }, { readonly late: Order | Limit }> {
  return orders
    .keyBy('shop')
    .connect(limits)
    .process(uid, {
      emits: Row,
      order: 'event-time',
      broadcast: { limits: mapState(utf8(), int32()) },
      onRecord({ shop, id }, { broadcast, emit }) {
        emit({ id, limit: broadcast.limits.get(shop) ?? -1 })
      },
      onBroadcast: (rule, { broadcast }) => broadcast.limits.put(rule.shop, rule.limit),
    })
}

/** One broadcast stream for two steps; `late` of the first has what is late of both inputs. */
const job = defineJob('limits', (env) => {
  const slack = boundedOutOfOrderness(millis(10))
  const limits = env
    .fromSource('limits', sourceOf<Limit>(source(Limit)))
    .assignTimestampsAndWatermarks('at', slack.withIdleness(millis(50)))
    .broadcast()
  const orders = env
    .fromSource('orders', sourceOf<Order>(source(Order)))
    .assignTimestampsAndWatermarks('at', slack)
  const first = checked('first', orders, limits)
  first.sinkTo('out', sinkOf(sink() as never))
  first.sideOutput('late').sinkTo('late', sinkOf(sink() as never))
  checked('second', orders, limits).sinkTo('again', sinkOf(sink() as never))
})

const shops = ['a', 'b', 'c', 'd', 'e', 'f']

test.each([1, 2, 3])('late records of both inputs come aside once, at %i', async (parallelism) => {
  const run = await testJob(job, { parallelism })
  await run.source('limits').send(...shops.map((shop) => limit(shop, 1, 100)))
  await run.source('limits').send(limit('a', 2, 200), limit('b', 3, 120), limit('c', 4, 195))
  await run.source('orders').send(...shops.map((shop, id) => order(shop, id, 198)))
  await run.source('orders').send(order('a', 10, 300), order('b', 11, 150))
  await run.source('limits').send(limit('d', 5, 260), limit('d', 6, 150))
  await run.finish()
  const sorted = (rows: readonly unknown[]): string[] =>
    rows.map((row) => JSON.stringify(row)).sort()
  expect(sorted(run.sink('late').rows())).toEqual(
    sorted([limit('b', 3, 120), order('b', 11, 150), limit('d', 6, 150)]),
  )
  const wanted = [
    ...shops.map((shop, id) => ({ id, limit: shop === 'c' ? 4 : 1 })),
    { id: 10, limit: 2 },
  ]
  expect(sorted(run.sink('out').rows())).toEqual(sorted(wanted))
  expect(sorted(run.sink('again').rows())).toEqual(sorted(wanted))
})

test('a broadcast stream that turns idle holds nothing back, and its records hold', async () => {
  const run = await testJob(job, { parallelism: 2 })
  await run.source('limits').send(limit('a', 1, 100), limit('a', 2, 105))
  await run.source('orders').send(order('a', 1, 102), order('a', 2, 108), order('a', 3, 500))
  const rows = (): unknown[] => [...run.sink('out').rows()]
  expect(rows()).toEqual([])
  await run.advance(200)
  await run.source('orders').send(order('a', 4, 600))
  expect(rows()).toEqual([
    { id: 1, limit: 1 },
    { id: 2, limit: 2 },
    { id: 3, limit: 2 },
  ])
  // It comes after the silence, with a time that the orders have passed.
  await run.source('limits').send(limit('a', 3, 104))
  await run.finish()
  expect(rows().slice(3)).toEqual([{ id: 4, limit: 3 }])
  expect(run.sink('late').rows()).toEqual([])
})
