/** Whole jobs that read from a real broker. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestKafka } from './test-kafka.ts'
import { Project } from '../millrace.ts'
import { brokerMissing, startKafka } from './test-kafka.ts'

const JOB = fileURLToPath(new URL('jobs/copy-orders.ts', import.meta.url))
const PARTITIONS = 3
const BATCHES = 60
const BATCH_RECORDS = 1_000

interface Copied {
  readonly id: number
  readonly _partition: number
  readonly _offset: number
}

describe.skipIf(brokerMissing() !== undefined)('a job over a real broker', () => {
  const project = new Project()
  let kafka: TestKafka
  let topic: string

  beforeAll(async () => {
    kafka = await startKafka({ own: true })
    topic = await kafka.createTopic({ partitions: PARTITIONS })
    for (let batch = 0; batch < BATCHES; batch += 1) {
      const first = batch * BATCH_RECORDS
      const values = Array.from(
        { length: BATCH_RECORDS },
        (_, index) => `{"id":${first + index},"user":"u${index}"}`,
      )
      await kafka.produce(topic, values, { partition: batch % PARTITIONS })
    }
  })
  afterAll(async () => {
    await kafka.stop()
    await project.remove()
  })

  async function run(name: string): Promise<void> {
    const { exitCode, stdout, stderr } = await project.run([
      'run',
      JOB,
      ...['--set', `broker=${kafka.brokers[0]}`, '--set', `topic=${topic}`],
      ...['--set', `directory=${project.path(name, 'copies')}`],
      ...['--work-dir', project.path(name, 'work'), '--parallelism', '2', '--json'],
    ])
    expect(exitCode, stdout + stderr).toBe(0)
  }

  function copies(name: string): readonly Copied[] {
    const directory = project.path(name, 'copies')
    const files = readdirSync(directory).filter((file) => file.endsWith('.jsonl'))
    const lines = files.flatMap((file) =>
      readFileSync(join(directory, file), 'utf8').trimEnd().split('\n'),
    )
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Copied)
  }

  function expectEachOnce(records: readonly Copied[]): void {
    const ids = records.map((record) => record.id).toSorted((left, right) => left - right)
    expect(ids).toEqual(Array.from({ length: BATCHES * BATCH_RECORDS }, (_, id) => id))
    const places = new Set(records.map((record) => `${record._partition}@${record._offset}`))
    expect(places.size).toBe(records.length)
  }

  test('each record is committed once, and the group shows where the job is', async () => {
    await run('plain')
    expectEachOnce(copies('plain'))
    const committed = () => kafka.groupOffset(`${topic}-copy`, topic)
    await expect.poll(committed, { timeout: 10_000 }).toBe((BATCHES / PARTITIONS) * BATCH_RECORDS)
  })

  test('a broker that dies and comes back costs nothing but time', async () => {
    const running = run('broker-dies')
    await kafka.kill()
    await kafka.restart()
    await running
    expectEachOnce(copies('broker-dies'))
  })
})
