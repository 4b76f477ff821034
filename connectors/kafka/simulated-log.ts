import type { BatchOptions, ProducedRecord } from './record-batch-encoder.ts'
import { encodeBatch } from './record-batch-encoder.ts'
import { scanBatches } from './record-batch-format.ts'

interface StoredBatch {
  readonly next: number
  readonly bytes: Buffer
}

/** A transaction that was aborted: from its first record to its end. */
export interface AbortedRange {
  readonly producerId: number
  readonly firstOffset: number
  readonly endOffset: number
}

/** What a simulated broker holds of one partition. */
export class SimulatedLog {
  leader: number
  readonly aborted: AbortedRange[] = []
  readonly #batches: StoredBatch[] = []
  #start: number
  #end: number

  constructor(leader: number, start = 0) {
    this.leader = leader
    this.#start = start
    this.#end = start
  }

  get start(): number {
    return this.#start
  }

  get end(): number {
    return this.#end
  }

  append(records: readonly ProducedRecord[], options: BatchOptions): void {
    const bytes = encodeBatch(records, options)
    bytes.writeBigInt64BE(BigInt(this.#end), 0)
    this.store(bytes)
  }

  /** One batch as a broker gave it, with its own offsets. */
  store(bytes: Buffer): void {
    const next = scanBatches(bytes)!.nextOffset
    this.#batches.push({ next, bytes })
    this.#end = Math.max(this.#end, next)
  }

  /** Its last offsets hold nothing any more. */
  reach(end: number): void {
    this.#end = Math.max(this.#end, end)
  }

  /** Records of one transaction, or none, and what ends it. Readers skip an aborted one. */
  transaction(
    records: readonly ProducedRecord[],
    producerId: number,
    end: 'commit' | 'abort',
  ): void {
    const firstOffset = this.#end
    const producer = { producerId, producerEpoch: 0, isTransactional: true }
    if (records.length > 0) this.append(records, producer)
    const key = Uint8Array.of(0, 0, 0, end === 'commit' ? 1 : 0)
    this.append([{ key, value: new Uint8Array(6) }], { ...producer, isControl: true })
    if (end === 'abort') this.aborted.push({ producerId, firstOffset, endOffset: this.#end })
  }

  /** Whole batches from the one that holds `offset` on; the first comes however long it is. */
  fetch(offset: number, bytesMax: number): Buffer {
    const taken: Buffer[] = []
    let size = 0
    for (const { next, bytes } of this.#batches) {
      if (next <= offset) continue
      if (bytesMax <= 0 || (size > 0 && size + bytes.length > bytesMax)) break
      taken.push(bytes)
      size += bytes.length
    }
    return Buffer.concat(taken)
  }
}
