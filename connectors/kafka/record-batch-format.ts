import { crc32c } from '@node-rs/crc32'
import { readInt64 } from './wire.ts'

/**
 * Kafka's record batches, format 2, as they stand in a fetch response:
 *
 *     batch := baseOffset: int64  length: int32  leaderEpoch: int32  magic: int8 = 2  crc: uint32
 *              attributes: int16  lastOffsetDelta: int32  baseTimestamp: int64  maxTimestamp: int64
 *              producerId: int64  producerEpoch: int16  baseSequence: int32  count: int32  record*
 *     record := length: varint  attributes: int8  timestampDelta: varint  offsetDelta: varint
 *               keyLength: varint  key  valueLength: varint  value  headers
 *
 * `length` counts from leaderEpoch on, the CRC32C covers all from attributes on. Varints are
 * zigzag. The records of a compressed batch are one compressed block; the header never is.
 */
export const HEADER_BYTES = 61
const LENGTH_AT = 8
const LENGTH_FROM = 12
const MAGIC_AT = 16
const CRC_AT = 17
const CRC_FROM = 21

export interface BatchHeader {
  readonly baseOffset: number
  /** Offset after the batch, also when its last records were compacted away. */
  readonly nextOffset: number
  /** Where the batch ends in the bytes it was read from. */
  readonly end: number
  readonly codec: number
  readonly isTransactional: boolean
  readonly isControl: boolean
  readonly usesAppendTime: boolean
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly producerId: number
  readonly count: number
}

/** Length of the whole batch at `at`, or undefined where the bytes end inside of it. */
export function batchLength(bytes: Buffer, at: number): number | undefined {
  if (at + HEADER_BYTES > bytes.length) return undefined
  const length = LENGTH_FROM + bytes.readInt32BE(at + LENGTH_AT)
  return at + length > bytes.length ? undefined : length
}

/** Offset after the last whole batch of `bytes`, and where that ends; undefined: there is none. */
export function scanBatches(
  bytes: Buffer,
): { readonly nextOffset: number; readonly end: number } | undefined {
  let at = 0
  let last = -1
  for (;;) {
    const length = batchLength(bytes, at)
    if (length === undefined || length < HEADER_BYTES) break
    last = at
    at += length
  }
  if (last < 0) return undefined
  return { nextOffset: readInt64(bytes, last) + bytes.readInt32BE(last + 23) + 1, end: at }
}

/** Reads and verifies the header of the whole batch at `at`. Throws RangeError when damaged. */
export function readBatchHeader(bytes: Buffer, at: number): BatchHeader {
  const length = batchLength(bytes, at)
  if (length === undefined || length < HEADER_BYTES) throw new RangeError('a batch is cut off')
  const magic = bytes.readInt8(at + MAGIC_AT)
  if (magic !== 2) throw new RangeError(`a batch has format ${magic}, known is 2`)
  const end = at + length
  const crc = bytes.readUInt32BE(at + CRC_AT)
  const found = crc32c(bytes.subarray(at + CRC_FROM, end))
  if (crc !== found) {
    throw new RangeError(`a batch has checksum ${hex(found)}, its header says ${hex(crc)}`)
  }
  const attributes = bytes.readInt16BE(at + 21)
  const baseOffset = readInt64(bytes, at)
  return {
    baseOffset,
    nextOffset: baseOffset + bytes.readInt32BE(at + 23) + 1,
    end,
    codec: attributes & 7,
    isTransactional: (attributes & 16) !== 0,
    isControl: (attributes & 32) !== 0,
    usesAppendTime: (attributes & 8) !== 0,
    baseTimestamp: readInt64(bytes, at + 27),
    maxTimestamp: readInt64(bytes, at + 35),
    producerId: readInt64(bytes, at + 43),
    count: bytes.readInt32BE(at + 57),
  }
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0')
}

/** Goes over the records of one batch, with no object made a record. */
export class RecordCursor {
  offsetDelta = 0
  timestampDelta = 0
  /** The value lies in `bytes[valueStart, valueEnd)`; `valueStart` is -1 where there is none. */
  valueStart = 0
  valueEnd = 0
  /** Likewise. */
  keyStart = 0
  keyEnd = 0
  bytes: Uint8Array = EMPTY
  #at = 0
  #end = 0
  #left = 0

  open(bytes: Uint8Array, start: number, end: number, count: number): void {
    this.bytes = bytes
    this.#at = start
    this.#end = end
    this.#left = count
  }

  /** Moves to the next record; false after the last. Throws RangeError when one is damaged. */
  next(): boolean {
    if (this.#left === 0) {
      this.bytes = EMPTY // Lets go of the memory.
      return false
    }
    this.#left -= 1
    const length = this.#varint()
    const recordEnd = this.#at + length
    if (length < 0 || recordEnd > this.#end) throw new RangeError('a record is cut off')
    this.#at += 1
    this.timestampDelta = this.#varint()
    this.offsetDelta = this.#varint()
    const keyLength = this.#varint()
    this.keyStart = keyLength < 0 ? -1 : this.#at
    this.#at += Math.max(keyLength, 0)
    this.keyEnd = this.#at
    const valueLength = this.#varint()
    this.valueStart = valueLength < 0 ? -1 : this.#at
    this.valueEnd = this.#at + Math.max(valueLength, 0)
    if (this.valueEnd > recordEnd) throw new RangeError('a record is longer than it says')
    this.#at = recordEnd // Past the headers.
    return true
  }

  #varint(): number {
    const bytes = this.bytes
    let byte = bytes[this.#at++]!
    let value = byte & 0x7f
    if (byte >= 0x80) {
      let scale = 128
      do {
        if (this.#at >= this.#end || scale > 2 ** 63) throw new RangeError('a varint is cut off')
        byte = bytes[this.#at++]!
        value += (byte & 0x7f) * scale
        scale *= 128
      } while (byte >= 0x80)
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
}

const EMPTY = new Uint8Array(0)
