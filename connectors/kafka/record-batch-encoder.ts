import { crc32c } from '@node-rs/crc32'

/** A record to produce. Strings are UTF-8; null is a tombstone. */
export interface ProducedRecord {
  readonly key?: string | Uint8Array | null
  readonly value: string | Uint8Array | null
  readonly timestampMs?: number
  readonly headers?: Readonly<Record<string, string>>
}

export interface BatchOptions {
  /** For records without a time of their own. Default: 0. */
  readonly timestampMs?: number
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly isTransactional?: boolean
  readonly isControl?: boolean
  /** A codec's number in the attributes, and its function. */
  readonly compression?: { readonly codec: number; compress(bytes: Buffer): Uint8Array }
  /** Offsets of the records relative to the first; default 0, 1, 2, … */
  readonly offsetDeltas?: readonly number[]
  /** Default: that of the last record. Larger where compaction removed the last ones. */
  readonly lastOffsetDelta?: number
}

/** One record batch of format 2, as a producer sends it. The broker sets its base offset. */
export function encodeBatch(
  records: readonly ProducedRecord[],
  options: BatchOptions = {},
): Buffer {
  const timestampMs = options.timestampMs ?? 0
  const times = records.map((record) => record.timestampMs ?? timestampMs)
  const baseTimestamp = times[0] ?? timestampMs
  const body = new Body()
  records.forEach((record, index) => {
    const offsetDelta = options.offsetDeltas?.[index] ?? index
    body.record(record, times[index]! - baseTimestamp, offsetDelta)
  })
  const plain = body.finish()
  const compressed = options.compression?.compress(plain) ?? plain
  const batch = Buffer.alloc(61 + compressed.length)
  const lastDelta = options.lastOffsetDelta ?? options.offsetDeltas?.at(-1) ?? records.length - 1
  batch.writeInt32BE(batch.length - 12, 8)
  batch.writeInt32BE(-1, 12)
  batch.writeInt8(2, 16)
  const codec = options.compression?.codec ?? 0
  const transactional = options.isTransactional === true ? 16 : 0
  const control = options.isControl === true ? 32 : 0
  batch.writeInt16BE(codec | transactional | control, 21)
  batch.writeInt32BE(lastDelta, 23)
  batch.writeBigInt64BE(BigInt(baseTimestamp), 27)
  batch.writeBigInt64BE(BigInt(times.reduce((left, right) => Math.max(left, right), 0)), 35)
  batch.writeBigInt64BE(BigInt(options.producerId ?? -1), 43)
  batch.writeInt16BE(options.producerEpoch ?? -1, 51)
  batch.writeInt32BE(options.baseSequence ?? -1, 53)
  batch.writeInt32BE(records.length, 57)
  batch.set(compressed, 61)
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return batch
}

class Body {
  #bytes = Buffer.allocUnsafe(64 * 1_024)
  #at = 0

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  record(record: ProducedRecord, timestampDelta: number, offsetDelta: number): void {
    const key = bytesOf(record.key ?? null)
    const value = bytesOf(record.value)
    const headers = Object.entries(record.headers ?? {}).map(
      ([name, text]) => [Buffer.from(name), Buffer.from(text)] as const,
    )
    let length = 1 + sizeOf(timestampDelta) + sizeOf(offsetDelta) + sizeOf(headers.length)
    length += sizeOf(key?.length ?? -1) + (key?.length ?? 0)
    length += sizeOf(value?.length ?? -1) + (value?.length ?? 0)
    for (const part of headers.flat()) length += sizeOf(part.length) + part.length
    this.#reserve(length + 5)
    this.#varint(length)
    this.#bytes[this.#at++] = 0
    this.#varint(timestampDelta)
    this.#varint(offsetDelta)
    this.#part(key)
    this.#part(value)
    this.#varint(headers.length)
    for (const part of headers.flat()) this.#part(part)
  }

  #part(bytes: Uint8Array | null): void {
    this.#varint(bytes?.length ?? -1)
    if (bytes === null) return
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  #varint(value: number): void {
    let rest = zigzag(value)
    while (rest >= 128) {
      this.#bytes[this.#at++] = (rest % 128) + 128
      rest = Math.floor(rest / 128)
    }
    this.#bytes[this.#at++] = rest
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + more))
    this.#bytes.copy(grown, 0, 0, this.#at)
    this.#bytes = grown
  }
}

function bytesOf(part: string | Uint8Array | null): Uint8Array | null {
  return typeof part === 'string' ? Buffer.from(part, 'utf8') : part
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}

function sizeOf(value: number): number {
  let rest = zigzag(value)
  let size = 1
  while (rest >= 128) {
    rest = Math.floor(rest / 128)
    size += 1
  }
  return size
}
