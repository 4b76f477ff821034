/** The source over a simulated cluster of several brokers, whose faults are seeded. */
import { afterEach, expect, test } from 'vitest'
import { seededRandom, sourceDefinition, StreamError, systemClock } from '../../engine/index.ts'
import type { AssignedSplit, SourceReader } from '../../engine/index.ts'
import { debezium } from '../formats/debezium-format.ts'
import type { Format } from '../formats/format.ts'
import { json } from '../formats/json-format.ts'
import { text } from '../formats/text-format.ts'
import { schemaOf } from '../../engine/index.ts'
import { readerContext, runReader, testDoors } from '../testing.ts'
import type { TestReaderContext } from '../testing.ts'
import { FETCH_BYTES_MAX, READ_AHEAD_BYTES_MAX } from './kafka-limits.ts'
import { kafkaSource, kafkaSourceOver } from './kafka-source.ts'
import type { KafkaSourceOptions } from './kafka-options.ts'
import { SimulatedKafka } from './simulated-kafka.ts'
import { SimulatedLog } from './simulated-log.ts'

const Row = schemaOf<{ readonly id: number }>({
  kind: 'struct',
  fields: [{ name: 'id', schema: { kind: 'int32' } }],
})

interface Reading {
  readonly reader: SourceReader
  readonly context: TestReaderContext
  readonly values: Map<number, unknown[]>
}

const readers: SourceReader[] = []

afterEach(async () => {
  for (const reader of readers.splice(0)) await reader.close()
})

async function startReading(
  kafka: SimulatedKafka,
  {
    batchRecords,
    ...options
  }: Partial<KafkaSourceOptions<string>> & { batchRecords?: number } = {},
): Promise<Reading> {
  const settings = { brokers: kafka.addresses, topic: 'orders', value: text(), ...options }
  const definition = sourceDefinition(kafkaSourceOver(kafka, settings))
  const doors = testDoors()
  const enumerator = definition.createEnumerator({ uid: 'source', doors, parallelism: 1 })
  const { splits, complete } = await enumerator.discover([])
  await enumerator.close()
  const context = { ...readerContext(), batchRecords }
  const reader = definition.createReader(context)
  readers.push(reader)
  const assigned: AssignedSplit[] = splits.map((split, index) => ({
    ...split,
    index,
    position: undefined,
  }))
  reader.addSplits(assigned)
  if (complete) reader.noMoreSplits()
  return { reader, context, values: new Map(splits.map((_, index) => [index, []])) }
}

async function readUntil({ reader, context, values }: Reading, count: number): Promise<void> {
  let read = 0
  for (const each of values.values()) read += each.length
  while (read < count) {
    const state = reader.poll({
      emit: (batch) => {
        values.get(batch.splits as number)!.push(...batch.rows.slice(0, batch.count))
        read += batch.count
      },
      malformed: () => undefined,
      finishSplit: () => undefined,
    })
    if (state === 'finished') return
    if (state === 'waiting') await context.kicked()
  }
}

const seed = Number(process.env['MILLRACE_TEST_SEED'] ?? Date.now() % 1_000_000)

test(`records come once and in order while brokers and leaders go (seed ${seed})`, async () => {
  const random = seededRandom(seed)
  const kafka = new SimulatedKafka(3, systemClock, random)
  kafka.createTopic('orders', 5)
  const expected = Array.from({ length: 5 }, () => [] as string[])
  const reading = await startReading(kafka)
  kafka.dropChance = 0.2
  let count = 0
  for (let step = 0; step < 40; step += 1) {
    const partition = random.int(5)
    const values = Array.from({ length: 1 + random.int(50) }, (_, index) => `${step}:${index}`)
    kafka.produce('orders', partition, values)
    expected[partition]!.push(...values)
    count += values.length
    const fault = random.int(6)
    const node = random.int(3)
    if (fault === 0) kafka.stop(node)
    else if (fault === 1) kafka.start(node)
    else if (fault === 2) kafka.moveLeader('orders', random.int(5), node)
    else if (fault === 3) await systemClock.sleep(random.int(10))
    for (let each = 0; each < 3; each += 1) kafka.start(random.int(3))
  }
  for (let node = 0; node < 3; node += 1) kafka.start(node)
  await readUntil(reading, count)
  expect([...reading.values.values()]).toEqual(expected)
  await reading.reader.close()
  await systemClock.sleep(20)
  expect(kafka.openConnections).toBe(0)
})

test('a reader that is not read fetches only so far ahead', async () => {
  const kafka = new SimulatedKafka(2, systemClock, seededRandom(1))
  kafka.createTopic('orders', 40)
  const value = 'x'.repeat(400_000)
  for (let partition = 0; partition < 40; partition += 1) {
    for (let each = 0; each < 4; each += 1) kafka.produce('orders', partition, [value])
  }
  const reading = await startReading(kafka)
  await systemClock.sleep(150)
  const ahead = kafka.fetchedBytes
  expect(ahead).toBeGreaterThan(READ_AHEAD_BYTES_MAX / 2)
  // A response may come from each broker after the last look at what is buffered.
  expect(ahead).toBeLessThan(READ_AHEAD_BYTES_MAX + 2 * FETCH_BYTES_MAX)
  await readUntil(reading, 160)
  expect([...reading.values.values()].every((values) => values.length === 4)).toBe(true)
})

test('a batch has no more records than it may have', async () => {
  const kafka = new SimulatedKafka(1, systemClock, seededRandom(1))
  kafka.createTopic('orders', 1)
  kafka.produce('orders', 0, ['a', 'b', 'c', 'd', 'e'])
  const { reader, context } = await startReading(kafka, { to: 'latest', batchRecords: 2 })
  const counts: number[] = []
  for (let state = ''; state !== 'finished';) {
    state = reader.poll({
      emit: (batch) => counts.push(batch.count),
      malformed: () => undefined,
      finishSplit: () => undefined,
    })
    if (state === 'waiting') await context.kicked()
  }
  expect(counts).toEqual([2, 2, 1])
})

test('offsets of a checkpoint are committed to the group', async () => {
  const kafka = new SimulatedKafka(2, systemClock, seededRandom(1))
  kafka.createTopic('orders', 2)
  for (const partition of [0, 1]) kafka.produce('orders', partition, ['a', 'b'])
  const reading = await startReading(kafka, { to: 'latest', groupId: 'readers' })
  await readUntil(reading, 4)
  const { reader } = reading
  reader.checkpointCompleted?.(reader.snapshot())
  await reader.close()
  expect(Object.fromEntries(kafka.groupOffsets)).toEqual({
    'readers orders-0': 2,
    'readers orders-1': 2,
  })
})

test('a partition that nobody leads fails the job when its time is over', async () => {
  const kafka = new SimulatedKafka(1, systemClock, seededRandom(1))
  kafka.createTopic('orders', 2)
  const reading = await startReading(kafka, { unreachableAfterMs: 150 })
  kafka.moveLeader('orders', 1, -1)
  await expect(readUntil(reading, 1)).rejects.toMatchObject({
    code: 'KAFKA_FAILED',
    place: { split: 'orders-1' },
  })
})

test('a topic made again under its name is refused while it is read', async () => {
  const kafka = new SimulatedKafka(1, systemClock, seededRandom(1))
  kafka.createTopic('orders', 1)
  kafka.produce('orders', 0, ['a'])
  const reading = await startReading(kafka)
  await readUntil(reading, 1)
  kafka.deleteTopic('orders')
  kafka.createTopic('orders', 1)
  kafka.produce('orders', 0, ['b', 'c', 'd'])
  await expect(readUntil(reading, 2)).rejects.toMatchObject({ code: 'TOPIC_RECREATED' })
})

test('a batch larger than a fetch comes whole', async () => {
  const kafka = new SimulatedKafka(1, systemClock, seededRandom(1))
  kafka.createTopic('orders', 2)
  const large = 'x'.repeat(FETCH_BYTES_MAX + 1)
  for (const partition of [0, 1]) kafka.produce('orders', partition, [large, 'small'])
  const reading = await startReading(kafka, { to: 'latest' })
  await readUntil(reading, 4)
  expect([...reading.values.values()]).toEqual([
    [large, 'small'],
    [large, 'small'],
  ])
})

const Order = schemaOf<{ readonly id: number }>({
  kind: 'struct',
  fields: [{ name: 'id', schema: { kind: 'int32' } }],
})
const Clash = schemaOf<{ readonly _offset: number }>({
  kind: 'struct',
  fields: [{ name: '_offset', schema: { kind: 'int32' } }],
})
const good = { brokers: ['kafka:9092'], topic: 'orders', value: json(Order) }

test.each([
  ['no broker', { ...good, brokers: [] }, 'OPTION_INVALID'],
  ['no topic', { ...good, topic: '' }, 'OPTION_INVALID'],
  ['a topic twice', { ...good, topic: ['a', 'a'] }, 'OPTION_INVALID'],
  ['an offset below zero', { ...good, from: { offsets: { '0': -1 } } }, 'OPTION_INVALID'],
  ['a time that is no number', { ...good, to: { timestampMs: NaN } }, 'OPTION_INVALID'],
  ['a discovery without pause', { ...good, discoveryIntervalMs: 0 }, 'OPTION_INVALID'],
  ['metadata of text', { ...good, value: text(), metadata: true }, 'OPTION_INVALID'],
  ['metadata over a field', { ...good, value: json(Clash), metadata: true }, 'FIELD_CLASH'],
] as const)('%s is refused when the job is built', (_, options, code) => {
  expect(() => kafkaSource<unknown, boolean>(options)).toThrow(
    expect.objectContaining({ code }) as StreamError,
  )
})

test('the plan knows the fields, and whether there is an end', () => {
  const endless = sourceDefinition(kafkaSource({ ...good, metadata: true }))
  expect(endless.bounded).toBe(false)
  expect(endless.schema).toMatchObject({
    fields: [
      { name: 'id' },
      { name: '_topic' },
      { name: '_partition' },
      { name: '_offset' },
      { name: '_timestamp' },
    ],
  })
  expect(sourceDefinition(kafkaSource({ ...good, to: 'latest' })).bounded).toBe(true)
})

test('no secret is in the plan', () => {
  const password = { kind: 'secret', reveal: () => 'hunter2' } as const
  const sasl = { mechanism: 'plain', username: 'lander', password } as const
  const source = kafkaSource({ ...good, security: { tls: true, sasl } })
  expect(JSON.stringify(sourceDefinition(source).parameters)).not.toContain('hunter2')
})

test('messages that cannot be decoded are passed over, at most a batch of them a poll', async () => {
  const kafka = new SimulatedKafka(1, systemClock, seededRandom(1))
  kafka.createTopic('orders', 1)
  kafka.produce('orders', 0, ['{"id":1}', 'x', 'y', '{"id":"z"}', '{"id":2}'])
  const value = json(Row) as unknown as Format<string>
  const options = { to: 'latest', value, onMalformed: 'dead-letter', batchRecords: 2 } as const
  const { reader, context } = await startReading(kafka, options)
  const { rows, offsets, malformed } = await runReader(reader, Infinity, context)
  expect(rows).toEqual([{ id: 1 }, { id: 2 }])
  expect(offsets).toEqual([0, 4])
  expect(malformed).toEqual([
    { offset: 1, text: 'x', code: 'RECORD_MALFORMED' },
    { offset: 2, text: 'y', code: 'RECORD_MALFORMED' },
    { offset: 3, text: '{"id":"z"}', code: 'VALUE_UNFIT' },
  ])
  const failing = await startReading(kafka, { to: 'latest', value })
  await expect(runReader(failing.reader, Infinity, failing.context)).rejects.toMatchObject({
    place: { split: 'orders-0', offset: 1, record: 'x' },
  })
})

test('a partition that is paused is not read, and the others are', async () => {
  const kafka = new SimulatedKafka(1, systemClock, seededRandom(1))
  kafka.createTopic('orders', 2)
  kafka.produce('orders', 0, ['a', 'b', 'c'])
  kafka.produce('orders', 1, ['x', 'y', 'z'])
  const { reader, context } = await startReading(kafka, { to: 'latest', batchRecords: 1 })
  const paused = new Set([0])
  const read: unknown[] = []
  const finished: number[] = []
  const poll = async (times: number): Promise<string> => {
    let state = 'more'
    for (let turn = 0; turn < times && state !== 'finished'; turn += 1) {
      state = reader.poll({
        emit: (batch, bytes) => read.push(`${String(batch.rows[0])} ${bytes}`),
        malformed: () => undefined,
        finishSplit: (index) => finished.push(index),
        isPaused: (index) => paused.has(index),
      })
      if (state === 'waiting' && read.length < 3) await context.kicked()
    }
    return state
  }
  expect(reader.readsInTurn).toBe(true)
  expect(await poll(30)).toBe('waiting')
  expect(read).toEqual(['x 1', 'y 1', 'z 1'])
  expect(finished).toEqual([1])
  paused.clear()
  expect(await poll(30)).toBe('finished')
  expect(read.slice(3)).toEqual(['a 1', 'b 1', 'c 1'])
})

test('a tombstone of Debezium gives no row', async () => {
  const kafka = new SimulatedKafka(1, systemClock, seededRandom(1))
  const log = new SimulatedLog(0, 0)
  const deleted = JSON.stringify({ op: 'd', before: { id: 1 } })
  log.append(
    [
      { key: 'k', value: deleted },
      { key: 'k', value: null },
    ],
    {},
  )
  kafka.addTopic('orders', Buffer.alloc(16, 7).toString('base64url'), [log])
  const value = debezium(json(Row)) as unknown as Format<string>
  const { reader, context } = await startReading(kafka, { to: 'latest', value })
  const { rows } = await runReader(reader, Infinity, context)
  expect(rows).toEqual([{ kind: '-D', row: { id: 1 } }])
})
