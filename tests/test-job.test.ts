import { expect, test } from 'vitest'
import {
  boundedOutOfOrderness,
  count,
  defineJob,
  field,
  int32,
  seconds,
  struct,
  sum,
  timestamp,
  tumbling,
  utf8,
} from 'millrace'
import { collectionSource, printSink } from 'millrace/connectors'
import { testJob } from 'millrace/testing'

interface Sale {
  readonly shop: string
  readonly cents: number
  readonly at: number
}

const Total = struct({ shop: utf8(), cents: int32(), start: timestamp(), sales: int32() })

const job = defineJob('sales', (env) => {
  env
    .fromSource('sales', collectionSource<Sale>([]))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(seconds(1)))
    .keyBy('shop')
    .window(tumbling(seconds(10)))
    .aggregate('totals', { cents: sum('cents'), sales: count() })
    .select({
      shop: field('shop'),
      cents: field('cents'),
      start: field('windowStart'),
      sales: field('sales'),
    })
    .sinkTo('out', printSink())
})

test.each([1, 2, 4])(
  'a job runs in the thread of its test, at parallelism %i',
  async (parallelism) => {
    const running = await testJob(job, { parallelism })
    const sales = running.source('sales')
    await sales.send({ shop: 'a', cents: 5, at: 1_000 }, { shop: 'b', cents: 1, at: 2_000 })
    await sales.send({ shop: 'a', cents: 7, at: 9_999 })
    expect(running.sink('out').rows()).toEqual([])
    await sales.send({ shop: 'a', cents: 1, at: 11_000 })
    const byShop = (rows: readonly unknown[]) =>
      [...rows].sort((l, r) => (JSON.stringify(l) < JSON.stringify(r) ? -1 : 1))
    expect(byShop(running.sink('out', Total).rows())).toEqual([
      { shop: 'a', cents: 12, start: 0, sales: 2 },
      { shop: 'b', cents: 1, start: 0, sales: 1 },
    ])
    await running.finish()
    expect(running.sink('out').rows()).toHaveLength(3)
  },
)
