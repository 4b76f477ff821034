import type { StateEntry } from './state-entry.ts'

const WIDTH = 4

/** Estimated heap bytes of a kept change, without its key and value. */
export const KEPT_BYTES = 40

/**
 * What entries held at a barrier, kept for the snapshot by the records that changed them since.
 * That costs a fraction of encoding, which the writer then pays for out of its share of time.
 *
 * One flat list: the garbage collector would feel an object for each of a million.
 */
export class KeptChanges {
  readonly #hasOneState: boolean
  /** Key, slot or list of slots, dirty mask, isPersisted. */
  readonly #parts: unknown[] = []

  /** `states`: how many the step declares. */
  constructor(states: number) {
    this.#hasOneState = states === 1
  }

  get length(): number {
    return this.#parts.length / WIDTH
  }

  add(entry: StateEntry): void {
    const slots = this.#hasOneState ? entry.first : [entry.first, ...(entry.rest ?? [])]
    this.#parts.push(entry.key, slots, entry.dirtyMask, entry.isPersisted)
  }

  key(index: number): unknown {
    return this.#parts[index * WIDTH]
  }

  slot(index: number, state: number): unknown {
    const slots = this.#parts[index * WIDTH + 1]
    return this.#hasOneState ? slots : (slots as unknown[])[state]
  }

  dirtyMask(index: number): number {
    return this.#parts[index * WIDTH + 2] as number
  }

  isPersisted(index: number): boolean {
    return this.#parts[index * WIDTH + 3] as boolean
  }
}
