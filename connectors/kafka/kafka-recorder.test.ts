/** What a source read of a cluster, read again without it. */
import { expect, test } from 'vitest'
import { seededRandom, sourceDefinition, systemClock } from '../../engine/index.ts'
import type { Json, SourceDefinition } from '../../engine/index.ts'
import { readerContext, testDoors } from '../testing.ts'
import { text } from '../formats/text-format.ts'
import { kafkaSourceOver } from './kafka-source.ts'
import type { KafkaSourceOptions } from './kafka-options.ts'
import { SimulatedKafka } from './simulated-kafka.ts'

const ALL = { recordsMax: 1_000 }

/** A log with all that a log may have. */
function cluster(): SimulatedKafka {
  const kafka = new SimulatedKafka(2, systemClock, seededRandom(1))
  kafka.createTopic('orders', 2)
  kafka.transaction('orders', 0, ['never'], 1, 'abort')
  kafka.produce('orders', 0, ['a', 'b'], { timestampMs: 7_000 })
  kafka.produce('orders', 0, ['c', 'd'], { offsetDeltas: [1, 5], lastOffsetDelta: 9 })
  kafka.transaction('orders', 0, ['e', 'f'], 2, 'commit')
  kafka.transaction('orders', 0, [], 2, 'abort')
  kafka.transaction('orders', 1, ['never', 'never'], 1, 'abort')
  return kafka
}

function sourceOver(
  kafka: SimulatedKafka,
  options: Partial<KafkaSourceOptions<string>> = {},
): SourceDefinition {
  const settings = { brokers: kafka.addresses, topic: 'orders', value: text(), ...options }
  return sourceDefinition(kafkaSourceOver(kafka, settings))
}

/** Every record as `partition@offset value`. */
async function read(source: SourceDefinition): Promise<readonly string[]> {
  const doors = testDoors()
  const enumerator = source.createEnumerator({ uid: 'source', doors, parallelism: 1 })
  const { splits } = await enumerator.discover([])
  await enumerator.close()
  const context = readerContext()
  const reader = source.createReader(context)
  reader.addSplits(splits.map((split, index) => ({ ...split, index, position: undefined })))
  reader.noMoreSplits()
  const found: string[] = []
  for (let state = ''; state !== 'finished';) {
    state = reader.poll({
      emit: ({ rows, count, splits: split, offsets }) => {
        for (let row = 0; row < count; row += 1) {
          found.push(`${String(split)}@${offsets![row]!} ${String(rows[row])}`)
        }
      },
      malformed: () => undefined,
      finishSplit: () => undefined,
    })
    if (state === 'waiting') await context.kicked()
  }
  await reader.close()
  return found
}

/** By way of plain data, as a bundle keeps it. */
function again(source: SourceDefinition, data: Json): SourceDefinition {
  const text = JSON.stringify(data)
  return source.remote!.over(source.remote!.parse(JSON.parse(text) as Json))
}

test('what was recorded is what is read: each record at its offset, and nothing aborted', async () => {
  const kafka = cluster()
  const source = sourceOver(kafka)
  expect(source.bounded).toBe(false)
  const { input, records, told } = await source.remote!.record(testDoors(), ALL)
  expect(told).toEqual([
    '6 records of 2 partitions of "orders", recorded from kafka-0:9092, kafka-1:9092',
  ])
  expect(records).toBe(6)
  const replayed = again(source, input.toData())
  expect(replayed.bounded).toBe(true)
  const expected = ['0@2 a', '0@3 b', '0@5 c', '0@9 d', '0@14 e', '0@15 f']
  expect(await read(sourceOver(kafka, { to: 'latest' }))).toEqual(expected)
  // What has come since is not in it.
  kafka.produce('orders', 1, ['later'])
  expect(await read(replayed)).toEqual(expected)
})

test('it begins and ends where the source does', async () => {
  const source = sourceOver(cluster(), {
    from: { offsets: { '0': 3, '1': 3 } },
    to: { offsets: { '0': 15, '1': 3 } },
  })
  const { input, told } = await source.remote!.record(testDoors(), ALL)
  expect(told).toHaveLength(1)
  expect(await read(again(source, input.toData()))).toEqual(['0@3 b', '0@5 c', '0@9 d', '0@14 e'])
})

test('a partition gives its share and no more, and that is said', async () => {
  const kafka = cluster()
  kafka.produce('orders', 1, ['x', 'y', 'z'])
  const source = sourceOver(kafka)
  const { input, records, told } = await source.remote!.record(testDoors(), { recordsMax: 4 })
  expect(records).toBe(4)
  expect(told.slice(1)).toEqual([
    'orders-0: left out are offsets 4 to 17, it is full',
    'orders-1: left out are offsets 5 to 5, it is full',
  ])
  expect(await read(again(source, input.toData()))).toEqual(['0@2 a', '0@3 b', '1@3 x', '1@4 y'])
})

test('an end that has not come is not waited for', async () => {
  const source = sourceOver(cluster(), { to: { offsets: { '0': 30, '1': 3 } } })
  const { told } = await source.remote!.record(testDoors(), ALL)
  expect(told.slice(1)).toEqual(['orders-0: left out are offsets 18 to 29, not committed by now'])
})

test('what is no recording, or one of another topic, is refused', async () => {
  const source = sourceOver(cluster())
  const unfit = expect.objectContaining({ code: 'CHAOS_UNFIT' }) as Error
  for (const data of [null, 'x', {}, { format: 1, partitions: [{ topic: 'orders' }] }]) {
    expect(() => source.remote!.parse(data)).toThrow(unfit)
  }
  const { input } = await source.remote!.record(testDoors(), ALL)
  expect(() => sourceOver(cluster(), { topic: 'bills' }).remote!.over(input)).toThrow(unfit)
})
