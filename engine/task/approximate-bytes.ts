import type { RecordBatch } from '../stream/record-batch.ts'

/** What an object or a list takes beside its values. */
const OBJECT_BYTES = 16
const NUMBER_BYTES = 8
const DEPTH_MAX = 8

/**
 * How much a batch holds, in about as many bytes as its text would have: of the record in its
 * middle, for all of them.
 */
export function approximateBytes(batch: RecordBatch): number {
  if (batch.count === 0) return 0
  return batch.count * bytesOf(batch.rows[batch.count >> 1], 0)
}

function bytesOf(value: unknown, depth: number): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null || depth > DEPTH_MAX) return NUMBER_BYTES
  if (ArrayBuffer.isView(value)) return value.byteLength
  let bytes = OBJECT_BYTES
  for (const each of value instanceof Map ? value.values() : Object.values(value)) {
    bytes += bytesOf(each, depth + 1)
  }
  return bytes
}
