import { expect, test } from 'vitest'
import { BATCH_RECORDS_MAX } from '../../engine/index.ts'
import { formatDefinition } from '../formats/format.ts'
import type { Decoder } from '../formats/format.ts'
import { text } from '../formats/text-format.ts'
import type { RowDecoding } from './partition-queue.ts'
import { PartitionQueue, RowCollector } from './partition-queue.ts'
import { encodeBatch } from './record-batch-encoder.ts'
import type { BatchOptions } from './record-batch-encoder.ts'

const decoding: RowDecoding = {
  decoder: formatDefinition(text()).createDecoder(),
  metadata: false,
  malformed: undefined,
}

function queue(position = 0, end?: number): PartitionQueue {
  const split = { id: 'orders-0', topic: 'orders', topicId: 'id', partition: 0, index: 0 }
  return new PartitionQueue({ ...split, position, end })
}

function batch(baseOffset: number, values: readonly string[], options: BatchOptions = {}): Buffer {
  const bytes = encodeBatch(
    values.map((value) => ({ value })),
    options,
  )
  bytes.writeBigInt64BE(BigInt(baseOffset), 0)
  return bytes
}

function transactional(baseOffset: number, producerId: number, values: readonly string[]): Buffer {
  const producer = { producerId, producerEpoch: 0, baseSequence: 0, isTransactional: true }
  return batch(baseOffset, values, producer)
}

/** A control batch: its one record's key says how the transaction ended. */
function marker(baseOffset: number, producerId: number, commit: boolean): Buffer {
  const producer = { producerId, producerEpoch: 0, isTransactional: true, isControl: true }
  const bytes = encodeBatch(
    [{ key: Buffer.from([0, 0, 0, commit ? 1 : 0]), value: Buffer.alloc(6) }],
    producer,
  )
  bytes.writeBigInt64BE(BigInt(baseOffset), 0)
  return bytes
}

function readAll(from: PartitionQueue): { rows: unknown[]; offsets: number[] } {
  const rows: unknown[] = []
  const offsets: number[] = []
  while (from.hasData) {
    const collector = new RowCollector()
    from.read(collector, decoding)
    rows.push(...collector.rows)
    offsets.push(...collector.offsets.subarray(0, collector.rows.length))
  }
  return { rows, offsets }
}

test('small batches are gathered into one, in order, up to the most a batch may hold', () => {
  const orders = queue()
  for (let offset = 0; offset < 3_000; offset += 3) {
    orders.append(batch(offset, [`${offset}`, `${offset + 1}`, `${offset + 2}`]), [])
  }
  const counts: number[] = []
  while (orders.hasData) {
    const collector = new RowCollector()
    orders.read(collector, decoding)
    if (collector.rows.length > 0) counts.push(collector.rows.length)
  }
  expect(counts).toEqual([BATCH_RECORDS_MAX, BATCH_RECORDS_MAX, 3_000 - 2 * BATCH_RECORDS_MAX])
  expect(orders.position).toBe(3_000)
  expect(orders.bufferedBytes).toBe(0)
})

test('the position stands after the last record handed out, also inside of a batch', () => {
  const values = Array.from({ length: BATCH_RECORDS_MAX + 10 }, (_, index) => `${index}`)
  const orders = queue()
  orders.append(batch(0, values), [])
  const collector = new RowCollector()
  orders.read(collector, decoding)
  expect(orders.position).toBe(BATCH_RECORDS_MAX)
  const restored = queue(orders.position)
  restored.append(batch(0, values), [])
  expect(readAll(restored).rows).toEqual(values.slice(BATCH_RECORDS_MAX))
})

test('gaps that compaction left move the position, at the end of a batch too', () => {
  const orders = queue()
  orders.append(batch(10, ['a', 'b'], { offsetDeltas: [1, 4], lastOffsetDelta: 9 }), [])
  orders.append(batch(20, [], { lastOffsetDelta: 9 }), [])
  expect(readAll(orders)).toEqual({ rows: ['a', 'b'], offsets: [11, 14] })
  expect(orders.position).toBe(30)
})

test('records at or behind the end are left, and the position stays at the end', () => {
  const orders = queue(0, 3)
  orders.append(batch(0, ['a', 'b', 'c', 'd', 'e']), [])
  expect(orders.isFetched).toBe(true)
  expect(readAll(orders).rows).toEqual(['a', 'b', 'c'])
  expect(orders.position).toBe(3)
  expect(orders.isFinished).toBe(true)
})

test('interleaved aborts drop their own records only, and end at their own marker', () => {
  const orders = queue()
  const log = [
    transactional(0, 1, ['a0']),
    transactional(1, 2, ['b1']),
    batch(2, ['plain']),
    transactional(3, 1, ['a3']),
    marker(4, 1, false),
    transactional(5, 1, ['a5 commits']),
    transactional(6, 2, ['b6']),
    marker(7, 2, false),
    marker(8, 1, true),
    transactional(9, 2, ['b9 commits']),
    marker(10, 2, true),
  ]
  orders.append(Buffer.concat(log), [
    { producerId: 2, firstOffset: 1 },
    { producerId: 1, firstOffset: 0 },
  ])
  expect(readAll(orders).rows).toEqual(['plain', 'a5 commits', 'b9 commits'])
  expect(orders.position).toBe(11)
})

test('a fetch that begins inside of two aborted transactions drops the rest of both', () => {
  const orders = queue(3)
  const log = [transactional(3, 1, ['a3']), transactional(4, 2, ['b4']), marker(5, 1, false)]
  orders.append(Buffer.concat([...log, batch(6, ['plain']), transactional(7, 2, ['b7'])]), [
    { producerId: 1, firstOffset: 0 },
    { producerId: 2, firstOffset: 1 },
  ])
  expect(readAll(orders).rows).toEqual(['plain'])
})

test('a damaged batch is an error that names partition and offset', () => {
  const orders = queue()
  const bytes = Buffer.concat([batch(0, ['a']), batch(1, ['b'])])
  bytes[bytes.length - 1]! ^= 1
  orders.append(bytes, [])
  expect(() => readAll(orders)).toThrow(
    expect.objectContaining({ code: 'KAFKA_FAILED', place: { split: 'orders-0', offset: 1 } }),
  )
})

test('rows of one message never part', () => {
  const twice: Decoder = {
    many: true,
    decode: (bytes, start, end) => {
      const value = Buffer.from(bytes.subarray(start, end)).toString()
      return [`${value}-`, `${value}+`]
    },
  }
  const orders = queue()
  const values = Array.from({ length: 2_000 }, (_, index) => `${index}`)
  orders.append(batch(0, values), [])
  const rows: unknown[] = []
  while (orders.hasData) {
    const collector = new RowCollector()
    orders.read(collector, { ...decoding, decoder: twice })
    expect(collector.rows.length).toBeLessThanOrEqual(BATCH_RECORDS_MAX)
    expect(collector.rows.length % 2).toBe(0)
    rows.push(...collector.rows)
  }
  expect(rows).toEqual(values.flatMap((value) => [`${value}-`, `${value}+`]))
})
