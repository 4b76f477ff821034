import { BATCH_RECORDS_MAX, RecordBatch, sourceOf } from '../../engine/index.ts'
import type { AssignedSplit, Source, SourceOutput, SourceReader } from '../../engine/index.ts'
import type { SplitEnumerator, SplitPosition } from '../../engine/index.ts'

const SPLIT = 'collection'

/** The records of an array, in its order. One split; its position is an index. */
export function collectionSource<V>(records: readonly V[]): Source<V> {
  const fields = fieldsOf(records)
  return sourceOf<V>({
    kind: 'collection',
    parameters: { records: records.length },
    ...(fields === undefined ? {} : { fields }),
    bounded: true,
    createEnumerator: () => oneSplit,
    createReader: ({ batchRecords }) => new CollectionReader(records, batchRecords),
  })
}

/** A longer collection is not looked through when the job is planned. */
const LOOKED_AT_MAX = 10_000

/** Names of all fields of the records; undefined where they are no plain objects. */
function fieldsOf(records: readonly unknown[]): readonly string[] | undefined {
  if (records.length === 0 || records.length > LOOKED_AT_MAX) return undefined
  const names = new Set<string>()
  for (const record of records) {
    if (typeof record !== 'object' || record === null) return undefined
    if (Object.getPrototypeOf(record) !== Object.prototype) return undefined
    for (const name of Object.keys(record)) names.add(name)
  }
  return [...names]
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
