import type { Clock } from '../base/clock.ts'
import type { StreamNode } from '../graph/stream-graph.ts'
import type {
  AssignedSplit,
  SequencePlaces,
  SourceOutput,
  SourceReader,
} from '../operator/source.ts'

export interface SourcePace {
  /** Most records of a batch. */
  readonly batchRecords?: number
  /** From one look for records to the next. */
  readonly pollMs?: number
}

/** The node with its source slowed down, so that checkpoints come between its batches. */
export function pacedNode(node: StreamNode, { batchRecords, pollMs }: SourcePace): StreamNode {
  if (node.runtime.type !== 'source') return node
  const { source } = node.runtime
  return {
    ...node,
    runtime: {
      type: 'source',
      source: {
        ...source,
        createReader: (context) => {
          const { clock } = context.doors
          const reader = source.createReader({ ...context, batchRecords })
          if (pollMs === undefined) return reader
          return new PacedReader(reader, pollMs, clock, () => {
            context.kick()
          })
        },
      },
    },
  }
}

class PacedReader implements SourceReader {
  readonly #reader: SourceReader
  readonly #pollMs: number
  readonly #clock: Clock
  readonly #kick: () => void
  #isResting = false

  constructor(reader: SourceReader, pollMs: number, clock: Clock, kick: () => void) {
    this.#reader = reader
    this.#pollMs = pollMs
    this.#clock = clock
    this.#kick = kick
  }

  poll(output: SourceOutput): 'more' | 'waiting' | 'finished' {
    if (this.#isResting) return 'waiting'
    const found = this.#reader.poll(output)
    if (found !== 'more') return found
    this.#isResting = true
    this.#clock.timer(this.#pollMs, () => {
      this.#isResting = false
      this.#kick()
    })
    return 'waiting'
  }

  get readsInTurn(): boolean {
    return this.#reader.readsInTurn ?? false
  }

  addSplits(splits: readonly AssignedSplit[]): void {
    this.#reader.addSplits(splits)
  }

  sequencesGrew(places: SequencePlaces): void {
    this.#reader.sequencesGrew?.(places)
  }

  isQueued(index: number): boolean {
    return this.#reader.isQueued?.(index) ?? false
  }

  noMoreSplits(): void {
    this.#reader.noMoreSplits()
  }

  snapshot(): ReturnType<SourceReader['snapshot']> {
    return this.#reader.snapshot()
  }

  checkpointCompleted(positions: ReturnType<SourceReader['snapshot']>): void {
    this.#reader.checkpointCompleted?.(positions)
  }

  close(): Promise<void> {
    return this.#reader.close()
  }
}
