import { assert } from '../base/assert.ts'
import { MAX_WATERMARK } from '../stream/elements.ts'

/** A subtask of an aligned source, and its place on the board. */
export interface AlignedSubtask {
  readonly slot: number
  readonly vertex: number
  readonly subtask: number
}

/** Who is furthest behind. */
export interface Slowest {
  readonly ms: number
  readonly of: AlignedSubtask
}

/**
 * The watermark of each subtask of the aligned sources, in memory that all workers share: a slot
 * for each subtask, which only that subtask writes. MAX_WATERMARK: nobody waits for it, because it
 * has ended, is idle or has no split yet. Who reads a slot may see a value that is a moment old.
 */
export class AlignmentBoard {
  readonly #slots: BigInt64Array

  constructor(buffer: SharedArrayBuffer) {
    this.#slots = new BigInt64Array(buffer)
  }

  static create(slots: number): SharedArrayBuffer {
    const buffer = new SharedArrayBuffer(slots * BigInt64Array.BYTES_PER_ELEMENT)
    new BigInt64Array(buffer).fill(BigInt(MAX_WATERMARK))
    return buffer
  }

  publish(slot: number, ms: number): void {
    assert(Number.isSafeInteger(ms) && slot < this.#slots.length)
    Atomics.store(this.#slots, slot, BigInt(ms))
  }

  /** Undefined: there is nobody to wait for. */
  slowest(subtasks: readonly AlignedSubtask[]): Slowest | undefined {
    let ms = MAX_WATERMARK
    let slowest: AlignedSubtask | undefined
    for (const of of subtasks) {
      const other = Number(Atomics.load(this.#slots, of.slot))
      if (other >= ms) continue
      ms = other
      slowest = of
    }
    return slowest === undefined ? undefined : { ms, of: slowest }
  }
}
