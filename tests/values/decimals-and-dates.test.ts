/** Decimals and dates are texts in JavaScript, and compare as numbers and days in declared steps. */
import { expect, test } from 'vitest'
import {
  date,
  decimal,
  defineJob,
  field,
  max,
  min,
  monotonous,
  nullable,
  seconds,
  session,
  sliding,
  struct,
  timestamp,
  tumbling,
  utf8,
} from 'millrace'
import type { Infer, StreamEnvironment } from 'millrace'
import { fileSource, json, printSink } from 'millrace/connectors'
import { testJob } from 'millrace/testing'

const Price = struct({
  k: utf8(),
  at: timestamp(),
  price: nullable(decimal(12, 2)),
  day: nullable(date()),
})
type Price = Infer<typeof Price>

const prices = ['9.50', '10.00', '-3', null, '-20.00', '9.5', '009.75', '0.00', '-0']
const days = [
  '2024-02-29',
  '+010000-01-01',
  '9999-12-31',
  null,
  '-000001-12-31',
  '0000-01-01',
  '1969-12-31',
  '-271821-04-20',
  '+002024-02-29',
]
const rows: Price[] = prices.map((price, index) => {
  return { k: 'a', at: index, price, day: days[index]! }
})
const extremes = {
  least: min('price'),
  greatest: max('price'),
  first: min('day'),
  last: max('day'),
}
const expected = {
  least: '-20.00',
  greatest: '10.00',
  first: '-271821-04-20',
  last: '+010000-01-01',
}

async function run(
  job: Parameters<typeof testJob>[0],
  given: readonly Price[],
  parallelism = 1,
): Promise<Record<string, unknown>[]> {
  const running = await testJob(job, { parallelism })
  await running.source('in').send(...given)
  await running.finish()
  return running.sink('out').rows() as Record<string, unknown>[]
}

const stream = (env: StreamEnvironment) =>
  env
    .fromSource('in', fileSource({ path: './in', format: json(Price) }))
    .assignTimestampsAndWatermarks('at', monotonous())

const windows = {
  tumbling: tumbling(seconds(1)),
  sliding: sliding(seconds(1), seconds(1)),
  session: session(seconds(1)),
}
test.each(Object.entries(windows))('in a %s window, in any order', async (_, window) => {
  const job = defineJob('window', (env) => {
    stream(env).keyBy('k').window(window).aggregate('w', extremes).sinkTo('out', printSink())
  })
  for (const given of [rows, rows.map((row, at) => ({ ...rows[rows.length - 1 - at]!, at }))]) {
    const [found] = await run(job, given)
    expect(found).toMatchObject(expected)
  }
})

test.each([1, 2])('over all records so far, at parallelism %i', async (parallelism) => {
  const job = defineJob('running', (env) => {
    stream(env).keyBy('k').aggregate('m', extremes).sinkTo('out', printSink())
  })
  const found = await run(job, rows, parallelism)
  expect(found.at(-1)).toMatchObject(expected)
  expect(found[1]).toMatchObject({ least: '9.50', greatest: '10.00', first: '2024-02-29' })
})

test('of equal numbers the same text is kept in any order', async () => {
  const job = defineJob('ties', (env) => {
    stream(env)
      .keyBy('k')
      .aggregate('m', { least: min('price') })
      .sinkTo('out', printSink())
  })
  for (const texts of [
    ['1.5', '1.50'],
    ['1.50', '1.5'],
  ]) {
    const given = texts.map((price, at) => ({ k: 'a', at, price, day: null }))
    expect((await run(job, given)).at(-1)).toMatchObject({ least: '1.5' })
  }
})

const predicates = {
  'gt 9.50': [field('price').gt('9.50'), ['10.00', '009.75']],
  'lte -3.00': [field('price').lte('-3.00'), ['-3', '-20.00']],
  'eq 9.5': [field('price').eq('9.5'), ['9.50', '9.5']],
  'ne 0': [field('price').ne('0'), ['9.50', '10.00', '-3', '-20.00', '9.5', '009.75']],
  'one of 9.500, 10': [field('price').oneOf(['9.500', '10']), ['9.50', '10.00', '9.5']],
} as const
test.each(Object.entries(predicates))('where price %s', async (_, [predicate, kept]) => {
  const job = defineJob('where', (env) => {
    stream(env).where(predicate).sinkTo('out', printSink())
  })
  expect((await run(job, rows)).map(({ price }) => price)).toEqual(kept)
})

test('where a day is later than another', async () => {
  const job = defineJob('where', (env) => {
    stream(env).where(field('day').gt('2024-02-28').not()).sinkTo('out', printSink())
  })
  const found = await run(job, rows)
  expect(found.map(({ day }) => day)).toEqual([
    null,
    '-000001-12-31',
    '0000-01-01',
    '1969-12-31',
    '-271821-04-20',
  ])
})

test.each(['ten', '', '1,5', '0x1', '+1', '1e3'])(
  'no decimal is compared with %j',
  async (value) => {
    const job = defineJob('mistake', (env) => {
      stream(env).where(field('price').gt(value)).sinkTo('out', printSink())
    })
    await expect(testJob(job)).rejects.toThrow(/"price", which is a decimal, with/)
  },
)

test.each(['2024-2-1', '2024-02-30', '', 'today'])('no date is compared with %j', async (value) => {
  const job = defineJob('mistake', (env) => {
    stream(env)
      .where(field('day').oneOf([value]))
      .sinkTo('out', printSink())
  })
  await expect(testJob(job)).rejects.toThrow(/"day", which is a date, with/)
})
