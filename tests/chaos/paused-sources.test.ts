/**
 * Sources that pause because they are far ahead, under faults: the answer is that of a plain loop,
 * and one schedule gives one run.
 */
import { expect, test } from 'vitest'
import { boundedOutOfOrderness, defineJob, int32, millis, struct, timestamp, utf8 } from 'millrace'
import { fileSink, generatorSource } from 'millrace/connectors'
import { publishedBy } from '../../engine/chaos/subject.ts'
import { simulateSchedule } from '../../engine/chaos/simulate-schedule.ts'

const Pair = struct({ key: utf8(), dense: int32(), sparse: int32(), at: timestamp() })
interface Row {
  readonly key: string
  readonly n: number
  readonly at: number
}
const T0 = 1_000_000
const dense = Array.from({ length: 600 }, (_, n): Row => ({
  key: `k${n % 5}`,
  n,
  at: T0 + n * 10 - (n % 3) * 12,
}))
const sparse = Array.from({ length: 40 }, (_, n): Row => ({
  key: `k${n % 5}`,
  n,
  at: T0 + n * 150,
}))

const wanted = dense
  .flatMap((left) =>
    sparse
      .filter(({ key, at }) => key === left.key && Math.abs(at - left.at) <= 100)
      .map((right) => `${left.n} ${right.n}`),
  )
  .sort()

/** The furthest that a record of `dense` was read ahead of `sparse`. */
let lead = 0
let reached = T0

const job = defineJob('pauses', (env) => {
  env.checkpointing({ everyMs: 60 })
  const times = boundedOutOfOrderness(millis(30)).withWatermarkAlignment({
    maxDrift: millis(100),
    readAheadMb: 0.0005,
  })
  const read = (uid: string, rows: readonly Row[], pace: number, see: (row: Row) => void) =>
    env
      .fromSource(
        uid,
        generatorSource({ records: rows.length, perSecond: pace, generate: (n) => rows[n]! }),
      )
      .map((row) => {
        see(row)
        return row
      })
      .assignTimestampsAndWatermarks('at', times)
      .keyBy('key')
  read('dense', dense, 5_000, ({ at }) => {
    lead = Math.max(lead, at - reached)
  })
    .intervalJoin(
      'join',
      read('sparse', sparse, 80, ({ at }) => {
        reached = at
      }),
      { lower: millis(-100), upper: millis(100) },
      (left, right) => ({ key: left.key, dense: left.n, sparse: right.n, at: left.at }),
    )
    .sinkTo('out', fileSink({ directory: '/out', schema: Pair }))
})

test('whatever crashes while a source is paused, the answer is right, and the run is the same', async () => {
  expect(wanted.length).toBeGreaterThan(100)
  for (let seed = 1; seed <= 3; seed += 1) {
    const crash = { type: 'crash' } as const
    const faults = [
      { point: 'snapshot.acknowledge', nth: 2 + seed, life: 1, action: crash },
      { point: 'coordinator.commit', nth: 2, life: 2, action: crash },
    ] as const
    const schedule = { seed, parallelism: 1 + (seed % 3), faults, flow: { batchRecords: 5 } }
    lead = 0
    reached = T0
    const run = await simulateSchedule({ job, parameters: {}, schedule, workers: 2 })
    expect(run.lives.at(-1)!.ended.type).toBe('finished')
    expect(run.fired, `seed ${seed}`).toEqual([0, 1])
    expect(lead).toBeLessThan(2_500) // 5,900 when nothing pauses.
    const published = await publishedBy(run)
    const found = published['out']!.map((row) => {
      const pair = JSON.parse(row.slice(row.indexOf('{'))) as { dense: number; sparse: number }
      return `${pair.dense} ${pair.sparse}`
    })
    expect(found.sort()).toEqual(wanted)
    const again = await simulateSchedule({ job, parameters: {}, schedule, workers: 2 })
    expect(again.hash).toBe(run.hash)
  }
})
