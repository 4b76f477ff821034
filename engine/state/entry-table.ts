import { assert } from '../base/assert.ts'

/** A primitive that is the same (`===`) for equal keys. */
export type HeapKey = string | number | bigint | boolean | null

export interface TableEntry {
  readonly heapKey: HeapKey
  readonly hash: number
}

const FIRST_CAPACITY = 8

/**
 * Entries by key: open addressing with linear probing, over the hash that comes with every record.
 * A `Map` would hash each key again, and that of a text just read from a channel from its letters.
 *
 * T1. At most 0.6 of the places are taken, so a search ends soon.
 * T2. No place between an entry's home and itself is free; removing moves entries back.
 */
export class EntryTable<E extends TableEntry> {
  #hashes = new Int32Array(FIRST_CAPACITY)
  #entries: (E | undefined)[] = new Array<undefined>(FIRST_CAPACITY).fill(undefined)
  #shift = 32 - Math.log2(FIRST_CAPACITY)
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Places, taken or free: for `at`. */
  get capacity(): number {
    return this.#entries.length
  }

  at(place: number): E | undefined {
    return this.#entries[place]
  }

  find(hash: number, own: HeapKey): E | undefined {
    const entries = this.#entries
    const hashes = this.#hashes
    const mask = entries.length - 1
    for (let place = Math.imul(hash, SPREAD) >>> this.#shift; ; place = (place + 1) & mask) {
      const entry = entries[place]
      if (entry === undefined) return undefined
      if (hashes[place] === hash && entry.heapKey === own) return entry
    }
  }

  /** The entry's key is not there yet. */
  add(entry: E): void {
    if (this.#count >= this.#entries.length * 0.6) this.#grow()
    this.#count += 1
    this.#put(entry)
  }

  /** The entry is there. */
  remove(entry: E): void {
    const entries = this.#entries
    const hashes = this.#hashes
    const mask = entries.length - 1
    let hole = Math.imul(entry.hash, SPREAD) >>> this.#shift
    while (entries[hole] !== entry) {
      assert(entries[hole] !== undefined, 'an entry that is removed is in its table')
      hole = (hole + 1) & mask
    }
    for (let place = (hole + 1) & mask; entries[place] !== undefined; place = (place + 1) & mask) {
      const home = Math.imul(hashes[place]!, SPREAD) >>> this.#shift
      if (((place - home) & mask) < ((place - hole) & mask)) continue
      entries[hole] = entries[place]
      hashes[hole] = hashes[place]!
      hole = place
    }
    entries[hole] = undefined
    this.#count -= 1
  }

  #put(entry: E): void {
    const mask = this.#entries.length - 1
    let place = Math.imul(entry.hash, SPREAD) >>> this.#shift
    while (this.#entries[place] !== undefined) place = (place + 1) & mask
    this.#entries[place] = entry
    this.#hashes[place] = entry.hash
  }

  #grow(): void {
    const old = this.#entries
    const capacity = old.length * 2
    this.#entries = new Array<undefined>(capacity).fill(undefined)
    this.#hashes = new Int32Array(capacity)
    this.#shift -= 1
    for (const entry of old) if (entry !== undefined) this.#put(entry)
  }
}

/** All keys of a table are of one group, so the low bits of their hashes say little (Fibonacci). */
const SPREAD = 0x9e37_79b1
