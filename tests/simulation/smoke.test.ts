/**
 * Whole jobs in one thread, over a disk that forgets and an order of events that a seed decides:
 * crashed and cut off from power at random steps, restarted at another parallelism, they publish
 * what was expected, each row once. The same seed gives the same run.
 */
import { expect, test } from 'vitest'
import {
  boundedOutOfOrderness,
  count,
  defineJob,
  field,
  float64,
  int32,
  millis,
  seconds,
  session,
  struct,
  sum,
  timestamp,
  tumbling,
  utf8,
} from 'millrace'
import { fileSink, generatorSource } from 'millrace/connectors'
import { readWholeFile, type Files } from '../../engine/base/files.ts'
import { simulateJob } from '../../engine/simulation/simulation.ts'
import { event, JITTER_MS } from '../jobs/events.ts'
import { bucketTotals, rowOf, sessionTotals, type Row } from '../kill/oracle.ts'

const RECORDS = 1_500
const GAP_MS = 1_500
const Totals = struct({
  user: utf8(),
  start: timestamp(),
  end: timestamp(),
  events: int32(),
  amount: float64(),
})

const seed = Number(process.env['MILLRACE_TEST_SEED'] ?? 1)
const RUNS = 12

const job = (name: 'buckets' | 'sessions') =>
  defineJob(name, (env) => {
    env.checkpointing({ everyMs: 20, tolerableFailures: 3 })
    env
      .fromSource(
        'events',
        generatorSource({ records: RECORDS, perSecond: 5_000, generate: event }),
      )
      .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(millis(JITTER_MS)))
      .keyBy('user')
      .window(name === 'buckets' ? tumbling(seconds(1)) : session(millis(GAP_MS)))
      .aggregate('totals', { events: count(), amount: sum('amount') })
      .select({
        user: field('user'),
        start: field('windowStart'),
        end: field('windowEnd'),
        events: field('events'),
        amount: field('amount'),
      })
      .sinkTo('out', fileSink({ directory: '/out', schema: Totals }))
  })

const cases = [
  { name: 'buckets', expected: bucketTotals(RECORDS, 1_000) },
  { name: 'sessions', expected: sessionTotals(RECORDS, GAP_MS) },
] as const

for (const { name, expected } of cases) {
  test(`${name} through crashes and power losses: each row once`, async () => {
    for (let run = 0; run < RUNS; run += 1) {
      const { disk, history } = await simulate(name, seed + run)
      const rows = await published(disk.files())
      expect(rows, `seed ${seed + run}\n${history.join('\n')}`).toEqual(expected)
    }
  })
}

test('the same seed gives the same run', async () => {
  const first = await simulate('buckets', seed)
  const second = await simulate('buckets', seed)
  expect(second.history).toEqual(first.history)
  expect(second.steps).toBe(first.steps)
  expect(second.disk.operations).toBe(first.disk.operations)
})

function simulate(name: 'buckets' | 'sessions', withSeed: number) {
  return simulateJob({
    job: job(name),
    parameters: {},
    parallelisms: [1, 3, 2, 4, 2],
    seed: withSeed,
    stepsMax: 2_500,
  })
}

async function published(files: Files): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (const name of await files.list('/out')) {
    if (!name.endsWith('.jsonl')) continue
    const text = new TextDecoder().decode(await readWholeFile(files, `/out/${name}`))
    for (const line of text.split('\n')) {
      if (line === '') continue
      const row = JSON.parse(line) as Readonly<Record<string, unknown>>
      const [start, end] = [row['start'], row['end']].map((at) =>
        typeof at === 'number' ? at : Date.parse(String(at)),
      )
      rows.push(
        rowOf(String(row['user']), start!, end!, Number(row['events']), Number(row['amount'])),
      )
    }
  }
  return rows.sort()
}
