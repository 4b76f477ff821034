/** The jobs of the design do what they say: each is run in this thread on a few records. */
import { expect, test } from 'vitest'
import { jobDefinition } from '../../engine/graph/job-definition.ts'
import { reviveParameters } from '../../engine/graph/parameters.ts'
import { testJob } from '../../engine/testing/index.ts'
import wordCount from './jobs/1-word-count.ts'
import hourlyRevenue from './jobs/2-hourly-revenue.ts'
import visits from './jobs/3-sessions.ts'
import landClicks from './jobs/4-landing.ts'
import score from './jobs/5-rules.ts'
import paidOrders from './jobs/6-interval-join.ts'
import hotAuctions from './jobs/7-top-n.ts'
import customers from './jobs/8-cdc.ts'

const minute = 60_000
const hour = 60 * minute
const sorted = (rows: readonly unknown[]): readonly unknown[] =>
  [...rows].sort((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1))

test.each([1, 2])('words are counted as they come, at parallelism %i', async (parallelism) => {
  const job = await testJob(wordCount, { parallelism })
  await job.source('lines').send('To be, or not to be', 'naïve')
  await job.finish()
  expect(sorted(job.sink('print').rows())).toEqual(
    sorted(['to 1', 'to 2', 'be 1', 'be 2', 'or 1', 'not 1', 'naïve 1']),
  )
})

test.each([1, 2])('revenue is summed for each hour, at parallelism %i', async (parallelism) => {
  const job = await testJob(hourlyRevenue, { parallelism })
  const order = (shop: string, quantity: number, cents: number, at: number): object => ({
    shop,
    quantity,
    cents,
    at,
  })
  await job
    .source('orders')
    .send(order('a', 2, 150, 0), order('b', 1, 99, 5), order('a', 1, 100, hour - 1))
  await job.source('orders').send(order('a', 3, 10, hour), order('b', 1, 1, 2 * hour))
  await job.finish()
  expect(sorted(job.sink('lake').rows())).toEqual([
    { shop: 'a', hour: 0, orders: 2, cents: 400 },
    { shop: 'a', hour, orders: 1, cents: 30 },
    { shop: 'b', hour: 0, orders: 1, cents: 99 },
    { shop: 'b', hour: 2 * hour, orders: 1, cents: 1 },
  ])
})

test.each([1, 2])(
  'a visit ends after half an hour without a click, as object and as class, at parallelism %i',
  async (parallelism) => {
    const job = await testJob(visits, { parallelism })
    const click = (user: string, at: number): object => ({ user, url: '/', at })
    await job.source('clicks').send(click('u', 0), click('v', minute), click('u', 20 * minute))
    // The watermark of this one ends the first visits, before the next click of "u" comes.
    await job.source('clicks').send(click('w', 60 * minute))
    await job.source('clicks').send(click('u', 60 * minute))
    await job.finish()
    const expected = [
      { user: 'u', clicks: 1, endedAt: 90 * minute },
      { user: 'u', clicks: 2, endedAt: 50 * minute },
      { user: 'v', clicks: 1, endedAt: 31 * minute },
      { user: 'w', clicks: 1, endedAt: 90 * minute },
    ]
    expect(sorted(job.sink('lake').rows())).toEqual(expected)
    expect(sorted(job.sink('lake-2').rows())).toEqual(expected)
  },
)

test.each([1, 2])('orders meet their payments, at parallelism %i', async (parallelism) => {
  const job = await testJob(paidOrders, { parallelism })
  const base = 10 * hour
  await job.source('payments').send({ order: 'early', cents: 1, at: base - 5 * minute })
  await job
    .source('orders')
    .send(
      { id: 'early', cents: 1, at: base },
      { id: 'paid', cents: 2, at: base },
      { id: 'unpaid', cents: 3, at: base },
    )
  await job
    .source('payments')
    .send(
      { order: 'paid', cents: 2, at: base + 1_000 },
      { order: 'unpaid', cents: 3, at: 12 * hour },
    )
  await job.finish()
  expect(sorted(job.sink('files').rows())).toEqual([
    { order: 'early', cents: 1, waitedMs: -5 * minute },
    { order: 'paid', cents: 2, waitedMs: 1_000 },
  ])
})

test.each([1, 2])('the hottest auctions are ranked, at parallelism %i', async (parallelism) => {
  const job = await testJob(hotAuctions, { parallelism })
  const bid = (auction: number, price: number, at: number, bidder = 1n): object => ({
    auction,
    bidder,
    price,
    at,
  })
  const times = [10_000, 10_001, 10_002, 10_003]
  await job
    .source('bids')
    .send(
      ...times.map((at) => bid(1, 20_000, at)),
      ...times.slice(1).map((at) => bid(2, 200, at)),
      ...times.slice(2).map((at) => bid(3, 300, at)),
      bid(4, 400, 10_000),
      bid(5, 50, 10_000),
      bid(5, 500, 10_000, 0n),
    )
  await job.finish()
  const rows = job.sink('lake').rows() as readonly { readonly until: number }[]
  expect(rows).toHaveLength(5 * 3)
  expect(rows.filter(({ until }) => until === 12_000)).toEqual([
    { auction: 1, bids: 4, top: 20_000, expensive: 4, until: 12_000, rank: 1 },
    { auction: 2, bids: 3, top: 200, expensive: 0, until: 12_000, rank: 2 },
    { auction: 3, bids: 2, top: 300, expensive: 0, until: 12_000, rank: 3 },
  ])
})

test.each([
  ['land-clicks', landClicks],
  ['score', score],
  ['customers', customers],
])('%s is refused before it starts: its sink belongs to a later version', (_, job) => {
  const values = reviveParameters({
    brokers: ['localhost:9092'],
    password: { secret: 'x' },
    directory: './out',
    outOfOrder: 1_000,
  })
  expect(() => jobDefinition(job).build(values)).toThrow(/is not part of this version/)
})
