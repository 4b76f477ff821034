/**
 * The outputs of one subtask over one edge: deals records to receivers.
 *
 * P1. Records for one receiver keep their order; records with one key go to one receiver.
 * P2. A watermark follows every record emitted before it, on every channel; it may wait until later
 *     records go, at the latest until `flush`. A status, a barrier and the end wait for nothing:
 *     everything before them is sent first.
 * P3. Receivers of a hash edge get `batch.hashes`; split, offset and the watermark before each
 *     record go where the edge says so.
 */
import type { JobEdge } from '../graph/job-graph.ts'
import type { ColumnSet } from '../stream/columns.ts'
import type { CheckpointBarrier, StreamElement } from '../stream/elements.ts'
import type { KeySelector } from '../stream/keys.ts'
import type { ChannelWriter } from './channel.ts'
import type { RowDealer } from './hash-rows.ts'
import { assert } from '../base/assert.ts'
import { keyError } from '../operator/user-error.ts'
import { BATCH_RECORDS_MAX } from '../base/limits.ts'
import { SetWriter } from '../stream/column-writer.ts'
import { keyHash, selectKey } from '../stream/key-codec.ts'
import { hashField, hashFields } from '../stream/key-columns.ts'
import { keyGroupOf, subtaskOfKeyGroup } from '../stream/keys.ts'
import { RecordBatch } from '../stream/record-batch.ts'
import { makeRowDealer } from './hash-rows.ts'
import { ASIDE, Target } from './target.ts'

/** A batch at least this full is sent on as it is, when nothing waits before it. */
const WHOLE_RECORDS_MIN = BATCH_RECORDS_MAX / 2

export class ResultPartition {
  readonly edge: JobEdge
  readonly #writers: readonly ChannelWriter[]
  readonly #targets: readonly Target[]
  readonly #isHash: boolean
  readonly #subtask: number
  readonly #receiver: string
  readonly #deal: (batch: RecordBatch) => void
  #watermarkMs = -Infinity

  /**
   * `writers` has one for each receiver, by subtask; on a forward edge just the one. `subtask` is
   * the sender's, `maxParallelism` the receiver's, whose first step errors name as `receiver`.
   */
  constructor(
    edge: JobEdge,
    writers: readonly ChannelWriter[],
    subtask: number,
    maxParallelism: number,
    receiver = '',
  ) {
    assert(writers.length > 0)
    this.edge = edge
    this.#writers = writers
    this.#subtask = subtask
    this.#receiver = receiver
    const { partitioning } = edge
    this.#isHash = partitioning.type === 'hash'
    switch (partitioning.type) {
      case 'hash':
        this.#targets = writers.map((writer) => new Target([writer]))
        this.#deal = this.#hashDealer(partitioning.key, maxParallelism)
        break
      case 'rebalance':
        this.#targets = writers.map((writer) => new Target([writer]))
        this.#deal = this.#roundDealer(subtask)
        break
      case 'broadcast':
        this.#targets = [new Target(writers)]
        this.#deal = (batch) => this.#pass(batch)
        break
      default: {
        // Of a global edge the other receivers get watermarks and barriers only.
        const silent = writers.slice(1).map((writer) => new Target([writer]))
        this.#targets = [new Target([writers[0]!]), ...silent]
        this.#deal = (batch) => this.#pass(batch)
      }
    }
  }

  /** Whether every channel takes a full batch; else nothing may be emitted. */
  hasCredit(): boolean {
    for (const writer of this.#writers) if (!writer.hasCredit()) return false
    return true
  }

  /** Sends what waits for room. True when nothing does. */
  drain(): boolean {
    let isOut = true
    for (const writer of this.#writers) isOut = writer.drain() && isOut
    return isOut
  }

  /** Whether records or a watermark are held back until `flush`. */
  get isHolding(): boolean {
    return this.#targets.some((target) => target.isHolding)
  }

  /** The batch may hold columns that end with this call. */
  emit(batch: RecordBatch): void {
    if (batch.count === 0) return
    try {
      this.#deal(batch)
    } catch (thrown) {
      throw this.#located(thrown, batch)
    }
  }

  emitWatermark(ms: number): void {
    assert(ms >= this.#watermarkMs, 'a watermark never goes back')
    this.#watermarkMs = ms
    for (const target of this.#targets) target.watermark = ms
  }

  emitStatus(idle: boolean): void {
    this.#sendToAll({ type: 'status', idle })
  }

  emitBarrier(barrier: CheckpointBarrier): void {
    this.#sendToAll({ type: 'barrier', barrier })
  }

  emitEnd(): void {
    this.#sendToAll({ type: 'end' })
  }

  flush(): void {
    for (const target of this.#targets) target.flush()
  }

  /** What was thrown, with the place of the record whose key it was about. */
  #located(thrown: unknown, batch: RecordBatch): unknown {
    const { partitioning } = this.edge
    if (partitioning.type !== 'hash') return thrown
    const select = selectKey(partitioning.key)
    for (let index = 0; index < batch.count; index += 1) {
      try {
        keyHash(select(batch.rows[index]))
      } catch {
        return keyError(thrown, this.#receiver, this.#subtask, batch, index)
      }
    }
    return keyError(thrown, this.#receiver, this.#subtask, batch, -1)
  }

  #sendToAll(element: StreamElement): void {
    this.flush()
    for (const writer of this.#writers) writer.send(element)
  }

  /** Everything to the first target. */
  #pass(batch: RecordBatch): void {
    const target = this.#targets[0]!
    if (batch.count < WHOLE_RECORDS_MIN || batch.count > BATCH_RECORDS_MAX) {
      this.#append(target, batch, 0, batch.count)
      return
    }
    target.flush()
    target.send(this.#withoutPlaces(batch))
    target.sendWatermark()
  }

  #withoutPlaces(batch: RecordBatch): RecordBatch {
    const { positions, watermarks } = this.edge
    return new RecordBatch(
      batch.count,
      batch.hasRows ? batch.rows : undefined,
      batch.columns,
      batch.times,
      undefined,
      positions ? batch.splits : undefined,
      positions ? batch.offsets : undefined,
      watermarks ? batch.watermarks : undefined,
    )
  }

  /** A slice of each batch to each receiver in turn: even, and no record is looked at. */
  #roundDealer(subtask: number): (batch: RecordBatch) => void {
    const targets = this.#targets
    let next = subtask % targets.length // Senders of few records begin with different receivers.
    return (batch) => {
      const share = Math.ceil(batch.count / targets.length)
      for (let from = 0; from < batch.count; from += share) {
        this.#append(targets[next]!, batch, from, Math.min(share, batch.count - from))
        next = (next + 1) % targets.length
      }
    }
  }

  #hashDealer(selector: KeySelector, maxParallelism: number): (batch: RecordBatch) => void {
    const targets = this.#targets
    const table = new Int32Array(maxParallelism)
    for (let group = 0; group < maxParallelism; group += 1) {
      table[group] = subtaskOfKeyGroup(group, maxParallelism, targets.length)
    }
    const dealers = new Map<number, RowDealer>()
    const chosen = targets.map(() => new Int32Array(BATCH_RECORDS_MAX))
    const counts = new Int32Array(targets.length)
    let hashes = new Int32Array(BATCH_RECORDS_MAX)
    let scratch = new Int32Array(BATCH_RECORDS_MAX)

    const dealRows = (batch: RecordBatch): void => {
      const aside = this.#asideOf(batch)
      const isOneSplit = typeof batch.splits === 'number'
      const sign = aside * 2 + Number(isOneSplit)
      let dealer = dealers.get(sign)
      if (dealer === undefined) {
        dealer = makeRowDealer(selector, maxParallelism, aside, isOneSplit)
        dealers.set(sign, dealer)
      }
      for (const target of targets) target.begin(undefined, aside)
      dealer(batch, batch.rows, targets, table)
    }

    return (batch) => {
      const { columns, count } = batch
      if (columns === undefined || selector.type === 'function') return dealRows(batch)
      if (count > hashes.length) {
        hashes = new Int32Array(count)
        scratch = new Int32Array(count)
        chosen.forEach((_, index) => (chosen[index] = new Int32Array(count)))
      }
      if (!hashColumns(selector, columns, scratch, hashes)) return dealRows(batch)
      counts.fill(0)
      for (let index = 0; index < count; index += 1) {
        const target = table[keyGroupOf(hashes[index]!, maxParallelism)]!
        const nth = counts[target]!
        chosen[target]![nth] = index
        counts[target] = nth + 1
      }
      for (let target = 0; target < targets.length; target += 1) {
        this.#appendChosen(
          targets[target]!,
          batch,
          columns,
          chosen[target]!,
          counts[target]!,
          hashes,
        )
      }
    }
  }

  readonly #sets = new SetWriter()
  #run = new Int32Array(0)

  /** The records `from .. from + count` to one target. */
  #append(target: Target, batch: RecordBatch, from: number, count: number): void {
    if (batch.columns !== undefined && !batch.hasRows) {
      if (this.#run.length < batch.count) {
        this.#run = Int32Array.from({ length: batch.count }, (_, index) => index)
      }
      const run = from === 0 ? this.#run : this.#run.subarray(from, from + count)
      this.#appendChosen(target, batch, batch.columns, run, count, undefined)
      return
    }
    target.begin(undefined, this.#asideOf(batch))
    target.appendRows(batch, from, count)
  }

  #appendChosen(
    target: Target,
    batch: RecordBatch,
    columns: ColumnSet,
    chosen: Int32Array,
    count: number,
    hashes: Int32Array | undefined,
  ): void {
    if (count === 0) return
    target.begin(this.#sets.schemaOf(columns), this.#asideOf(batch))
    for (let from = 0; from < count;) {
      const some = Math.min(count - from, BATCH_RECORDS_MAX - target.count)
      target.appendAside(batch, hashes, chosen, from, some)
      target.appendColumns(columns, chosen, from, some)
      from += some
    }
  }

  #asideOf(batch: RecordBatch): number {
    const { positions, watermarks } = this.edge
    return (
      (batch.times === undefined ? 0 : ASIDE.times) |
      (this.#isHash ? ASIDE.hashes : 0) |
      (positions && batch.splits !== undefined ? ASIDE.splits : 0) |
      (positions && batch.offsets !== undefined ? ASIDE.offsets : 0) |
      (watermarks && batch.watermarks !== undefined ? ASIDE.watermarks : 0)
    )
  }
}

/** False when the columns do not hold the key. */
function hashColumns(
  selector: KeySelector,
  columns: ColumnSet,
  scratch: Int32Array,
  into: Int32Array,
): boolean {
  switch (selector.type) {
    case 'field':
      return hashField(columns, selector.field, into)
    case 'fields':
      return hashFields(columns, selector.fields, scratch, into)
    default:
      return false
  }
}
