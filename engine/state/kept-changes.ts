import type { Changes, StateEntry } from './state-entry.ts'

const WIDTH = 4

/** Estimated heap bytes of a kept change, without its key and value. */
export const KEPT_BYTES = 40

/**
 * What entries held at a barrier, kept for the snapshot by the records that changed them since.
 * That costs a fraction of encoding, which the writer then pays for out of its share of time.
 *
 * One flat list, read change by change: the garbage collector would feel an object for each of a
 * million.
 */
export class KeptChanges implements Changes {
  readonly #hasOneState: boolean
  /** Key, slot or list of slots, dirty mask, isPersisted. */
  readonly #parts: unknown[] = []
  /** Where the change at hand begins. */
  #at = -WIDTH

  /** `states`: how many the step declares. */
  constructor(states: number) {
    this.#hasOneState = states === 1
  }

  add(entry: StateEntry): void {
    const slots = this.#hasOneState ? entry.first : [entry.first, ...(entry.rest ?? [])]
    this.#parts.push(entry.key, slots, entry.dirtyMask, entry.isPersisted)
  }

  /** Goes to the next change, the first at first. False: there is none. */
  next(): boolean {
    this.#at += WIDTH
    return this.#at < this.#parts.length
  }

  get key(): unknown {
    return this.#parts[this.#at]
  }

  slot(index: number): unknown {
    const slots = this.#parts[this.#at + 1]
    return this.#hasOneState ? slots : (slots as unknown[])[index]
  }

  get dirtyMask(): number {
    return this.#parts[this.#at + 2] as number
  }

  get isPersisted(): boolean {
    return this.#parts[this.#at + 3] as boolean
  }
}
