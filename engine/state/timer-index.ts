import type { KeyedTimer } from './keyed-timer.ts'

const FIRST_CAPACITY = 64

/** Finds a timer by time and key: open addressing, linear probing, at most half full. */
export class TimerIndex {
  #slots: (KeyedTimer | undefined)[] = new Array<undefined>(FIRST_CAPACITY).fill(undefined)
  #count = 0

  get count(): number {
    return this.#count
  }

  find(atMs: number, hash: number, keyText: string): KeyedTimer | undefined {
    const mask = this.#slots.length - 1
    for (let at = place(atMs, hash) & mask; ; at = (at + 1) & mask) {
      const timer = this.#slots[at]
      if (timer === undefined) return undefined
      if (timer.atMs === atMs && timer.hash === hash && timer.keyText === keyText) return timer
    }
  }

  /** The timer is not there yet. */
  add(timer: KeyedTimer): void {
    if (this.#count * 2 >= this.#slots.length) this.#grow()
    this.#count += 1
    this.#put(timer)
  }

  /** The timer is there. */
  remove(timer: KeyedTimer): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let hole = place(timer.atMs, timer.hash) & mask
    while (slots[hole] !== timer) hole = (hole + 1) & mask
    // Whatever was pushed past the hole moves back, so that no search ends too early.
    for (let at = (hole + 1) & mask; slots[at] !== undefined; at = (at + 1) & mask) {
      const other = slots[at]!
      const home = place(other.atMs, other.hash) & mask
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        slots[hole] = other
        hole = at
      }
    }
    slots[hole] = undefined
    this.#count -= 1
  }

  #put(timer: KeyedTimer): void {
    const mask = this.#slots.length - 1
    let at = place(timer.atMs, timer.hash) & mask
    while (this.#slots[at] !== undefined) at = (at + 1) & mask
    this.#slots[at] = timer
  }

  #grow(): void {
    const old = this.#slots
    this.#slots = new Array<undefined>(old.length * 2).fill(undefined)
    for (const timer of old) if (timer !== undefined) this.#put(timer)
  }
}

function place(atMs: number, hash: number): number {
  const high = Math.floor(atMs / 0x1_0000_0000) | 0
  let mixed = Math.imul((atMs | 0) ^ high ^ Math.imul(hash, 0x9e37_79b1), 0x85eb_ca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
