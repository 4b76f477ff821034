import type { StreamOperator } from '../operator/operator.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import type { AlignmentBounds } from '../time/watermark-alignment.ts'
import type { AlignedSubtask, AlignmentBoard } from './alignment-board.ts'
import { assert } from '../base/assert.ts'
import { MAX_WATERMARK, MIN_WATERMARK } from '../stream/elements.ts'
import { approximateBytes } from './approximate-bytes.ts'
import { BytesAhead } from './bytes-ahead.ts'

export interface AlignmentParts {
  readonly board: AlignmentBoard
  readonly own: AlignedSubtask
  /** All subtasks that this one must not run away from, itself included. */
  readonly peers: readonly AlignedSubtask[]
  readonly bounds: AlignmentBounds
  /** The steps of the chain that assign times; of several the one furthest behind counts. */
  readonly assigners: readonly StreamOperator[]
}

/**
 * Decides when a source's subtask, or a split of it, is to pause because it is far ahead of others.
 *
 * P1. It pauses while its watermark is more than `maxDriftMs` ahead of the slowest of its peers, and
 *     it has read more than `readAheadBytes` of what lies that far ahead.
 * P2. No deadlock: each waits only for one that is behind it, so the slowest of all never waits. A
 *     paused one still takes barriers and commands and sends what it has read. What it has sent
 *     keeps no room that the slowest needs: a step reads each channel as long as its own output has
 *     room, and keeps in its state what must wait for event time.
 * P3. Nobody waits for one that is idle, has ended or has no split; and who is idle does not pause.
 */
export class SourceAlignment {
  readonly #parts: AlignmentParts
  readonly #ahead: BytesAhead
  #publishedMs = MAX_WATERMARK
  /** P1, when it was last looked up. */
  #limitMs = -Infinity
  #waitsFor: AlignedSubtask | undefined
  /** For people: whom it has waited for since it was last asked. */
  #waitedFor: AlignedSubtask | undefined
  #ended = false

  constructor(parts: AlignmentParts) {
    assert(parts.assigners.length > 0 && parts.peers.includes(parts.own))
    this.#parts = parts
    this.#ahead = new BytesAhead(parts.bounds.readAheadBytes)
  }

  /** Tells the others how far this subtask is. */
  publish(): void {
    const ms = this.#ownMs()
    if (ms === this.#publishedMs) return
    this.#publishedMs = ms
    this.#parts.board.publish(this.#parts.own.slot, ms)
  }

  /** Nothing more is read, whatever splits are still open. */
  end(): void {
    this.#ended = true
    this.publish()
  }

  /** A batch has been read and has gone through the assigners. `bytes` as read, where known. */
  took(batch: RecordBatch, bytes: number | undefined): void {
    this.publish()
    const split = typeof batch.splits === 'number' ? batch.splits : undefined
    const ms = this.#reachedMs(split)
    this.#look()
    if (ms > this.#limitMs) this.#ahead.add(ms, bytes ?? approximateBytes(batch))
  }

  /** P1, for a split, or for the subtask as a whole. */
  mustPause(split: number | undefined): boolean {
    const { readAheadBytes } = this.#parts.bounds
    if (this.#ended || this.#ahead.bytes <= readAheadBytes) return false
    this.publish()
    const ms = split === undefined ? this.#ownMs() : this.#reachedMs(split)
    if (ms === MAX_WATERMARK) return false
    this.#look()
    if (ms <= this.#limitMs || this.#ahead.bytes <= readAheadBytes) return false
    this.#waitedFor = this.#waitsFor
    return true
  }

  /** Whom this subtask, or a split of it, has waited for since the last call. */
  takeWaitedFor(): AlignedSubtask | undefined {
    const waitedFor = this.#waitedFor
    this.#waitedFor = undefined
    return waitedFor
  }

  /** MAX_WATERMARK: idle, ended or without a split. */
  #ownMs(): number {
    if (this.#ended) return MAX_WATERMARK
    let ms = MAX_WATERMARK
    for (const assigner of this.#parts.assigners) ms = Math.min(ms, assigner.leastSplitMs!())
    return ms
  }

  /** Of a split; where a step has lost which split records come from, of all of them. */
  #reachedMs(split: number | undefined): number {
    const ownMs = this.#ownMs()
    if (split === undefined) return ownMs
    let ms = MAX_WATERMARK
    for (const assigner of this.#parts.assigners) {
      ms = Math.min(ms, assigner.splitWatermark!(split))
    }
    return Math.max(ms, ownMs === MAX_WATERMARK ? MIN_WATERMARK : ownMs)
  }

  #look(): void {
    const { board, peers, bounds } = this.#parts
    const slowest = board.slowest(peers)
    this.#waitsFor = slowest?.of
    this.#limitMs = slowest === undefined ? Infinity : slowest.ms + bounds.maxDriftMs
    this.#ahead.passed(this.#limitMs)
  }
}
