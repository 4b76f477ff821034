/** `millrace chaos` on a job that reads a real broker: simulated over what it held, and for real. */
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestKafka } from './test-kafka.ts'
import { Project } from '../millrace.ts'
import { brokerMissing, startKafka } from './test-kafka.ts'

const JOB = new URL('jobs/count-orders.ts', import.meta.url)
const PARTITIONS = 2
const BATCHES = 12
const BATCH_RECORDS = 10
/** Of each partition: records, ends of transactions, what was aborted, and one that was deleted. */
const OFFSETS = BATCHES * BATCH_RECORDS + 4 + 4 * 3 + 1

const gzip = { codec: 1, compress: (bytes: Buffer) => gzipSync(bytes) }

describe.skipIf(brokerMissing() !== undefined)('a search on a job that reads a broker', () => {
  const project = new Project()
  let kafka: TestKafka
  let topic: string
  let set: readonly string[]

  beforeAll(async () => {
    kafka = await startKafka({ own: true })
    topic = await kafka.createTopic({ partitions: PARTITIONS })
    for (let partition = 0; partition < PARTITIONS; partition += 1) await fill(partition)
    const open = await kafka.transactions()
    await open.write(topic, [order(-9, 0)])
    project.write('job.ts', readFileSync(JOB, 'utf8'))
    set = ['--set', `broker=${kafka.brokers[0]}`, '--set', `topic=${topic}`]
  })
  afterAll(async () => {
    await kafka.stop()
    await project.remove()
  })

  /** A third is written in transactions, a third is packed; some were aborted, one deletes. */
  async function fill(partition: number): Promise<void> {
    const producer = await kafka.transactions()
    for (let batch = 0; batch < BATCHES; batch += 1) {
      const first = (partition * BATCHES + batch) * BATCH_RECORDS
      const records = Array.from({ length: BATCH_RECORDS }, (_, index) =>
        order(first + index, partition),
      )
      if (batch % 3 === 0) {
        await producer.write(topic, [order(-1, partition), order(-2, partition)], { partition })
        await producer.abort()
        await producer.write(topic, records, { partition })
        await producer.commit()
      } else if (batch % 3 === 1) {
        await kafka.produce(topic, records, { partition, compression: gzip })
      } else await kafka.produce(topic, records, { partition })
    }
    await kafka.produce(topic, [{ key: 'x', value: null }], { partition })
  }

  function order(id: number, partition: number) {
    const value = JSON.stringify({ id, user: `user-${partition}-${Math.abs(id) % 3}` })
    return { value, headers: { source: 'shop' } }
  }

  test('nothing is broken in one that is right; what was recorded and left out is said', async () => {
    const found = await project.run(['chaos', 'run', 'job.ts', ...set, '--schedules', '20'])
    expect(found.exitCode, found.stdout + found.stderr).toBe(0)
    const records = PARTITIONS * BATCHES * BATCH_RECORDS
    expect(found.stdout.split('\n').slice(0, 2)).toEqual([
      `input       orders: ${records} records of 2 partitions of "${topic}", recorded from ${kafka.brokers[0]}`,
      `input       orders: ${topic}-0: left out are offsets ${OFFSETS} to ${OFFSETS}, not committed by now`,
    ])
    expect(found.stdout).toContain('violations  none')
  })

  for (const mode of ['threads', 'process'] as const) {
    test(`nor for real, with ${mode}`, async () => {
      const end = ['--set', `to=${OFFSETS}`, '--mode', mode, '--faults', 'crash,errno']
      const found = await project.run([
        'chaos',
        'run',
        'job.ts',
        ...set,
        ...end,
        '--schedules',
        '2',
      ])
      expect(found.exitCode, found.stdout + found.stderr).toBe(0)
      expect(found.stdout).toMatch(/^faults +[1-9]\d* struck, [\s\S]*\nviolations +none/m)
    })
  }

  test('a real run of one that never ends is refused at once', async () => {
    const refused = await project.run(['chaos', 'run', 'job.ts', ...set, '--mode', 'process'])
    expect(refused.exitCode).toBe(2)
    expect(refused.stderr).toMatch(/CHAOS_UNFIT: source "orders" never ends/)
  })

  test('what one forgets is found, and had again when the broker is gone', async () => {
    const forgets = ['--set', 'forgets=true', '--schedules', '100']
    const found = await project.run(['chaos', 'run', 'job.ts', ...set, ...forgets])
    expect(found.exitCode, found.stdout + found.stderr).toBe(1)
    const bundle = /millrace chaos replay (\S+)/.exec(found.stdout)![1]!
    await kafka.kill()
    const replayed = await project.run(['chaos', 'replay', bundle])
    expect(replayed.exitCode, replayed.stdout + replayed.stderr).toBe(1)
    expect(replayed.stdout).toContain('\nstep for step the run of the bundle\n')
    expect(replayed.stdout).toMatch(/sink "counts": \d+ [^{]+ \{"id":\d+,"user":"user-/)
    const shrunk = await project.run(['chaos', 'shrink', bundle, '--out', 'shrunk'])
    expect(shrunk.exitCode, shrunk.stdout + shrunk.stderr).toBe(1)
    expect(shrunk.stdout).toMatch(/, at parallelism 1, with \d+ records a split\n/)
    // A new search needs the broker, and says so.
    const searched = await project.run(['chaos', 'run', 'job.ts', ...set])
    expect(searched.exitCode).toBe(1)
    expect(searched.stderr).toMatch(/KAFKA_UNREACHABLE: no broker of .* answered for 10000 ms/)
  })
})
