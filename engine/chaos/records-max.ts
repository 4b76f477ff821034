import type { Json } from '../base/json.ts'
import type {
  AssignedSplit,
  MalformedRecord,
  SequencePlaces,
  SourceDefinition,
  SourceOutput,
  SourceReader,
  SplitPosition,
} from '../operator/source.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import { withSources } from './job-sources.ts'

/**
 * The same job with less to read: every split of every source ends after so many records, if it
 * does not end before. What is wrong with a large input is easier to see with a small one.
 */
export function withRecordsMax(job: unknown, recordsMax: number): unknown {
  return withSources(job, (source) => cappedSource(source, recordsMax))
}

function cappedSource(source: SourceDefinition, recordsMax: number): SourceDefinition {
  return {
    ...source,
    bounded: true,
    createEnumerator: (context) => source.createEnumerator(context),
    createReader: (context) => new CappedReader(source.createReader(context), recordsMax),
  }
}

/** `read`: records of the split that were emitted. A split that is full is finished. */
interface CappedPosition {
  readonly position: Json
  readonly read: number
}

/** Reads as the reader below it does, up to so many records of each split. */
class CappedReader implements SourceReader {
  readonly #reader: SourceReader
  readonly #recordsMax: number
  readonly #read = new Map<number, number>()
  readonly #indices = new Map<string, number>()
  readonly #ended = new Set<number>()
  #isComplete = false
  /** Of the poll under way, until it is known whether the split is full before them. */
  #malformed: MalformedRecord[] = []

  constructor(reader: SourceReader, recordsMax: number) {
    this.#reader = reader
    this.#recordsMax = recordsMax
  }

  get readsInTurn(): boolean {
    return this.#reader.readsInTurn ?? false
  }

  addSplits(splits: readonly AssignedSplit[]): void {
    const inner = splits.map((split) => {
      const before = split.position as unknown as CappedPosition | undefined
      this.#indices.set(split.id, split.index)
      this.#read.set(split.index, before?.read ?? 0)
      return { ...split, position: before?.position }
    })
    this.#reader.addSplits(inner)
  }

  sequencesGrew(places: SequencePlaces): void {
    this.#reader.sequencesGrew?.(places)
  }

  isQueued(index: number): boolean {
    return this.#reader.isQueued?.(index) ?? false
  }

  noMoreSplits(): void {
    this.#isComplete = true
    this.#reader.noMoreSplits()
  }

  poll(output: SourceOutput): 'more' | 'waiting' | 'finished' {
    const state = this.#reader.poll({
      emit: (batch, bytes) => {
        this.#emit(batch, bytes, output)
      },
      malformed: (record) => {
        // The batch that follows in this poll may fill the split before this record.
        this.#malformed.push({ ...record, bytes: record.bytes.slice() })
      },
      finishSplit: (index) => {
        this.#finish(index, output)
      },
      restSplit: (index, resting) => {
        if (!this.#ended.has(index)) output.restSplit?.(index, resting)
      },
      isPaused: (index) => output.isPaused?.(index) ?? false,
    })
    this.#passMalformed(output)
    const isOver = this.#isComplete && this.#ended.size === this.#indices.size
    return isOver ? 'finished' : state
  }

  snapshot(): readonly SplitPosition[] {
    return this.#reader.snapshot().map(({ id, position, finished }) => {
      const index = this.#indices.get(id)
      const read = index === undefined ? 0 : this.#read.get(index)!
      const isFull = index !== undefined && this.#ended.has(index)
      return { id, position: { position, read }, finished: finished || isFull }
    })
  }

  checkpointCompleted(positions: readonly SplitPosition[]): void {
    const inner = positions.map((position) => ({
      ...position,
      position: (position.position as unknown as CappedPosition).position,
    }))
    this.#reader.checkpointCompleted?.(inner)
  }

  close(): Promise<void> {
    return this.#reader.close()
  }

  /** A batch is of one split; what is beyond the cap is read and thrown away. */
  #emit(batch: RecordBatch, bytes: number | undefined, output: SourceOutput): void {
    const index = batch.splits as number
    if (this.#ended.has(index)) return
    const read = this.#read.get(index)!
    const count = Math.min(batch.count, this.#recordsMax - read)
    this.#read.set(index, read + count)
    const isFull = read + count >= this.#recordsMax
    const until = isFull ? (batch.offsets?.[count - 1] ?? Infinity) : Infinity
    this.#malformed = this.#malformed.filter(({ offset }) => offset < until)
    this.#passMalformed(output)
    if (count > 0) output.emit(count === batch.count ? batch : headOf(batch, count), bytes)
    if (isFull) this.#finish(index, output)
  }

  #passMalformed(output: SourceOutput): void {
    for (const record of this.#malformed) {
      if (!this.#ended.has(record.split)) output.malformed(record)
    }
    this.#malformed = []
  }

  #finish(index: number, output: SourceOutput): void {
    if (this.#ended.has(index)) return
    this.#ended.add(index)
    output.finishSplit(index)
  }
}

function headOf(batch: RecordBatch, count: number): RecordBatch {
  return batch.select(
    Int32Array.from({ length: count }, (_, index) => index),
    count,
  )
}
