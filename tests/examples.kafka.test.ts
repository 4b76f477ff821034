/** The example that lands a Kafka topic, over a real broker. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestKafka } from './kafka/test-kafka.ts'
import { kafkaMissing, startKafka } from './kafka/test-kafka.ts'
import { query } from './kill/parquet-rows.ts'
import { Project, ROOT } from './millrace.ts'

const PARTITIONS = 3
const CLICKS = 3_000
const START_MS = Date.UTC(2026, 2, 1)
const STEP_MS = 60_000

describe.skipIf(kafkaMissing() !== undefined)('07 kafka-to-parquet', () => {
  const project = new Project()
  let kafka: TestKafka
  let topic: string

  beforeAll(async () => {
    kafka = await startKafka()
    topic = await kafka.createTopic({ partitions: PARTITIONS })
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      const clicks = Array.from({ length: CLICKS / PARTITIONS }, (_, index) => {
        const number = index * PARTITIONS + partition
        return JSON.stringify({
          user: `u${number}`,
          url: `/${number % 7}`,
          at: START_MS + number * STEP_MS,
        })
      })
      await kafka.produce(topic, clicks, { partition })
    }
  })
  afterAll(async () => {
    await kafka.stop()
    await project.remove()
  })

  test('lands each message once, with its place, in the folder of its day', async () => {
    const directory = project.path('lake')
    const ended = await project.run([
      ...['run', join(ROOT, 'examples/07-kafka-to-parquet.ts'), '--parallelism', '2'],
      ...['--set', `brokers=${kafka.brokers.join(',')}`, '--set', `topic=${topic}`],
      ...['--set', `directory=${directory}`, '--set', 'until=now'],
    ])
    expect(ended.exitCode, ended.stdout + ended.stderr).toBe(0)
    const rows = await query(
      `SELECT "user", url, epoch_ms("at"), _partition, _offset,
              strftime("at", '%Y-%m-%d') = day::TEXT
         FROM read_parquet('${directory}/**/*.parquet', hive_partitioning = true)`,
    )
    const found = rows.map((row) => row.join(' ')).sort()
    const expected = Array.from({ length: CLICKS }, (_, number) =>
      [
        ...[`u${number}`, `/${number % 7}`, START_MS + number * STEP_MS],
        ...[number % PARTITIONS, Math.floor(number / PARTITIONS), true],
      ].join(' '),
    ).sort()
    expect(found).toEqual(expected)
  })
})
