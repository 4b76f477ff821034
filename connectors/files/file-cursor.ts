import {
  assert,
  asStreamError,
  BATCH_BYTES_MAX,
  BATCH_RECORDS_MAX,
  RecordBatch,
  refusedOr,
  StreamError,
} from '../../engine/index.ts'
import type {
  AssignedSplit,
  ErrorPlace,
  Files,
  Gunzip,
  MalformedRecord,
  SplitSequence,
} from '../../engine/index.ts'
import type { Decoder, FormatDefinition } from '../formats/format.ts'
import { recordStart } from '../formats/malformed.ts'
import { GzipBytes, PlainBytes } from './byte-source.ts'
import type { ByteSource } from './byte-source.ts'
import { isGzip, isRange } from './file-split.ts'
import type { FilePosition, FileSplit } from './file-split.ts'
import { RecordCutter } from './record-cutter.ts'
import { refuseCarriageReturns, refuseNul, refuseUtf16 } from './text-checks.ts'
import { TrackedFile } from './tracked-file.ts'

/** Bytes read ahead of the records that were taken. */
const READ_AHEAD_BYTES = 512 * 1_024

export interface CursorHost {
  readonly files: Files
  readonly gunzip: Gunzip
  readonly format: FormatDefinition
  /** Most records of a batch, where it is fewer than BATCH_RECORDS_MAX. */
  readonly batchRecords?: number | undefined
  readonly kick: () => void
  readonly fail: (error: unknown) => void
  /** Takes a record that cannot be decoded. Undefined: such a record fails the job. */
  readonly malformed: ((record: MalformedRecord) => void) | undefined
}

/**
 * Reads one split: bytes in the background, records when they are asked for.
 *
 * F1. `position` is where the next record begins; nothing else is needed to go on from there.
 * F2. At most READ_AHEAD_BYTES, or one block beyond it, wait to be cut.
 * F3. A range holds the records that begin in it: reading one begins a byte before it, behind the
 *     first line break, and ends behind its last record.
 *
 * Awaited here: opening, reading and closing the file, off the record path.
 */
export class FileCursor {
  readonly id: string
  readonly index: number
  readonly split: FileSplit
  readonly sequence: SplitSequence | undefined
  readonly file: TrackedFile
  /** Size of a watched file when it was last found to hold no further record. */
  sizeAtEnd = -1
  #at: number
  #line: number
  #header: string | undefined
  readonly #host: CursorHost
  #cutter: RecordCutter
  #decoder: Decoder | undefined
  #source: ByteSource | undefined
  #blocks: Uint8Array[] = []
  #waitingBytes = 0
  #reading = false
  #pumping = Promise.resolve()
  /** No block follows those that wait. */
  #ended = false
  #stopped = true
  #closing = Promise.resolve()
  /** Reading has come to the beginning of a record (F3). */
  #aligned: boolean
  /** Records of the batch at hand that could not be decoded. */
  #malformed = 0
  /** The data that follows what waits is damaged: told once the records before it are taken. */
  #damage: StreamError | undefined
  /** A block that was read holds a zero byte: only then is each record looked at for one. */
  #hasNul = false

  constructor(split: AssignedSplit, host: CursorHost) {
    this.id = split.id
    this.index = split.index
    this.split = split.start as FileSplit
    this.file = new TrackedFile(host.files, this.split)
    this.sequence = split.sequence
    const position = split.position as FilePosition | undefined
    this.#at = position?.at ?? this.split.from
    this.#line = position?.line ?? 0
    this.#header = position?.header
    this.#aligned = this.split.from === 0 || this.#at > this.split.from
    this.#host = host
    this.#cutter = new RecordCutter(host.format.framing.quoted)
  }

  get position(): FilePosition {
    const position = { at: this.#at, line: this.#line }
    return this.#header === undefined ? position : { ...position, header: this.#header }
  }

  get watched(): boolean {
    return this.split.to === null
  }

  /** Begins to read in the background; `stop` ends it, after which it may begin again. */
  start(): void {
    this.#blocks = []
    this.#waitingBytes = 0
    this.#cutter = new RecordCutter(this.#host.format.framing.quoted)
    this.#ended = this.#pastEnd()
    this.#damage = undefined
    void this.#closing.then(() => {
      this.#stopped = false
      this.#pump()
    })
  }

  stop(): Promise<void> {
    this.#stopped = true
    // An earlier stop may still be closing the file.
    const earlier = this.#closing
    this.#closing = this.#close().then(() => earlier)
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#pumping
    const source = this.#source
    this.#source = undefined
    await source?.close()
  }

  /** A batch, or why there is none: it is still being read, or all that is there was taken. */
  take(): RecordBatch | 'waiting' | 'drained' | 'passed' {
    const rows: unknown[] = []
    const { batchRecords = BATCH_RECORDS_MAX } = this.#host
    const offsets = new Float64Array(BATCH_RECORDS_MAX)
    const until = this.#at + BATCH_BYTES_MAX
    this.#malformed = 0
    try {
      while (rows.length + this.#malformed < batchRecords && this.#at < until) {
        if (!this.#next(rows, offsets)) break
      }
    } catch (thrown) {
      throw asStreamError(thrown, 'SOURCE_FAILED', this.#place())
    }
    if (rows.length > 0) {
      const { index } = this
      return new RecordBatch(rows.length, rows, undefined, undefined, undefined, index, offsets)
    }
    if (this.#malformed > 0) return 'passed'
    if (this.#damage !== undefined && this.#blocks.length === 0) {
      throw this.#damage.at(this.#place())
    }
    return this.#drained() ? 'drained' : 'waiting'
  }

  /** Reads one record. False: no whole record has arrived, or the batch has no room for it. */
  #next(rows: unknown[], offsets: Float64Array): boolean {
    const cutter = this.#cutter
    if (this.#pastEnd() || !this.#begin()) return false
    while (!cutter.cut(this.#isLast())) {
      if (this.#append()) continue
      if (this.#line === 0 && this.#ended) refuseCarriageReturns(cutter.bytes.subarray(cutter.from))
      return false
    }
    // A file without any line feed.
    if (this.#line === 0 && cutter.isUnended) {
      refuseCarriageReturns(cutter.bytes.subarray(cutter.start, cutter.end))
    }
    const { framing } = this.#host.format
    const isEmpty = cutter.start === cutter.end
    if (isEmpty && framing.skipsEmpty) {
      // Passed over.
    } else if (framing.header && this.#header === undefined) {
      refuseNul(cutter)
      this.#header = Buffer.from(cutter.bytes.subarray(cutter.start, cutter.end)).toString()
      // Also where no record follows: what the header lacks is told.
      this.#decoder = this.#host.format.createDecoder(this.#header)
    } else if (!this.#decode(rows, offsets)) {
      cutter.restore()
      return false
    }
    this.#at += cutter.from - cutter.start
    this.#line += cutter.lines
    return true
  }

  /** False: the records of the decoder do not fit into this batch. */
  #decode(rows: unknown[], offsets: Float64Array): boolean {
    const { bytes, start, end } = this.#cutter
    const decoder = (this.#decoder ??= this.#host.format.createDecoder(this.#header))
    let decoded: unknown
    try {
      if (this.#hasNul) refuseNul(this.#cutter)
      decoded = decoder.decode(bytes, start, end)
    } catch (thrown) {
      this.#reject(thrown, bytes, start, end)
      return true
    }
    if (!decoder.many) {
      offsets[rows.length] = this.#offset()
      rows.push(decoded)
      return true
    }
    const records = decoded as readonly unknown[]
    assert(records.length <= BATCH_RECORDS_MAX)
    if (rows.length + records.length > BATCH_RECORDS_MAX) return false
    for (const record of records) {
      offsets[rows.length] = this.#offset()
      rows.push(record)
    }
    return true
  }

  /** Passes over a record that cannot be decoded, or fails with it. */
  #reject(thrown: unknown, bytes: Uint8Array, start: number, end: number): void {
    const { malformed } = this.#host
    // A decoder that throws anything else has a bug: the record is not to blame.
    if (malformed === undefined || !(thrown instanceof StreamError)) {
      const place = { ...this.#place(), record: recordStart(bytes, start, end) }
      throw asStreamError(thrown, 'SOURCE_FAILED', place)
    }
    this.#malformed += 1
    const record = { split: this.index, offset: this.#offset(), error: thrown }
    malformed({ ...record, bytes: bytes.subarray(start, end) })
  }

  #place(): ErrorPlace {
    const unit = isRange(this.split) ? 'byte' : 'line'
    return { split: this.id, offset: this.#offset(), unit }
  }

  /** Of the next record: its line, counted from 1; in a range, where no one counts, its byte. */
  #offset(): number {
    return isRange(this.split) ? this.#at : this.#line + 1
  }

  #pastEnd(): boolean {
    const { to } = this.split
    return to !== null && !isGzip(this.split.path) && this.#aligned && this.#at >= to
  }

  #isLast(): boolean {
    return this.#ended && this.#blocks.length === 0 && !this.watched
  }

  #drained(): boolean {
    return this.#pastEnd() || (this.#ended && this.#blocks.length === 0)
  }

  /** Skips what stands before the first record: a byte order mark, the end of a line (F3). */
  #begin(): boolean {
    const cutter = this.#cutter
    if (!this.#aligned) {
      while (!cutter.cut(false)) {
        if (!this.#append()) {
          // No line begins in this range.
          this.#aligned = this.#isLast()
          if (this.#aligned) this.#at = this.split.to!
          return false
        }
      }
      this.#at = this.split.from - 1 + cutter.from - cutter.start
      this.#aligned = true
      return !this.#pastEnd()
    }
    if (this.#at > 0) return true
    while (cutter.rest < BYTE_ORDER_MARK.length && this.#append()) continue
    const waits = cutter.rest < BYTE_ORDER_MARK.length && !this.#ended
    if (waits) return false
    refuseUtf16(cutter.bytes[cutter.from], cutter.bytes[cutter.from + 1])
    if (BYTE_ORDER_MARK.every((byte, index) => cutter.bytes[cutter.from + index] === byte)) {
      cutter.skip(BYTE_ORDER_MARK.length)
      this.#at = BYTE_ORDER_MARK.length
    }
    return true
  }

  #append(): boolean {
    const block = this.#blocks.shift()
    if (block === undefined) return false
    this.#waitingBytes -= block.length
    if (block.includes(0)) this.#hasNul = true
    this.#cutter.append(block)
    this.#pump()
    return true
  }

  #pump(): void {
    if (this.#reading || this.#stopped || this.#ended || this.#damage !== undefined) return
    this.#reading = true
    this.#pumping = this.#read().catch((thrown: unknown) => {
      if (thrown instanceof StreamError && thrown.code === 'RECORD_MALFORMED') {
        this.#damage = thrown
        this.#host.kick()
      } else if (!this.#stopped) {
        const code = refusedOr('SOURCE_FAILED', thrown)
        this.#host.fail(asStreamError(thrown, code, { split: this.id }))
      }
    })
  }

  /** `reading` ends in the same turn as its reason is seen, so that no later `pump` is lost. */
  async #read(): Promise<void> {
    try {
      this.#source ??= await this.#open()
      while (!this.#isStopped() && this.#waitingBytes < READ_AHEAD_BYTES) {
        // Long records: blocks as long as what waits, or joining them would take quadratic time.
        const block = await this.#source?.next(this.#cutter.rest)
        if (block === undefined) {
          await this.#verifyEnd()
          this.#ended = true
          this.#host.kick()
          return
        }
        this.#blocks.push(block)
        this.#waitingBytes += block.length
        this.#host.kick()
      }
    } finally {
      this.#reading = false
    }
  }

  /** A method, as the field changes while `read` waits. */
  #isStopped(): boolean {
    return this.#stopped
  }

  /** Undefined: a watched file is gone, and what was in it when it was found has been read. */
  async #open(): Promise<ByteSource | undefined> {
    const { split } = this
    const handle = await this.file.open(this.#at)
    if (handle === undefined) return undefined
    if (isGzip(split.path)) return new GzipBytes(handle, this.#at, this.#host.gunzip)
    return new PlainBytes(handle, this.#aligned ? this.#at : split.from - 1)
  }

  /** What was appended while a bounded file was read might be half a record. */
  async #verifyEnd(): Promise<void> {
    if (!this.watched) await this.file.verifyUnchanged()
  }
}

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]
