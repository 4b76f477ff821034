import type { MalformedRecord } from '../../engine/index.ts'
import type { Decoder } from '../formats/format.ts'
import type { BatchHeader } from './record-batch-format.ts'
import type { AbortedTransaction } from './requests.ts'
import { asStreamError, BATCH_RECORDS_MAX, isTime, StreamError } from '../../engine/index.ts'
import { recordStart } from '../formats/malformed.ts'
import { decompress } from './compression.ts'
import { DECOMPRESSED_BYTES_MAX, VALUE_BYTES_MAX } from './kafka-limits.ts'
import { HEADER_BYTES, readBatchHeader, RecordCursor, scanBatches } from './record-batch-format.ts'

/** What a fetch brought for one partition. */
interface Chunk {
  /** Whole record batches only. */
  readonly bytes: Buffer
  /** By first offset. */
  readonly aborted: readonly AbortedTransaction[]
}

/** How values become rows, and what to do with those that cannot. */
export interface RowDecoding {
  readonly decoder: Decoder
  /** Adds the fields of KafkaMetadata to each row, which is then a plain object. */
  readonly metadata: boolean
  /** Takes a message that cannot be decoded. Undefined: such a message fails the job. */
  readonly malformed: ((record: MalformedRecord) => void) | undefined
}

/** Rows that are gathered for one batch. */
export class RowCollector {
  readonly rows: unknown[] = []
  readonly offsets = new Float64Array(BATCH_RECORDS_MAX)
  readonly rowsMax: number
  valueBytes = 0
  /** Messages that could not be decoded, in between. */
  malformed = 0

  constructor(rowsMax = BATCH_RECORDS_MAX) {
    this.rowsMax = rowsMax
  }

  get isFull(): boolean {
    return this.rows.length + this.malformed >= this.rowsMax || this.valueBytes >= VALUE_BYTES_MAX
  }
}

/** A message may become several rows, which never part: their position is one. */
const ROWS_PER_MESSAGE_MAX = 64

/** Row objects get these fields added; they were made by the decoder and are nobody else's yet. */
interface MetadataFields {
  _topic: string
  _partition: number
  _offset: bigint
  _timestamp: number
}

/**
 * One partition on its way: fetched bytes at one end, rows at the other.
 *
 * Q1. `position` is the offset of the next record to hand out: every visible record below it was
 *     handed out, none at or above it. It moves by batch headers, so it passes records that are
 *     invisible (aborted, control, compacted away).
 * Q2. `fetchAt` is the offset after the last byte fetched; `position` ≤ `fetchAt`.
 * Q3. No record at or above `end` is handed out.
 */
export class PartitionQueue {
  readonly id: string
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly index: number
  readonly end: number | undefined
  /** Broker that leads the partition; -1 while unknown. */
  leader = -1
  /** Since when fetching fails, by the monotonic clock; undefined while it does not. */
  failingSinceMs: number | undefined
  finishReported = false
  #position: number
  #fetchAt: number
  #bufferedBytes = 0
  readonly #chunks: Chunk[] = []
  readonly #batch = new BatchState()

  constructor(split: {
    readonly id: string
    readonly topic: string
    readonly topicId: string
    readonly partition: number
    readonly index: number
    readonly position: number
    readonly end: number | undefined
  }) {
    this.id = split.id
    this.topic = split.topic
    this.topicId = split.topicId
    this.partition = split.partition
    this.index = split.index
    this.end = split.end
    this.#position = split.position
    this.#fetchAt = split.position
  }

  get position(): number {
    return this.#position
  }

  get fetchAt(): number {
    return this.#fetchAt
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  get hasData(): boolean {
    return this.#chunks.length > 0
  }

  /** Every record below the end was handed out. */
  get isFinished(): boolean {
    return this.end !== undefined && this.#position >= this.end
  }

  get isFetched(): boolean {
    return this.end !== undefined && this.#fetchAt >= this.end
  }

  /** Takes what a fetch from `fetchAt` brought; a batch that is cut off at the end is left out. */
  append(records: Buffer, aborted: readonly AbortedTransaction[]): void {
    const scanned = scanBatches(records)
    if (scanned === undefined || scanned.nextOffset <= this.#fetchAt) return
    this.#fetchAt = scanned.nextOffset
    this.#bufferedBytes += scanned.end
    this.#chunks.push({
      bytes: records.subarray(0, scanned.end),
      aborted: [...aborted].sort((left, right) => left.firstOffset - right.firstOffset),
    })
  }

  /** Moves records into `collector` until it is full or nothing is here. */
  read(collector: RowCollector, decoding: RowDecoding): void {
    const batch = this.#batch
    while (!collector.isFull) {
      if (batch.isOpen) {
        if (!this.#readBatch(collector, decoding)) return
        this.#moveTo(batch.nextOffset)
      } else if (!this.#openBatch()) {
        return
      }
      if (this.isFinished) {
        this.#drop()
        return
      }
    }
  }

  /** False when no batch is here. A batch of no visible record only moves the position. */
  #openBatch(): boolean {
    const chunk = this.#chunks[0]
    if (chunk === undefined) return false
    try {
      if (this.#batch.open(chunk)) return true
    } catch (error) {
      throw damaged(error, this.id, this.#position)
    }
    this.#chunks.shift()
    this.#bufferedBytes -= chunk.bytes.length
    return this.#chunks.length > 0
  }

  /** False when the collector is full before the batch has ended. */
  #readBatch(collector: RowCollector, decoding: RowDecoding): boolean {
    const { cursor } = this.#batch
    const { decoder } = decoding
    const roomMax = BATCH_RECORDS_MAX - (decoder.many ? ROWS_PER_MESSAGE_MAX : 0)
    const countMax = Math.min(roomMax, collector.rowsMax)
    for (;;) {
      const count = collector.rows.length + collector.malformed
      if (count >= countMax || collector.valueBytes >= VALUE_BYTES_MAX) return false
      if (!this.#nextRecord()) break
      const offset = this.#batch.baseOffset + cursor.offsetDelta
      if (offset < this.#position) continue // The fetch began inside of the batch.
      if (this.end !== undefined && offset >= this.end) break // Q3.
      this.#decode(offset, collector, decoding)
      this.#position = offset + 1
    }
    this.#batch.isOpen = false
    return true
  }

  #nextRecord(): boolean {
    try {
      return this.#batch.cursor.next()
    } catch (error) {
      throw damaged(error, this.id, this.#position)
    }
  }

  #decode(offset: number, collector: RowCollector, decoding: RowDecoding): void {
    const { bytes, valueStart, valueEnd } = this.#batch.cursor
    collector.valueBytes += valueEnd - valueStart
    let row: unknown
    try {
      if (decoding.metadata) checkTime(this.#batch.timestampMs)
      row = decodeValue(decoding.decoder, bytes, valueStart, valueEnd)
    } catch (thrown) {
      collector.malformed += 1
      const value = valueStart < 0 ? bytes.subarray(0, 0) : bytes.subarray(valueStart, valueEnd)
      this.#reject(thrown, value, offset, decoding)
      return
    }
    if (!decoding.decoder.many) {
      if (decoding.metadata) this.#addMetadata(row as MetadataFields, offset)
      collector.offsets[collector.rows.push(row) - 1] = offset
      return
    }
    for (const each of row as readonly unknown[]) {
      if (decoding.metadata) this.#addMetadata(each as MetadataFields, offset)
      collector.offsets[collector.rows.push(each) - 1] = offset
    }
  }

  /** Passes over a message that cannot be decoded, or fails with it. */
  #reject(thrown: unknown, bytes: Uint8Array, offset: number, decoding: RowDecoding): void {
    // A decoder that throws anything else has a bug: the message is not to blame.
    if (decoding.malformed === undefined || !(thrown instanceof StreamError)) {
      const record = recordStart(bytes, 0, bytes.length)
      throw asStreamError(thrown, 'SOURCE_FAILED', { split: this.id, offset, record })
    }
    decoding.malformed({ split: this.index, offset, error: thrown, bytes })
  }

  #addMetadata(row: MetadataFields, offset: number): void {
    row._topic = this.topic
    row._partition = this.partition
    row._offset = BigInt(offset)
    row._timestamp = this.#batch.timestampMs
  }

  /** Past records that nobody sees (Q1), but never past the end: what is there was not read. */
  #moveTo(offset: number): void {
    const reached = this.end === undefined ? offset : Math.min(offset, this.end)
    this.#position = Math.max(this.#position, reached)
  }

  #drop(): void {
    this.#chunks.length = 0
    this.#bufferedBytes = 0
    this.#batch.isOpen = false
  }
}

/** A producer may write any number as the time of a message. */
function checkTime(ms: number): void {
  if (isTime(ms)) return
  throw new StreamError('VALUE_UNFIT', `the timestamp of the message is ${ms}`, {
    hint: 'It takes milliseconds up to 8.64e15: correct the producer, or leave out metadata: true.',
  })
}

/**
 * The batch that is being read, and which transactions of its chunk are aborted.
 *
 * The broker lists with each fetch the aborted transactions that overlap it. One is active from
 * its first offset to the control record of its producer that ends it; transactional batches of
 * a producer with an active one are dropped.
 */
class BatchState {
  isOpen = false
  baseOffset = 0
  nextOffset = 0
  readonly cursor = new RecordCursor()
  #baseTimestamp = 0
  #appendTime: number | undefined
  #chunk: Chunk | undefined
  #at = 0
  #abortedSeen = 0
  readonly #abortedProducers = new Set<number>()

  get timestampMs(): number {
    return this.#appendTime ?? this.#baseTimestamp + this.cursor.timestampDelta
  }

  /** Opens the next batch of the chunk; false after its last. */
  open(chunk: Chunk): boolean {
    if (chunk !== this.#chunk) {
      this.#chunk = chunk
      this.#at = 0
      this.#abortedSeen = 0
      this.#abortedProducers.clear()
    }
    if (this.#at >= chunk.bytes.length) {
      this.#chunk = undefined // Lets go of the memory.
      return false
    }
    const header = readBatchHeader(chunk.bytes, this.#at)
    const recordsAt = this.#at + HEADER_BYTES
    this.#at = header.end
    this.isOpen = true
    this.baseOffset = header.baseOffset
    this.nextOffset = header.nextOffset
    this.#baseTimestamp = header.baseTimestamp
    this.#appendTime = header.usesAppendTime ? header.maxTimestamp : undefined
    this.#activateAborted(chunk.aborted, header.nextOffset)
    if (header.isControl && endsAborted(chunk.bytes, recordsAt, header)) {
      this.#abortedProducers.delete(header.producerId)
    }
    const isDropped = header.isTransactional && this.#abortedProducers.has(header.producerId)
    if (header.isControl || isDropped || header.count === 0) {
      this.cursor.open(chunk.bytes, 0, 0, 0)
    } else if (header.codec === 0) {
      this.cursor.open(chunk.bytes, recordsAt, header.end, header.count)
    } else {
      const block = chunk.bytes.subarray(recordsAt, header.end)
      const records = decompress(header.codec, block, DECOMPRESSED_BYTES_MAX)
      this.cursor.open(records, 0, records.length, header.count)
    }
    return true
  }

  #activateAborted(aborted: readonly AbortedTransaction[], before: number): void {
    for (;;) {
      const next = aborted[this.#abortedSeen]
      if (next === undefined || next.firstOffset >= before) return
      this.#abortedProducers.add(next.producerId)
      this.#abortedSeen += 1
    }
  }
}

/** The key of a control record is version: int16, type: int16; type 0 is an abort. */
function endsAborted(bytes: Buffer, start: number, header: BatchHeader): boolean {
  const cursor = new RecordCursor()
  cursor.open(bytes, start, header.end, header.count)
  return cursor.next() && cursor.keyStart >= 0 && bytes.readInt16BE(cursor.keyStart + 2) === 0
}

/** A message without a value is an empty record to a decoder that may give no row for it. */
function decodeValue(decoder: Decoder, bytes: Uint8Array, start: number, end: number): unknown {
  if (!decoder.many) {
    if (start >= 0) return decoder.decode(bytes, start, end)
    throw new StreamError('RECORD_MALFORMED', 'the message has no value', {
      hint: "Deletions of a compacted topic are such; onMalformed: 'skip' passes over them.",
    })
  }
  const rows = (
    start < 0 ? decoder.decode(bytes, 0, 0) : decoder.decode(bytes, start, end)
  ) as readonly unknown[]
  if (rows.length <= ROWS_PER_MESSAGE_MAX) return rows
  throw new StreamError(
    'RECORD_MALFORMED',
    `a message gives ${rows.length} rows, at most ${ROWS_PER_MESSAGE_MAX} are allowed`,
    { hint: 'Read the message as one row and take it apart in a flatMap.' },
  )
}

function damaged(error: unknown, split: string, offset: number): StreamError {
  if (error instanceof StreamError) return error.at({ split, offset })
  const message = error instanceof Error ? error.message : String(error)
  return new StreamError('KAFKA_FAILED', `damaged data at or after offset ${offset}: ${message}`, {
    hint: 'Check the log of the partition with kafka-dump-log.',
    place: { split, offset },
    cause: error,
  })
}
