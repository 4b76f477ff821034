import type {
  AssignedSplit,
  SourceReader,
  SourceSplit,
  SplitEnumerator,
  SplitPosition,
} from '../../engine/operator/source.ts'
import type { Source } from '../../engine/operator/source.ts'
import type { StreamError } from '../../engine/base/errors.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import type { Logger } from '../../engine/base/logger.ts'
import { systemDoors } from '../../engine/base/doors.ts'
import { asStreamError } from '../../engine/base/errors.ts'
import { silentLogger } from '../../engine/base/logger.ts'
import { sourceDefinition } from '../../engine/operator/source.ts'

export interface ReadRecord {
  readonly split: string
  readonly offset: number
  readonly row: unknown
}

/** What a checkpoint would hold of a source. */
export interface SourceCheckpoint {
  readonly splits: readonly SourceSplit[]
  readonly positions: readonly SplitPosition[]
}

/** Runs a source's two halves as a task would, without the task: for tests of sources. */
export class SourceDriver {
  readonly records: ReadRecord[] = []
  readonly finishedSplits: string[] = []
  readonly malformed: StreamError[] = []
  readonly #enumerator: SplitEnumerator
  readonly #reader: SourceReader
  readonly #names: string[] = []
  #splits: readonly SourceSplit[] = []
  #failure: Error | undefined
  #kicked = false
  #wake: (() => void) | undefined

  constructor(source: Source<unknown>, logger: Logger = silentLogger) {
    const definition = sourceDefinition(source)
    const doors = systemDoors(logger)
    this.#enumerator = definition.createEnumerator({ uid: 'source', doors, parallelism: 1 })
    this.#reader = definition.createReader({
      uid: 'source',
      subtask: 0,
      parallelism: 1,
      doors,
      kick: () => {
        this.#kick()
      },
      fail: (error) => {
        this.#failure ??= asStreamError(error)
        this.#kick()
      },
    })
  }

  /** Finds and assigns what is new; from a checkpoint, with its positions. */
  async discover(from?: SourceCheckpoint): Promise<void> {
    if (from !== undefined) this.#splits = from.splits
    const { splits, complete } = await this.#enumerator.discover(this.#splits)
    this.#splits = splits
    const positions = new Map(from?.positions.map((position) => [position.id, position]))
    const added: AssignedSplit[] = []
    for (const split of splits) {
      if (this.#names.includes(split.id)) continue
      const index = this.#names.push(split.id) - 1
      added.push({ ...split, index, position: positions.get(split.id)?.position })
    }
    this.#reader.addSplits(added)
    if (complete) this.#reader.noMoreSplits()
  }

  /** Polls until that many records are here; throws what the source fails with. */
  readCount(count: number, withinMs = 20_000): Promise<void> {
    return this.#pollUntil(() => this.records.length >= count, withinMs)
  }

  /** Polls to the end of a bounded source. */
  readToEnd(withinMs = 20_000): Promise<void> {
    return this.#pollUntil(() => false, withinMs)
  }

  /** Polls for a while, and is content with whatever comes. */
  async readFor(ms: number): Promise<void> {
    await this.#pollUntil(() => false, ms).catch((error: unknown) => {
      if (error !== this.#timeout) throw error
    })
  }

  rowsOf(split: string): readonly unknown[] {
    return this.records.filter((record) => record.split === split).map((record) => record.row)
  }

  get rows(): readonly unknown[] {
    return this.records.map((record) => record.row)
  }

  checkpoint(): SourceCheckpoint {
    return structuredClone({ splits: this.#splits, positions: this.#reader.snapshot() })
  }

  complete(checkpoint: SourceCheckpoint): void {
    this.#reader.checkpointCompleted?.(checkpoint.positions)
  }

  async close(): Promise<void> {
    await Promise.all([this.#enumerator.close(), this.#reader.close()])
  }

  readonly #timeout = new Error('the records did not come in time')

  async #pollUntil(isEnough: () => boolean, withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs
    while (!isEnough()) {
      if (this.#failure !== undefined) throw this.#failure
      if (performance.now() > deadline) throw this.#timeout
      const state = this.#reader.poll({
        emit: (batch) => {
          this.#take(batch)
        },
        malformed: ({ split, offset, error }) => {
          this.malformed.push(error.at({ split: this.#names[split]!, offset }))
        },
        finishSplit: (index) => {
          this.finishedSplits.push(this.#names[index]!)
        },
      })
      if (state === 'finished') return
      if (state === 'waiting') await this.#kickWithin(deadline - performance.now())
    }
  }

  #take(batch: RecordBatch): void {
    const split = this.#names[batch.splits as number]!
    for (let index = 0; index < batch.count; index += 1) {
      this.records.push({ split, offset: batch.offsets![index]!, row: batch.rows[index] })
    }
  }

  #kick(): void {
    this.#kicked = true
    this.#wake?.()
  }

  async #kickWithin(ms: number): Promise<void> {
    if (!this.#kicked) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(ms, 0) + 1)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.#wake = undefined
    this.#kicked = false
  }
}
