/** What a Kafka source does when the broker, the topic or the log is not what it was. */
import { createServer } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { KafkaSourceOptions } from '../../connectors/kafka/kafka-options.ts'
import type { TestKafka } from './test-kafka.ts'
import { text } from '../../connectors/formats/text-format.ts'
import { kafkaSource } from '../../connectors/kafka/kafka-source.ts'
import { SourceDriver } from './source-driver.ts'
import { brokerMissing, kafkaMissing, startKafka } from './test-kafka.ts'

const drivers: SourceDriver[] = []

function drive(
  brokers: readonly string[],
  topic: string,
  options: Partial<KafkaSourceOptions<string>> = {},
): SourceDriver {
  const driver = new SourceDriver(kafkaSource({ brokers, topic, value: text(), ...options }))
  drivers.push(driver)
  return driver
}

afterEach(async () => {
  for (const driver of drivers.splice(0)) await driver.close()
})

describe.skipIf(kafkaMissing() !== undefined)('a log that has changed', () => {
  let kafka: TestKafka

  beforeAll(async () => {
    kafka = await startKafka()
  })
  afterAll(async () => {
    await kafka.stop()
  })

  test('records deleted before they were read fail the read with the range there is', async () => {
    const topic = await kafka.createTopic()
    await kafka.produce(topic, ['a', 'b', 'c', 'd'])
    const first = drive(kafka.brokers, topic, { to: { offsets: { '0': 1 } } })
    await first.discover()
    await first.readToEnd()
    await kafka.deleteRecords(topic, 0, 3)

    const second = drive(kafka.brokers, topic)
    const { splits, positions } = first.checkpoint()
    const endless = splits.map((split) => ({
      ...split,
      start: { ...(split.start as object), end: null },
    }))
    await second.discover({ splits: endless, positions })
    await expect(second.readCount(1)).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
      message: `offset 1 of "${topic}-0" is not there, the log holds 3 to 4 (exclusive)`,
      place: { split: `${topic}-0`, offset: 1 },
    })
    expect(second.rows).toEqual([])
  })

  test('an offset beyond the end is refused', async () => {
    const topic = await kafka.createTopic()
    await kafka.produce(topic, ['a'])
    const start = drive(kafka.brokers, topic, { from: { offsets: { '0': 5 } } })
    await expect(start.discover()).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
      message: `offset 5 of "${topic}-0" is not there, the log holds 0 to 1 (exclusive)`,
    })
  })

  test('a topic made again under its name is refused, read or restored', async () => {
    const topic = await kafka.createTopic()
    await kafka.produce(topic, ['a', 'b'])
    const driver = drive(kafka.brokers, topic)
    await driver.discover()
    await driver.readCount(2)
    const checkpoint = driver.checkpoint()

    await kafka.deleteTopic(topic)
    await kafka.createTopic({ topic })
    await kafka.produce(topic, ['other', 'records', 'of', 'the', 'new', 'topic'])
    await expect(driver.readCount(3)).rejects.toMatchObject({
      code: 'TOPIC_RECREATED',
      place: { split: `${topic}-0` },
    })
    expect(driver.rows).toEqual(['a', 'b'])

    const restored = drive(kafka.brokers, topic)
    await expect(restored.discover(checkpoint)).rejects.toMatchObject({ code: 'TOPIC_RECREATED' })
  })

  test('a topic that is not there is named', async () => {
    const driver = drive(kafka.brokers, 'no-such-topic')
    await expect(driver.discover()).rejects.toMatchObject({
      code: 'TOPIC_MISSING',
      message: 'topic "no-such-topic" does not exist',
    })
  })

  test('a topic deleted while it is read fails the read', async () => {
    const topic = await kafka.createTopic()
    await kafka.produce(topic, ['a'])
    const driver = drive(kafka.brokers, topic)
    await driver.discover()
    await driver.readCount(1)
    await kafka.deleteTopic(topic)
    await expect(driver.readCount(2)).rejects.toMatchObject({ code: 'TOPIC_MISSING' })
  })

  test('a source that no longer names a topic of its checkpoint is refused', async () => {
    const [old, other] = [await kafka.createTopic(), await kafka.createTopic()]
    const driver = drive(kafka.brokers, old)
    await driver.discover()
    const changed = drive(kafka.brokers, other)
    await expect(changed.discover(driver.checkpoint())).rejects.toMatchObject({
      code: 'SPLIT_CHANGED',
    })
  })

  test('an end that is not given for every partition is asked for', async () => {
    const topic = await kafka.createTopic({ partitions: 2 })
    const driver = drive(kafka.brokers, topic, { to: { offsets: { '0': 0 } } })
    await expect(driver.discover()).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: `to.offsets has no end for partition "${topic}-1"`,
    })
  })

  test('closing does not wait for the long poll', async () => {
    const topic = await kafka.createTopic()
    const driver = drive(kafka.brokers, topic)
    await driver.discover()
    await driver.readFor(100)
    const startMs = performance.now()
    await driver.close()
    expect(performance.now() - startMs).toBeLessThan(200)
  })
})

describe.skipIf(brokerMissing() !== undefined)('a broker that dies', () => {
  test('a read goes on where it was when a killed broker is back', async () => {
    const kafka = await startKafka({ own: true })
    try {
      const topic = await kafka.createTopic({ partitions: 2 })
      const values = Array.from({ length: 60 }, (_, index) =>
        Array.from({ length: 500 }, (_each, at) => `${index}:${at}`),
      )
      for (const [index, batch] of values.slice(0, 40).entries()) {
        await kafka.produce(topic, batch, { partition: index % 2 })
      }
      const driver = drive(kafka.brokers, topic)
      await driver.discover()
      await driver.readCount(3_000)
      await kafka.kill()
      await driver.readFor(300) // What is buffered still comes.
      await Promise.all([kafka.restart(), driver.readFor(500)])
      for (const [index, batch] of values.slice(40).entries()) {
        await kafka.produce(topic, batch, { partition: index % 2 })
      }
      await driver.readCount(30_000)
      for (const partition of [0, 1]) {
        const expected = values.filter((_, index) => index % 2 === partition).flat()
        expect(driver.rowsOf(`${topic}-${partition}`)).toEqual(expected)
      }
    } finally {
      await kafka.stop()
    }
  })

  test('a broker that stays away fails the read within its time, and is named', async () => {
    const kafka = await startKafka({ own: true })
    try {
      const topic = await kafka.createTopic()
      const driver = drive(kafka.brokers, topic, { unreachableAfterMs: 1_000 })
      await driver.discover()
      await kafka.kill()
      const startMs = performance.now()
      await expect(driver.readCount(1)).rejects.toMatchObject({
        code: 'KAFKA_UNREACHABLE',
        message: expect.stringContaining(
          `no broker of "${kafka.brokers[0]}" answered for 1000 ms`,
        ) as string,
      })
      expect(performance.now() - startMs).toBeLessThan(8_000)
    } finally {
      await kafka.stop()
    }
  })
})

describe('an address where no broker is', () => {
  test('a refused connection is an error that names the brokers', async () => {
    const driver = drive(['127.0.0.1:1'], 'orders', { unreachableAfterMs: 200 })
    await expect(driver.discover()).rejects.toMatchObject({
      code: 'KAFKA_UNREACHABLE',
      message: expect.stringContaining('"127.0.0.1:1"') as string,
    })
  })

  test('a server that speaks something else is an error, not a hang', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { readonly port: number }
    const driver = drive([`127.0.0.1:${port}`], 'orders', { unreachableAfterMs: 200 })
    await expect(driver.discover()).rejects.toMatchObject({ code: 'KAFKA_UNREACHABLE' })
    server.close()
  })

  test('an address without a port is refused at once', async () => {
    const driver = drive(['localhost'], 'orders')
    await expect(driver.discover()).rejects.toMatchObject({ code: 'OPTION_INVALID' })
  })
})
