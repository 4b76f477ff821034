/** Where a Kafka source begins and ends, and what a checkpoint makes of it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KafkaSourceOptions } from '../../connectors/kafka/kafka-options.ts'
import type { TestKafka } from './test-kafka.ts'
import { text } from '../../connectors/formats/text-format.ts'
import { kafkaSource } from '../../connectors/kafka/kafka-source.ts'
import { SourceDriver } from './source-driver.ts'
import { kafkaMissing, startKafka } from './test-kafka.ts'

describe.skipIf(kafkaMissing() !== undefined)('positions in a real broker', () => {
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

  test('a bounded read gives every record once, in order, then ends', async () => {
    const topic = await kafka.createTopic({ partitions: 3 })
    const expected = [0, 1, 2].map((partition) =>
      Array.from({ length: 3_000 * partition }, (_, index) => `${partition}:${index}`),
    )
    for (const [partition, values] of expected.entries()) {
      for (let at = 0; at < values.length; at += 700) {
        await kafka.produce(topic, values.slice(at, at + 700), { partition })
      }
    }
    const driver = drive(topic, { to: 'latest' })
    await driver.discover()
    await driver.readToEnd()
    for (const [partition, values] of expected.entries()) {
      expect(driver.rowsOf(`${topic}-${partition}`)).toEqual(values)
    }
    const offsets = driver.records.filter((record) => record.split === `${topic}-2`)
    expect(offsets.map((record) => record.offset)).toEqual(expected[2]!.map((_, index) => index))
    expect(driver.finishedSplits.toSorted()).toEqual([`${topic}-0`, `${topic}-1`, `${topic}-2`])
  })

  test('what comes after the start is not read, nor after a restart', async () => {
    const topic = await kafka.createTopic()
    await kafka.produce(topic, ['a', 'b', 'c'])
    const driver = drive(topic, { to: 'latest' })
    await driver.discover()
    const beforeReading = driver.checkpoint()
    await kafka.produce(topic, ['d'])
    await driver.readToEnd()
    expect(driver.rows).toEqual(['a', 'b', 'c'])

    const again = drive(topic, { to: 'latest' })
    await again.discover(beforeReading)
    await again.readToEnd()
    expect(again.rows).toEqual(['a', 'b', 'c'])
  })

  test('an end inside of a batch cuts the batch', async () => {
    const topic = await kafka.createTopic()
    await kafka.produce(topic, ['a', 'b', 'c', 'd'])
    const driver = drive(topic, { from: { offsets: { '0': 1 } }, to: { offsets: { '0': 3 } } })
    await driver.discover()
    await driver.readToEnd()
    expect(driver.rows).toEqual(['b', 'c'])
    expect(driver.checkpoint().positions).toMatchObject([
      { position: { offset: 3 }, finished: true },
    ])
  })

  test('latest begins at the end of the log', async () => {
    const topic = await kafka.createTopic()
    await kafka.produce(topic, ['old'])
    const driver = drive(topic, { from: 'latest' })
    await driver.discover()
    await kafka.produce(topic, ['new'])
    await driver.readCount(1)
    expect(driver.rows).toEqual(['new'])
  })

  test('times are turned into offsets: the first record at or after them', async () => {
    const topic = await kafka.createTopic()
    const at = [1_000, 2_000, 3_000, 4_000]
    for (const timestampMs of at)
      await kafka.produce(topic, [{ value: `${timestampMs}`, timestampMs }])
    const driver = drive(topic, { from: { timestampMs: 1_500 }, to: { timestampMs: 4_000 } })
    await driver.discover()
    await driver.readToEnd()
    expect(driver.rows).toEqual(['2000', '3000'])

    const beyond = drive(topic, { from: { timestampMs: 4_001 }, to: 'latest' })
    await beyond.discover()
    await beyond.readToEnd()
    expect(beyond.rows).toEqual([])
  })

  test('an empty topic ends at once', async () => {
    const driver = drive(await kafka.createTopic({ partitions: 2 }), { to: 'latest' })
    await driver.discover()
    await driver.readToEnd()
    expect(driver.rows).toEqual([])
    expect(driver.finishedSplits).toHaveLength(2)
  })

  test('earliest is the first record that retention has left', async () => {
    const topic = await kafka.createTopic()
    await kafka.produce(topic, ['a', 'b', 'c'])
    await kafka.deleteRecords(topic, 0, 2)
    const driver = drive(topic, { to: 'latest' })
    await driver.discover()
    await driver.readToEnd()
    expect(driver.rows).toEqual(['c'])
  })

  test('a restore after any record goes on with the next', async () => {
    const topic = await kafka.createTopic({ partitions: 2 })
    for (let turn = 0; turn < 3; turn += 1) {
      await kafka.produce(topic, [`a${turn}`, `b${turn}`, `c${turn}`], { partition: turn % 2 })
    }
    const whole = drive(topic, { to: 'latest' })
    await whole.discover()
    await whole.readToEnd()
    let checkpoint = (await discovered(drive(topic, { to: 'latest' }))).checkpoint()
    const pieces: unknown[] = []
    for (let life = 0; life < 20; life += 1) {
      const driver = drive(topic, { to: 'latest' })
      await driver.discover(checkpoint)
      await driver.readCount(1) // One batch of one partition, then the next life.
      pieces.push(...driver.rows)
      checkpoint = driver.checkpoint()
      await driver.close()
      if (driver.rows.length === 0) break
    }
    expect(pieces.toSorted()).toEqual(whole.rows.toSorted())
  })

  test('several topics are read side by side', async () => {
    const topics = [await kafka.createTopic(), await kafka.createTopic()]
    for (const topic of topics) await kafka.produce(topic, [topic])
    const [first, second] = topics as [string, string]
    const driver = drive(first, {
      topic: topics,
      to: { offsets: { [`${first}-0`]: 1, [`${second}-0`]: 1 } },
    })
    await driver.discover()
    await driver.readToEnd()
    expect(driver.rows.toSorted()).toEqual(topics.toSorted())
  })

  test('a partition added later is found and read from its first record', async () => {
    const topic = await kafka.createTopic()
    await kafka.produce(topic, ['old'])
    const driver = drive(topic, { from: 'latest' })
    await driver.discover()
    await kafka.addPartitions(topic, 2)
    await kafka.produce(topic, ['new'], { partition: 1 })
    await driver.discover()
    await driver.readCount(1)
    expect(driver.records).toEqual([{ split: `${topic}-1`, offset: 0, row: 'new' }])

    const restored = drive(topic, { from: 'latest' })
    await restored.discover(driver.checkpoint())
    await kafka.produce(topic, ['newer'], { partition: 1 })
    await restored.readCount(1)
    expect(restored.rows).toEqual(['newer'])
  })

  test('a completed checkpoint commits offsets to the group, which nothing reads', async () => {
    const topic = await kafka.createTopic()
    const groupId = kafka.uniqueName('group')
    await kafka.produce(topic, ['a', 'b'])
    const driver = drive(topic, { groupId })
    await driver.discover()
    await driver.readCount(2)
    driver.complete(driver.checkpoint())
    await expect.poll(() => kafka.groupOffset(groupId, topic), { timeout: 10_000 }).toBe(2)

    const other = drive(topic, { groupId, to: 'latest' })
    await other.discover()
    await other.readToEnd()
    expect(other.rows).toEqual(['a', 'b'])
  })
})

async function discovered(driver: SourceDriver): Promise<SourceDriver> {
  await driver.discover()
  return driver
}
