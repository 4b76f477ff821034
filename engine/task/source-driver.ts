import type { SplitState } from '../checkpoint/snapshot.ts'
import type { SplitChange } from '../operator/operator.ts'
import type {
  MalformedRecord,
  SequencePlaces,
  SourceOutput,
  SourceReader,
  SplitPosition,
} from '../operator/source.ts'
import type { AlignedSubtask } from './alignment-board.ts'
import type { MalformedSource } from './dead-letters.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import type { RestoredSplit } from '../worker/protocol.ts'
import { StreamError } from '../base/errors.ts'
import { MALFORMED_SIDE } from '../operator/source.ts'
import { MIN_WATERMARK } from '../stream/elements.ts'
import { DeadLetters } from './dead-letters.ts'
import type { ChainLink, OperatorChain } from './operator-chain.ts'
import type { SourceAlignment } from './source-alignment.ts'

/** Where a reader's errors come from. */
export interface SourcePlace {
  readonly operator: string
  readonly subtask: number
}

/**
 * An error of a reader with the source's uid. Readers name the split; a step further down the chain
 * has named itself already, and an error without a split is not known to be the reader's.
 */
export function atSource(thrown: unknown, place: SourcePlace): unknown {
  const isReaders =
    thrown instanceof StreamError &&
    thrown.place.operator === undefined &&
    thrown.place.split !== undefined
  return isReaders ? thrown.at(place) : thrown
}

/** Splits that a subtask is to read from now on, and what is known of the whole source. */
export interface SplitDeal {
  readonly splits: readonly RestoredSplit[]
  readonly complete: boolean
  readonly places: SequencePlaces
}

/**
 * The head of a source's chain: polls the reader and keeps what belongs to each split beside its
 * position, its watermark and whether it is finished.
 *
 * D1. A finished split stays in the state for ever, so that a restore never reads it again.
 * D2. The subtask is idle while it has no split to read and may still get one. Before its first
 *     deal it is not: others may have begun, and its splits hold their watermark back.
 * D3. While the subtask is far ahead of others (SourceAlignment) the reader is not polled; one that
 *     reads its splits in turn is told which of them are.
 */
export class SourceDriver implements SourceOutput {
  readonly #reader: SourceReader
  readonly #chain: OperatorChain
  readonly #place: SourcePlace
  readonly #assigner: ChainLink | undefined
  readonly #splits = new Map<number, RestoredSplit>()
  readonly #finished = new Map<string, SplitState>()
  readonly #letters: DeadLetters
  readonly #alignment: SourceAlignment | undefined
  /** Splits that the reader was refused, how many in its last poll, and whether it had nothing else. */
  readonly #paused = new Set<number>()
  #refused = 0
  #hasOnlyPaused = false
  #isWholePaused = false
  #complete = false
  #openSplits = 0
  #idle = false

  constructor(
    reader: SourceReader,
    chain: OperatorChain,
    source: MalformedSource,
    alignment?: SourceAlignment,
  ) {
    this.#alignment = alignment
    this.#reader = reader
    this.#chain = chain
    this.#place = { operator: source.uid, subtask: source.subtask }
    this.#letters = new DeadLetters(source)
    this.#assigner = chain.links.find((link) => link.operator.splitWatermark !== undefined)
  }

  /** Splits are about to be dealt: until they come, the watermark must not pass them (D2). */
  expectSplits(): void {
    this.#setIdle(false)
    this.#tell({ type: 'expected' })
  }

  addSplits({ splits, complete, places }: SplitDeal): void {
    const active: RestoredSplit[] = []
    for (const split of splits) {
      if (split.finished) {
        this.#finished.set(split.id, {
          id: split.id,
          position: split.position ?? split.start,
          finished: true,
          watermarkMs: split.watermarkMs ?? MIN_WATERMARK,
        })
        continue
      }
      active.push(split)
      this.#splits.set(split.index, split)
      const { index, watermarkMs, generator, sequence } = split
      const isQueued = (): boolean => this.#reader.isQueued?.(index) ?? false
      this.#tell({ type: 'added', index, watermarkMs, generator, sequence, isQueued })
    }
    this.#openSplits += active.length
    const isLast = complete && !this.#complete
    this.#complete ||= complete
    this.#tell({ type: this.#complete ? 'complete' : 'dealt' })
    this.#setIdle(this.#openSplits === 0 && !this.#complete)
    if (active.length > 0) this.#reader.addSplits(active)
    this.#reader.sequencesGrew?.(places)
    if (isLast) this.#reader.noMoreSplits()
    this.#hasOnlyPaused = false
    this.#alignment?.publish()
  }

  poll(): 'more' | 'waiting' | 'paused' | 'finished' {
    try {
      this.#refused = 0
      const state = this.#reader.poll(this)
      this.#emitLetters()
      this.#hasOnlyPaused = state === 'waiting' && this.#refused > 0
      return this.#hasOnlyPaused ? 'paused' : state
    } catch (thrown) {
      throw atSource(thrown, this.#place)
    }
  }

  /** Records that could not be decoded, since the start of this life. */
  get malformedCount(): number {
    return this.#letters.count
  }

  /** Data has arrived for the reader. */
  kicked(): void {
    this.#hasOnlyPaused = false
  }

  /** D3: polling has no use for now. */
  mustPause(): boolean {
    const alignment = this.#alignment
    if (alignment === undefined) return false
    if (this.#reader.readsInTurn !== true) {
      const isPaused = alignment.mustPause(undefined)
      if (isPaused !== this.#isWholePaused)
        this.#tell({ type: 'paused', index: undefined, paused: isPaused })
      this.#isWholePaused = isPaused
      return isPaused
    }
    if (!this.#hasOnlyPaused) return false
    for (const index of this.#paused) if (!this.isPaused(index)) this.#hasOnlyPaused = false
    return this.#hasOnlyPaused
  }

  /** Asked by readers that read in turn. */
  isPaused(index: number): boolean {
    const isPaused = this.#alignment?.mustPause(index) ?? false
    if (isPaused) this.#refused += 1
    if (isPaused === this.#paused.has(index)) return isPaused
    if (isPaused) this.#paused.add(index)
    else this.#paused.delete(index)
    this.#tell({ type: 'paused', index, paused: isPaused })
    return isPaused
  }

  /** Tells the others how far this subtask is: they pause when they are far ahead of it. */
  publish(): void {
    this.#alignment?.publish()
  }

  endInput(): void {
    this.#alignment?.end()
  }

  /** Whom this subtask has waited for since the last call. */
  takeWaitedFor(): AlignedSubtask | undefined {
    return this.#alignment?.takeWaitedFor()
  }

  emit(batch: RecordBatch, bytes?: number): void {
    this.#chain.processBatch(batch, 0, 0)
    this.#alignment?.took(batch, bytes)
  }

  malformed(record: MalformedRecord): void {
    this.#letters.add(record, this.#splits.get(record.split)!.id)
  }

  finishSplit(index: number): void {
    this.#openSplits -= 1
    this.#paused.delete(index)
    this.#tell({ type: 'finished', index })
    this.#setIdle(this.#openSplits === 0 && !this.#complete)
  }

  restSplit(index: number, resting: boolean): void {
    this.#tell({ type: 'resting', index, resting })
  }

  snapshot(): readonly SplitState[] {
    const indices = new Map([...this.#splits.values()].map((split) => [split.id, split.index]))
    const states: SplitState[] = [...this.#finished.values()]
    for (const { id, position, finished } of this.#reader.snapshot()) {
      const index = indices.get(id)
      const operator = this.#assigner?.operator
      const watermarkMs =
        index === undefined || operator === undefined
          ? MIN_WATERMARK
          : operator.splitWatermark!(index)
      const generator = index === undefined ? undefined : operator?.splitGenerator?.(index)
      const kept = generator === undefined ? {} : { generator }
      states.push({ id, position, finished, watermarkMs, ...kept })
    }
    return states
  }

  completed(positions: readonly SplitPosition[]): void {
    this.#reader.checkpointCompleted?.(positions)
  }

  close(): Promise<void> {
    return this.#reader.close()
  }

  #emitLetters(): void {
    const batch = this.#letters.take()
    if (batch === undefined) return
    this.#chain.head.emitTo(MALFORMED_SIDE, batch)
  }

  #tell(change: SplitChange): void {
    for (const link of this.#chain.links) link.operator.onSplit?.(change)
  }

  /** An assigner in the chain takes this in, and says it for itself once its splits are known. */
  #setIdle(idle: boolean): void {
    if (idle === this.#idle) return
    this.#idle = idle
    this.#chain.offerIdle(idle)
  }
}
