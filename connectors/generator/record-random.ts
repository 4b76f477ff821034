import type { Random } from '../../engine/index.ts'

/**
 * Chance that depends on a seed and the index of a record only: the same record is generated
 * whichever subtask makes it, and again after a restart. Algorithm: mulberry32 (T. Ettinger),
 * begun at a mixed (seed, index).
 */
export class RecordRandom implements Random {
  readonly #seed: number
  #state = 0

  constructor(seed: number) {
    this.#seed = Math.imul(seed | 0, 0x9e3779b1)
  }

  /** Begins the numbers of record `index`. */
  begin(index: number): void {
    let mixed = this.#seed ^ Math.imul(index | 0, 0x85ebca6b) ^ Math.floor(index / 2 ** 32)
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    this.#state = (mixed ^ (mixed >>> 15)) >>> 0
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  int(bound: number): number {
    return Math.floor(this.next() * bound)
  }

  hex(bytes: number): string {
    let text = ''
    for (let index = 0; index < bytes; index += 1) {
      text += this.int(256).toString(16).padStart(2, '0')
    }
    return text
  }
}
