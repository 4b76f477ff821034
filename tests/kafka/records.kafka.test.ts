/** What a Kafka source sees of a log: transactions, compression, odd records. */
import { compressFrameSync } from 'lz4-napi'
import { gzipSync } from 'node:zlib'
import { compressSync } from 'snappy'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KafkaSourceOptions } from '../../connectors/kafka/kafka-options.ts'
import type { TestKafka } from './test-kafka.ts'
import { json } from '../../connectors/formats/json-format.ts'
import { text } from '../../connectors/formats/text-format.ts'
import { kafkaSource } from '../../connectors/kafka/kafka-source.ts'
import { systemClock } from '../../engine/base/clock.ts'
import { seededRandom } from '../../engine/base/random.ts'
import { schemaOf } from '../../engine/stream/schema.ts'
import { SourceDriver } from './source-driver.ts'
import type { ReadRecord } from './source-driver.ts'
import { kafkaMissing, startKafka } from './test-kafka.ts'

const COMPRESSIONS = [
  { name: 'gzip', codec: 1, compress: (bytes: Buffer) => gzipSync(bytes) },
  { name: 'bare snappy', codec: 2, compress: (bytes: Buffer) => compressSync(bytes) },
  { name: 'lz4', codec: 3, compress: (bytes: Buffer) => compressFrameSync(bytes) },
] as const

function keyed(keys: readonly string[], round: number): { key: string; value: string }[] {
  return keys.map((key) => ({ key, value: `${key}=${round}` }))
}

describe.skipIf(kafkaMissing() !== undefined)('records of a real broker', () => {
  let kafka: TestKafka
  const drivers: SourceDriver[] = []

  beforeAll(async () => {
    kafka = await startKafka()
  })
  afterAll(async () => {
    for (const driver of drivers) await driver.close()
    await kafka.stop()
  })

  function drive(topic: string, options: Partial<KafkaSourceOptions<string>> = {}): SourceDriver {
    const source = kafkaSource({ brokers: kafka.brokers, topic, value: text(), ...options })
    const driver = new SourceDriver(source)
    drivers.push(driver)
    return driver
  }

  async function readAll(
    topic: string,
    options: Partial<KafkaSourceOptions<string>> = {},
  ): Promise<readonly unknown[]> {
    const driver = drive(topic, { to: 'latest', ...options })
    await driver.discover()
    await driver.readToEnd()
    return driver.rows
  }

  async function readWithOffsets(topic: string): Promise<readonly ReadRecord[]> {
    const driver = drive(topic, { to: 'latest' })
    await driver.discover()
    await driver.readToEnd()
    return driver.records
  }

  const seed = Number(process.env['MILLRACE_TEST_SEED'] ?? Date.now() % 1_000_000)

  test(`only committed records are seen, from wherever the read begins (seed ${seed})`, async () => {
    const random = seededRandom(seed)
    const topic = await kafka.createTopic()
    const truth: { readonly offset: number; readonly value: string; readonly writer: number }[] = []
    const committed = new Set<string>()
    const writers = await Promise.all([0, 1, 2, 3].map(() => kafka.transactions()))
    const open = writers.map(() => [] as string[])
    let end = 0
    for (let step = 0; step < 150; step += 1) {
      const writer = random.int(writers.length + 1)
      const values = Array.from({ length: 1 + random.int(4) }, (_, index) => `${step}.${index}`)
      let offset: number
      if (writer === writers.length) {
        offset = await kafka.produce(topic, values)
        for (const value of values) committed.add(value)
      } else if (open[writer]!.length > 0 && random.int(3) === 0) {
        const commits = random.int(2) === 0
        await (commits ? writers[writer]!.commit() : writers[writer]!.abort())
        if (commits) for (const value of open[writer]!) committed.add(value)
        open[writer] = []
        continue
      } else {
        const compression = COMPRESSIONS[random.int(6)]
        // A key that begins like a control record's must not be taken for one.
        const records = values.map((value) => ({ value, key: Buffer.alloc(4) }))
        const options = compression === undefined ? {} : { compression }
        offset = await writers[writer]!.write(topic, records, options)
        open[writer]!.push(...values)
      }
      values.forEach((value, index) => {
        truth.push({ offset: offset + index, value, writer })
      })
      end = offset + values.length
    }
    for (const [index, writer] of writers.entries()) {
      if (open[index]!.length > 0) await writer.abort()
    }
    const visible = truth.filter(({ value }) => committed.has(value))
    for (let from = 0; from <= end; from += 1 + random.int(end / 25)) {
      const driver = drive(topic, { from: { offsets: { '0': from } }, to: 'latest' })
      await driver.discover()
      await driver.readToEnd()
      expect(driver.records.map(({ offset, row }) => ({ offset, value: row }))).toEqual(
        visible
          .filter(({ offset }) => offset >= from)
          .map(({ offset, value }) => ({ offset, value })),
      )
      await driver.close()
    }
  })

  test('an open transaction holds a bounded read until it ends', async () => {
    const topic = await kafka.createTopic()
    const writer = await kafka.transactions()
    await writer.write(topic, ['pending'])
    await kafka.produce(topic, ['plain'])
    const driver = drive(topic, { to: 'latest' })
    await driver.discover()
    await driver.readFor(700)
    expect(driver.rows).toEqual([])
    await writer.commit()
    await driver.readToEnd()
    expect(driver.rows).toEqual(['pending', 'plain'])
  })

  test('a log that ends with an aborted transaction ends', async () => {
    const topic = await kafka.createTopic()
    const writer = await kafka.transactions()
    await kafka.produce(topic, ['kept'])
    await writer.write(topic, ['dropped'])
    await writer.abort()
    expect(await readAll(topic)).toEqual(['kept'])
  })

  for (const compression of COMPRESSIONS) {
    test(`${compression.name} as a producer writes it is read`, async () => {
      const topic = await kafka.createTopic()
      const values = Array.from({ length: 5_000 }, (_, index) => `value ${index % 97} ${index}`)
      await kafka.produce(topic, values, { compression })
      expect(await readAll(topic)).toEqual(values)
    })
  }

  for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
    test(`${codec} as Java writes it is read`, async () => {
      // The broker compresses anew what comes to such a topic.
      const topic = await kafka.createTopic({ config: { 'compression.type': codec } })
      const random = seededRandom(7)
      const values = Array.from({ length: 4_000 }, () => random.hex(60))
      values.push('x'.repeat(300_000))
      await kafka.produce(topic, values)
      expect(await readAll(topic)).toEqual(values)
    })
  }

  test('what compaction left is read past its gaps', async () => {
    const config = {
      'cleanup.policy': 'compact',
      'segment.ms': '50',
      'min.cleanable.dirty.ratio': '0.0001',
      'max.compaction.lag.ms': '50',
    }
    const topic = await kafka.createTopic({ config })
    const writer = await kafka.transactions()
    for (let round = 0; round < 5; round += 1) {
      await kafka.produce(topic, keyed(['a', 'b', 'c', `only in ${round}`], round))
      await writer.write(topic, keyed(['d'], round))
      await (round % 2 === 0 ? writer.abort() : writer.commit())
      await systemClock.sleep(60) // Each round is a segment of its own.
    }
    const left = await expect
      .poll(() => readWithOffsets(topic), { timeout: 60_000, interval: 250 })
      .toSatisfy((records: readonly ReadRecord[]) => records.length <= 12)
      .then(() => readWithOffsets(topic))
    const latest = new Map(left.map(({ row }) => (row as string).split('=') as [string, string]))
    const once = [0, 1, 2, 3, 4].map((round) => [`only in ${round}`, String(round)] as const)
    const expected = new Map([...once, ['a', '4'], ['b', '4'], ['c', '4'], ['d', '3']])
    expect(latest).toEqual(expected)
    const offsets = left.map((record) => record.offset)
    expect(offsets).toEqual(offsets.toSorted((one, other) => one - other))
  })

  test('records of a megabyte come one by one', async () => {
    const topic = await kafka.createTopic({ config: { 'max.message.bytes': '10000000' } })
    const values = [1, 2, 3, 4, 5].map((digit) => String(digit).repeat(2_000_000))
    for (const value of values) await kafka.produce(topic, [value])
    expect((await readAll(topic)) as unknown).toEqual(values)
  })

  test('metadata adds topic, partition, offset and time', async () => {
    const schema = schemaOf<{ readonly id: number }>({
      kind: 'struct',
      fields: [{ name: 'id', schema: { kind: 'int32' } }],
    })
    const topic = await kafka.createTopic({ partitions: 2 })
    await kafka.produce(
      topic,
      [{ value: '{"id":7}', timestampMs: 1_234, headers: { trace: 'x' } }],
      {
        partition: 1,
      },
    )
    const driver = new SourceDriver(
      kafkaSource({
        brokers: kafka.brokers,
        topic,
        value: json(schema),
        metadata: true,
        to: 'latest',
      }),
    )
    drivers.push(driver)
    await driver.discover()
    await driver.readToEnd()
    expect(driver.rows).toEqual([
      { id: 7, _topic: topic, _partition: 1, _offset: 0n, _timestamp: 1_234 },
    ])
  })

  test('a time set by the broker counts', async () => {
    const topic = await kafka.createTopic({ config: { 'message.timestamp.type': 'LogAppendTime' } })
    const beforeMs = Date.now()
    await kafka.produce(topic, [{ value: '{}', timestampMs: 5 }])
    const driver = new SourceDriver(
      kafkaSource({
        brokers: kafka.brokers,
        topic,
        value: json(schemaOf<object>({ kind: 'struct', fields: [] })),
        metadata: true,
        to: 'latest',
      }),
    )
    drivers.push(driver)
    await driver.discover()
    await driver.readToEnd()
    const [row] = driver.rows as readonly { readonly _timestamp: number }[]
    expect(row!._timestamp).toBeGreaterThanOrEqual(beforeMs)
  })

  test('a malformed record fails the read with partition and offset', async () => {
    const schema = schemaOf<object>({ kind: 'struct', fields: [] })
    const topic = await kafka.createTopic()
    await kafka.produce(topic, ['{}', '{}', '{"a":'])
    const driver = new SourceDriver(
      kafkaSource({ brokers: kafka.brokers, topic, value: json(schema), to: 'latest' }),
    )
    drivers.push(driver)
    await driver.discover()
    await expect(driver.readToEnd()).rejects.toMatchObject({
      code: 'RECORD_MALFORMED',
      place: { split: `${topic}-0`, offset: 2 },
    })
  })

  test('a message without a value fails the read, or is passed over', async () => {
    const topic = await kafka.createTopic()
    await kafka.produce(topic, [{ value: 'a' }, { key: 'k', value: null }, { value: 'b' }])
    await expect(readAll(topic)).rejects.toMatchObject({ place: { offset: 1 } })

    const options = { brokers: kafka.brokers, topic, value: text(), to: 'latest' } as const
    const driver = new SourceDriver(kafkaSource({ ...options, onMalformed: 'skip' }))
    drivers.push(driver)
    await driver.discover()
    await driver.readToEnd()
    expect(driver.rows).toEqual(['a', 'b'])
    const place = { split: `${topic}-0`, offset: 1 }
    expect(driver.malformed).toMatchObject([{ code: 'RECORD_MALFORMED', place }])
  })
})
