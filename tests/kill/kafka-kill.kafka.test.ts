/**
 * Kafka to Parquet through kills: a real broker, real processes, SIGKILL at random moments and
 * another parallelism each time. Every offset of every partition is landed once.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { brokerMissing, startKafka, type TestKafka } from '../kafka/test-kafka.ts'
import { event } from '../jobs/events.ts'
import { runWithKills } from './kill-run.ts'
import { livesToTheEnd } from './short-lives.ts'
import { bucketTotals } from './oracle.ts'
import { countIds, query, readTotals } from './parquet-rows.ts'

const RECORDS = 300_000
const PARTITIONS = 4
const BATCH = 500
const BUCKET_MS = 10_000
const PARALLELISMS = [2, 4, 1, 2, 4, 2, 1, 4, 2, 1, 4, 2]

const seed = Number(process.env['MILLRACE_TEST_SEED'] ?? 20_261_124)
const missing = brokerMissing()

test.skipIf(missing !== undefined)(
  'kafka-to-parquet.ts, killed again and again, lands each offset once',
  async () => {
    const topic = await fill(kafka)
    const folder = await mkdtemp(join(tmpdir(), 'millrace-kill-'))
    try {
      const report = await runWithKills({
        job: 'kafka-to-parquet.ts',
        set: { directory: join(folder, 'out'), brokers: kafka.brokers.join(','), topic },
        workDir: join(folder, 'work'),
        parallelisms: PARALLELISMS,
        seed,
        killWithinMs: 3_000,
      })
      const said = `seed ${seed}\n${report.history.join('\n')}`
      expect(await countIds(join(folder, 'out/raw')), said).toEqual({
        rows: RECORDS,
        distinct: RECORDS,
      })
      const offsets = await query(
        `SELECT _partition, count(*), count(DISTINCT _offset), max(_offset) FROM read_parquet('${folder}/out/raw/**/*.parquet') GROUP BY _partition ORDER BY _partition`,
      )
      const each = RECORDS / PARTITIONS
      expect(
        offsets.map((row) => row.map(Number)),
        said,
      ).toEqual(
        Array.from({ length: PARTITIONS }, (_, partition) => [partition, each, each, each - 1]),
      )
      expect(await readTotals(join(folder, 'out/totals')), said).toEqual(
        bucketTotals(RECORDS, BUCKET_MS),
      )
      console.log(`kafka-to-parquet.ts: ${report.kills} kills, seed ${seed}`)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
)

test.skipIf(missing !== undefined)(
  'kafka-to-parquet.ts, killed four CPU seconds after each start, comes to its end',
  async () => {
    const topic = await fill(kafka)
    const folder = await mkdtemp(join(tmpdir(), 'millrace-lives-'))
    try {
      const set = { directory: join(folder, 'out'), brokers: kafka.brokers.join(','), topic }
      const lives = await livesToTheEnd({
        job: fileURLToPath(new URL('../jobs/kafka-to-parquet.ts', import.meta.url)),
        arguments: Object.entries(set).flatMap(([name, value]) => ['--set', `${name}=${value}`]),
        environment: { MILLRACE_CHECKPOINTING_EVERY_MS: '300' },
        workDir: join(folder, 'work'),
        cpuSeconds: 4,
        most: 12,
      })
      expect(await countIds(join(folder, 'out/raw'))).toEqual({ rows: RECORDS, distinct: RECORDS })
      console.log(`kafka-to-parquet.ts: ${lives} lives`)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
)

let kafka: TestKafka
beforeAll(async () => {
  if (missing === undefined) kafka = await startKafka()
})
afterAll(async () => {
  await (kafka as TestKafka | undefined)?.stop()
})

/** Record n in partition n mod 4, in order. */
async function fill(to: TestKafka): Promise<string> {
  const topic = await to.createTopic({ partitions: PARTITIONS })
  for (let first = 0; first < RECORDS; first += BATCH * PARTITIONS) {
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      const values: string[] = []
      for (let row = 0; row < BATCH; row += 1) {
        values.push(JSON.stringify(event(first + row * PARTITIONS + partition)))
      }
      await to.produce(topic, values, { partition })
    }
  }
  return topic
}
