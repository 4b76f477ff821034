import type { RecordBatch } from '../stream/record-batch.ts'
import { RecordBatch as Batch } from '../stream/record-batch.ts'
import { BATCH_RECORDS_MAX } from '../base/limits.ts'
import type { SchemaData } from '../stream/schema.ts'
import type { SinkDefinition } from '../operator/sink.ts'
import type { SourceDefinition, SourceOutput, SourceReader } from '../operator/source.ts'

/** A source whose records are sent by a test: one split, read by subtask 0. */
export class TestFeed {
  readonly #queue: unknown[] = []
  #ended = false
  #offset = 0
  #kick: () => void = () => undefined

  push(records: readonly unknown[]): void {
    this.#queue.push(...records)
    this.#kick()
  }

  end(): void {
    this.#ended = true
    this.#kick()
  }

  definition(schema: SchemaData | undefined): SourceDefinition {
    return {
      kind: 'test',
      parameters: {},
      ...(schema === undefined ? {} : { schema }),
      bounded: true,
      createEnumerator: () => ({
        discover: () => Promise.resolve({ splits: [{ id: 'test', start: 0 }], complete: true }),
        close: () => Promise.resolve(),
      }),
      createReader: (context) => {
        if (context.subtask === 0) {
          this.#kick = () => {
            context.kick()
          }
        }
        return new FeedReader(this, context.subtask === 0)
      },
    }
  }

  /** Hands on what was sent; undefined: nothing is here. */
  take(index: number): RecordBatch | 'end' | undefined {
    if (this.#queue.length === 0) return this.#ended ? 'end' : undefined
    const rows = this.#queue.splice(0, BATCH_RECORDS_MAX)
    const first = this.#offset
    this.#offset += rows.length
    const offsets = Float64Array.from(rows, (_, at) => first + at)
    return new Batch(rows.length, rows, undefined, undefined, undefined, index, offsets)
  }

  get position(): number {
    return this.#offset
  }
}

class FeedReader implements SourceReader {
  readonly #feed: TestFeed
  readonly #isMine: boolean
  #index: number | undefined
  #isFinished = false

  constructor(feed: TestFeed, isMine: boolean) {
    this.#feed = feed
    this.#isMine = isMine
  }

  addSplits(splits: readonly { readonly index: number }[]): void {
    this.#index = splits[0]?.index
  }

  noMoreSplits(): void {
    // There is one split, and it is there from the start.
  }

  poll(output: SourceOutput): 'more' | 'waiting' | 'finished' {
    if (!this.#isMine || this.#index === undefined || this.#isFinished) return 'finished'
    const batch = this.#feed.take(this.#index)
    if (batch === undefined) return 'waiting'
    if (batch !== 'end') {
      output.emit(batch)
      return 'more'
    }
    this.#isFinished = true
    output.finishSplit(this.#index)
    return 'finished'
  }

  snapshot(): readonly { id: string; position: number; finished: boolean }[] {
    if (this.#index === undefined) return []
    return [{ id: 'test', position: this.#feed.position, finished: this.#isFinished }]
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** A sink that keeps every row for the test to look at. */
export class TestCollector {
  readonly rows: unknown[] = []

  definition(schema: SchemaData | undefined): SinkDefinition {
    return {
      kind: 'test',
      parameters: {},
      ...(schema === undefined ? {} : { schema }),
      createWriter: () => ({
        write: (batch) => {
          this.rows.push(...batch.rows.slice(0, batch.count))
        },
        ready: () => true,
        prepareCommit: () => Promise.resolve([]),
        close: () => Promise.resolve(),
      }),
    }
  }
}
