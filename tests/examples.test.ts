/**
 * Every numbered example, run by the command line as its header says and read by DuckDB. What it
 * should have written is computed here from its input, by SQL or by plain counting.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { Ended } from './millrace.ts'
import { reading } from '../examples/06-late-data.ts'
import { payment } from '../examples/10-broken-on-purpose.ts'
import { query } from './kill/parquet-rows.ts'
import { Project, ROOT } from './millrace.ts'

const project = new Project()
afterAll(() => project.remove())

const EXAMPLES = join(ROOT, 'examples')
const DATA = join(EXAMPLES, 'data')
const ORDERS = `read_csv('${DATA}/orders.csv')`
const files = readdirSync(EXAMPLES).filter((name) => /^\d\d-.*\.ts$/.test(name))

/** Runs an example at parallelism 2; its output is in a folder of that name. */
async function run(example: string, set: Readonly<Record<string, string>>): Promise<Ended> {
  const given = Object.entries(set).flatMap(([name, value]) => ['--set', `${name}=${value}`])
  const ended = await project.run(
    ['run', join(EXAMPLES, example), '--parallelism', '2', '--json', ...given],
    { MILLRACE_CHECKPOINTING_EVERY_MS: '100' },
  )
  expect(ended.exitCode, ended.stdout + ended.stderr).toBe(0)
  return ended
}

const parquet = (name: string): string => `read_parquet('${project.path(name)}/**/*.parquet')`
const lines = (name: string): string => `read_json('${project.path(name)}/*.jsonl')`

/** Both give the same rows, and some; compared as text, in the order of their columns. */
async function expectSame(found: string, expected: string): Promise<number> {
  const sorted = async (sql: string): Promise<readonly string[]> =>
    (await query(sql)).map((row) => row.join(' | ')).sort()
  const rows = await sorted(expected)
  expect(rows.length).toBeGreaterThan(0)
  expect(await sorted(found)).toEqual(rows)
  return rows.length
}

test('01 word-count: the last count of each word is how often it occurs', async () => {
  const { stdout } = await run('01-word-count.ts', { path: `${DATA}/poems/*.txt` })
  const found = new Map<string, number>()
  for (const line of stdout.split('\n').filter((text) => text.startsWith('{"key"'))) {
    const { key, times } = JSON.parse(line) as { readonly key: string; readonly times: number }
    expect(times).toBe((found.get(key) ?? 0) + 1)
    found.set(key, times)
  }
  const expected = new Map<string, number>()
  for (const poem of readdirSync(join(DATA, 'poems'))) {
    const text = readFileSync(join(DATA, 'poems', poem), 'utf8').toLowerCase()
    for (const word of text.split(/[^a-z]+/)) {
      if (word !== '') expected.set(word, (expected.get(word) ?? 0) + 1)
    }
  }
  expect(expected.get('the')).toBeGreaterThan(20)
  expect([...found].sort()).toEqual([...expected].sort())
})

test('02 hourly-revenue: each hour of each shop, in the folder of its day', async () => {
  await run('02-hourly-revenue.ts', {
    orders: `${DATA}/orders.csv`,
    directory: project.path('hourly'),
  })
  await expectSame(
    `SELECT shop, epoch_ms(hour), orders, cents::BIGINT FROM ${parquet('hourly')}`,
    `SELECT shop, epoch_ms(date_trunc('hour', "at")), count(*), sum(cents)::BIGINT
       FROM ${ORDERS} GROUP BY ALL`,
  )
  const days = readdirSync(project.path('hourly')).filter((name) => name.startsWith('day='))
  expect(days.sort()).toEqual(['day=2026-03-01', 'day=2026-03-02'])
})

test('03 visits: clicks less than half an hour apart', async () => {
  await run('03-visits.ts', {
    clicks: `${DATA}/clicks.jsonl`,
    directory: project.path('visits'),
  })
  const visits = await expectSame(
    `SELECT user, clicks, startedAt, endedAt
       FROM ${lines('visits')}`,
    `WITH clicks AS (SELECT "user" AS name, "at"::TIMESTAMP AS clicked
                       FROM read_json('${DATA}/clicks.jsonl')),
          marked AS (SELECT *, clicked - lag(clicked) OVER w >= INTERVAL 30 MINUTE AS begins
                       FROM clicks WINDOW w AS (PARTITION BY name ORDER BY clicked)),
          numbered AS (SELECT *, sum(coalesce(begins, true)::INT) OVER w AS visit
                         FROM marked WINDOW w AS (PARTITION BY name ORDER BY clicked))
     SELECT name, count(*), epoch_ms(min(clicked)), epoch_ms(max(clicked))
       FROM numbered GROUP BY name, visit`,
  )
  expect(visits).toBeGreaterThan(100)
})

test('04 fraud-rules: the rule that held at the time of the order', async () => {
  await run('04-fraud-rules.ts', { data: DATA, directory: project.path('fraud') })
  const ruled = `${ORDERS} o ASOF LEFT JOIN read_json('${DATA}/rules.jsonl') r
                   ON o.shop = r.shop AND r."from"::TIMESTAMP <= o.at`
  await expectSame(
    `SELECT "order", customer, cents, "limit" FROM ${lines('fraud/alarms')}`,
    `SELECT o.id, o.customer, o.cents, r."limit" FROM ${ruled} WHERE o.cents > r."limit"`,
  )
  await expectSame(
    `SELECT id, shop FROM ${lines('fraud/unknown')}`,
    `SELECT o.id, o.shop FROM ${ruled} WHERE r.shop IS NULL`,
  )
})

test('11 tested-cards: a large order that follows a small one of the customer', async () => {
  await run('11-tested-cards.ts', {
    orders: `${DATA}/orders.csv`,
    directory: project.path('tested'),
  })
  const alarms = await expectSame(
    `SELECT "order", customer, cents, afterMs FROM ${lines('tested')}`,
    `WITH pairs AS (SELECT *, lag(cents) OVER w AS before, lag("at") OVER w AS beforeAt
                      FROM ${ORDERS} WINDOW w AS (PARTITION BY customer ORDER BY "at"))
     SELECT id, customer, cents, epoch_ms("at") - epoch_ms(beforeAt) FROM pairs
      WHERE before < 1000 AND cents > 8000 AND "at" - beforeAt <= INTERVAL 6 HOUR`,
  )
  expect(alarms).toBe(36)
})

test('05 flight-delays: the three worst airports of every day', async () => {
  const flights = join(ROOT, 'node_modules/vega-datasets/data/flights-20k.json')
  await run('05-flight-delays.ts', { flights, directory: project.path('flights') })
  interface Flight {
    readonly date: string
    readonly delay: number
    readonly origin: string
  }
  const delays = new Map<string, number[]>()
  for (const { date, delay, origin } of JSON.parse(readFileSync(flights, 'utf8')) as Flight[]) {
    const key = `${date.slice(0, 10).replaceAll('/', '-')} ${origin}`
    delays.set(key, [...(delays.get(key) ?? []), delay])
  }
  const expected = new Map<string, number[]>()
  for (const [key, all] of delays) {
    if (all.length < 3) continue
    const day = key.slice(0, 10)
    const mean = all.reduce((left, right) => left + right, 0) / all.length
    const worst = [...(expected.get(day) ?? []), mean].sort((left, right) => right - left)
    expected.set(day, worst.slice(0, 3))
  }

  const found = new Map<string, number[]>()
  for (const [day, rank, origin, count, delay] of await query(
    `SELECT strftime(day, '%Y-%m-%d'), rank, origin, flights, delay
       FROM ${parquet('flights')} ORDER BY day, rank`,
  )) {
    const all = delays.get(`${String(day)} ${String(origin)}`)!
    expect(Number(count)).toBe(all.length)
    expect(delay).toBeCloseTo(all.reduce((left, right) => left + right, 0) / all.length, 9)
    found.set(String(day), [...(found.get(String(day)) ?? []), Number(delay)])
    expect(found.get(String(day))).toHaveLength(Number(rank))
  }
  expect(found.size).toBe(90)
  for (const [day, worst] of expected) {
    expect(found.get(day)).toHaveLength(worst.length)
    worst.forEach((delay, index) => expect(found.get(day)![index]).toBeCloseTo(delay, 9))
  }
})

test('06 late-data: the last word of each window, and what was late, is everything', async () => {
  const readings = 100_000
  await run('06-late-data.ts', { readings: `${readings}`, directory: project.path('late') })
  const HOUR_MS = 3_600_000
  const expected = new Map<string, { count: number; sum: number }>()
  for (let index = 0; index < readings; index += 1) {
    const { sensor, celsius, at } = reading(index)
    const key = `${sensor} ${at - (at % HOUR_MS)}`
    const { count, sum } = expected.get(key) ?? { count: 0, sum: 0 }
    expected.set(key, { count: count + 1, sum: sum + celsius })
  }
  // Of the rows of a window the one that counts most is its last.
  const last = `SELECT sensor, windowStart AS hour, max(readings) AS n,
                       arg_max(celsius, readings) * max(readings) AS celsius, count(*) AS fired
                  FROM ${lines('late/means')} GROUP BY ALL`
  const late = `SELECT sensor, "at" - "at" % ${HOUR_MS} AS hour, count(*) AS n,
                       sum(celsius) AS celsius, 0 AS fired
                  FROM ${lines('late/late')} GROUP BY ALL`
  const found = await query(
    `SELECT sensor, hour, sum(n), sum(celsius), sum(fired)
       FROM (${last} UNION ALL ${late}) GROUP BY ALL`,
  )
  expect(found).toHaveLength(expected.size)
  for (const [sensor, hour, count, celsius] of found) {
    const right = expected.get(`${String(sensor)} ${String(hour)}`)!
    expect(Number(count)).toBe(right.count)
    expect(Number(celsius)).toBeCloseTo(right.sum, 6)
  }
  expect(found.some((row) => Number(row[4]) > 1)).toBe(true)
  const [[kept]] = (await query(
    `SELECT count(*) FROM ${lines('late/late')} WHERE "at" > ${Date.UTC(2026, 0, 1)}`,
  )) as [[bigint]]
  // How many depends on how far the watermark was, but with half a day some always are.
  expect(Number(kept)).toBeGreaterThan(0)
})

test('08 paid-orders: paid within the hour, or not', async () => {
  await run('08-paid-orders.ts', { data: DATA, directory: project.path('paid') })
  const joined = `${ORDERS} o LEFT JOIN read_csv('${DATA}/payments.csv') p
                    ON p."order" = o.id AND p.at <= o.at + INTERVAL 1 HOUR`
  await expectSame(
    `SELECT "order", shop, cents, waitedMs FROM ${parquet('paid/paid')}`,
    `SELECT o.id, o.shop, o.cents, epoch_ms(p.at) - epoch_ms(o.at)
       FROM ${joined} WHERE p."order" IS NOT NULL`,
  )
  await expectSame(
    `SELECT id, customer FROM ${lines('paid/unpaid')}`,
    `SELECT o.id, o.customer FROM ${joined} WHERE p."order" IS NULL`,
  )
})

test('09 response-times: quantiles of every window that slides over a request', async () => {
  await run('09-response-times.ts', {
    requests: `${DATA}/requests.csv`,
    directory: project.path('times'),
  })
  await expectSame(
    `SELECT path, epoch_ms(windowStart), epoch_ms(windowEnd), millis.median, millis.p99,
            millis.slowest FROM ${parquet('times')}`,
    `WITH placed AS (SELECT *, unnest(range(10)) AS back FROM read_csv('${DATA}/requests.csv')),
          windows AS (SELECT path, millis,
                             epoch_ms(date_trunc('minute', "at")) - back * 60000 AS start
                        FROM placed)
     SELECT path, start, start + 600000, quantile_disc(millis, 0.5), quantile_disc(millis, 0.99),
            max(millis) FROM windows GROUP BY path, start`,
  )
})

test('10 broken-on-purpose: right as long as nothing breaks it', async () => {
  await run('10-broken-on-purpose.ts', { directory: project.path('payments') })
  const expected = new Map<number, number>()
  for (let index = 0; index < 5_000; index += 1) {
    const { id, cents } = payment(index)
    expected.set(id, cents)
  }
  const found = await query(`SELECT id, cents FROM ${lines('payments')}`)
  const rows = found.map(([id, cents]) => [Number(id), Number(cents)] as const)
  expect(rows.sort(([left], [right]) => left - right)).toEqual(
    [...expected].sort(([left], [right]) => left - right),
  )
  expect(rows.length).toBeLessThan(4_500)
})

test('every example is run by a test, is short, and imports what a user may', () => {
  expect(files.length).toBeGreaterThanOrEqual(9)
  const tests = ['examples.test.ts', 'examples.kafka.test.ts']
    .map((name) => readFileSync(join(ROOT, 'tests', name), 'utf8'))
    .join('\n')
  const readme = readFileSync(join(EXAMPLES, 'README.md'), 'utf8')
  for (const file of files) {
    const text = readFileSync(join(EXAMPLES, file), 'utf8')
    expect(text.split('\n').length, file).toBeLessThanOrEqual(80)
    expect(text.split('\n')[1], file).toMatch(
      new RegExp(`^// Run it: {2}.*npx millrace run examples/${file}`),
    )
    const imported = [...text.matchAll(/from '([^']+)'/g)].map(([, name]) => name)
    for (const name of imported) expect(['millrace', 'millrace/connectors']).toContain(name)
    expect(readme).toContain(`(${file})`)
    expect(tests, 'a test that runs it').toMatch(new RegExp(`^.*run.*${file}`, 'm'))
  }
})
