import type { KeyGroupTable } from './state-entry.ts'

/** One timer of one key. `dirtyAt`, `dirtyIndex`, `isPersisted`: as in `StateEntry`. */
export class KeyedTimer {
  readonly atMs: number
  readonly key: unknown
  /** The key's canonical bytes, one a character: the order of timers of the same time. */
  readonly keyText: string
  readonly hash: number
  readonly table: KeyGroupTable
  isRegistered = false
  /** Place in the heap, -1 outside. */
  heapIndex = -1
  dirtyAt = 0
  dirtyIndex = 0
  isPersisted = false

  constructor(atMs: number, key: unknown, keyText: string, hash: number, table: KeyGroupTable) {
    this.atMs = atMs
    this.key = key
    this.keyText = keyText
    this.hash = hash
    this.table = table
  }
}
