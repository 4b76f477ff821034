import { expect, test } from 'vitest'
import { seededRandom } from '../../engine/index.ts'
import { encodeBatch } from './record-batch-encoder.ts'
import type { ProducedRecord } from './record-batch-encoder.ts'
import {
  batchLength,
  HEADER_BYTES,
  readBatchHeader,
  RecordCursor,
  scanBatches,
} from './record-batch-format.ts'

function decodeBatch(batch: Buffer): ProducedRecord[] {
  const header = readBatchHeader(batch, 0)
  const cursor = new RecordCursor()
  cursor.open(batch, HEADER_BYTES, header.end, header.count)
  const part = (start: number, end: number): string | null =>
    start < 0 ? null : batch.toString('utf8', start, end)
  const records: ProducedRecord[] = []
  while (cursor.next()) {
    records.push({
      key: part(cursor.keyStart, cursor.keyEnd),
      value: part(cursor.valueStart, cursor.valueEnd),
      timestampMs: header.baseTimestamp + cursor.timestampDelta,
    })
  }
  return records
}

test('records of any size, key and time come back as they were written', () => {
  const seed = 20_261
  const random = seededRandom(seed)
  for (let round = 0; round < 50; round += 1) {
    const records = Array.from({ length: random.int(40) }, () => ({
      key: random.int(3) === 0 ? null : random.hex(random.int(5)),
      value: random.int(5) === 0 ? null : random.hex(random.int(2 ** random.int(12))),
      timestampMs: random.int(2) * 1_700_000_000_000 + random.int(100_000),
      headers: random.int(2) === 0 ? {} : { trace: random.hex(8), empty: '' },
    }))
    const expected = records.map(({ key, value, timestampMs }) => ({ key, value, timestampMs }))
    expect(decodeBatch(encodeBatch(records))).toEqual(expected)
  }
})

test('one changed byte anywhere behind the checksum is found', () => {
  const batch = encodeBatch([{ key: 'k', value: 'value' }])
  for (let at = 21; at < batch.length; at += 1) {
    const damaged = Buffer.from(batch)
    damaged[at]! ^= 1
    expect(() => readBatchHeader(damaged, 0)).toThrow(/checksum/)
  }
})

test('a batch that is cut off is left out of the scan', () => {
  const first = encodeBatch([{ value: 'a' }, { value: 'b' }])
  const second = encodeBatch([{ value: 'c' }])
  second.writeBigInt64BE(2n, 0)
  const both = Buffer.concat([first, second])
  for (let length = 0; length <= both.length; length += 1) {
    const scanned = scanBatches(both.subarray(0, length))
    const expected =
      length === both.length
        ? { nextOffset: 3, end: both.length }
        : length >= first.length
          ? { nextOffset: 2, end: first.length }
          : undefined
    expect(scanned).toEqual(expected)
  }
  expect(batchLength(first, 0)).toBe(first.length)
})

test('a batch of an older format is told apart', () => {
  const batch = encodeBatch([{ value: 'a' }])
  batch.writeInt8(1, 16)
  expect(() => readBatchHeader(batch, 0)).toThrow('a batch has format 1, known is 2')
})

test('a record that is longer than its batch is found', () => {
  const batch = encodeBatch([{ value: 'abc' }])
  const cursor = new RecordCursor()
  cursor.open(batch, HEADER_BYTES, batch.length - 1, 1)
  expect(() => cursor.next()).toThrow('a record is cut off')
})
