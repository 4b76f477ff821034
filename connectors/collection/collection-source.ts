import { BATCH_RECORDS_MAX, RecordBatch, sourceOf } from '../../engine/index.ts'
import type { AssignedSplit, Source, SourceOutput, SourceReader } from '../../engine/index.ts'
import type { SplitEnumerator, SplitPosition } from '../../engine/index.ts'

const SPLIT = 'collection'

/** The records of an array, in its order. One split; its position is an index. */
export function collectionSource<V>(records: readonly V[]): Source<V> {
  return sourceOf<V>({
    kind: 'collection',
    parameters: { records: records.length },
    bounded: true,
    createEnumerator: () => oneSplit,
    createReader: ({ batchRecords }) => new CollectionReader(records, batchRecords),
  })
}

const oneSplit: SplitEnumerator = {
  discover: () => Promise.resolve({ splits: [{ id: SPLIT, start: 0 }], complete: true }),
  close: () => Promise.resolve(),
}

class CollectionReader implements SourceReader {
  readonly #records: readonly unknown[]
  readonly #batchRecords: number
  /** Number of the split in the job once it is assigned to this subtask. */
  #split: number | undefined
  #at = 0
  #finished = false
  #complete = false

  constructor(records: readonly unknown[], batchRecords = BATCH_RECORDS_MAX) {
    this.#records = records
    this.#batchRecords = batchRecords
  }

  addSplits(splits: readonly AssignedSplit[]): void {
    for (const { index, start, position } of splits) {
      this.#split = index
      this.#at = (position ?? start) as number
    }
  }

  noMoreSplits(): void {
    this.#complete = true
  }

  poll(output: SourceOutput): 'more' | 'waiting' | 'finished' {
    if (this.#split === undefined || this.#finished) return this.#complete ? 'finished' : 'waiting'
    const rows = this.#records.slice(this.#at, this.#at + this.#batchRecords)
    if (rows.length > 0) {
      const offsets = Float64Array.from(rows, (_, row) => this.#at + row)
      this.#at += rows.length
      output.emit(
        new RecordBatch(rows.length, rows, undefined, undefined, undefined, this.#split, offsets),
      )
    }
    if (this.#at >= this.#records.length) {
      this.#finished = true
      output.finishSplit(this.#split)
    }
    return 'more'
  }

  snapshot(): readonly SplitPosition[] {
    if (this.#split === undefined) return []
    return [{ id: SPLIT, position: this.#at, finished: this.#finished }]
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
