import { heapKey } from '../stream/key-codec.ts'
import type { HeapKey } from './entry-table.ts'
import { EntryTable } from './entry-table.ts'

const NAN_KEY = '\u0000NaN'

/** `heapKey` of the key codec, but for NaN, which is not `===` itself. */
export function heapKeyOf(key: unknown): HeapKey {
  if (typeof key === 'number') return key === key ? key : NAN_KEY
  return heapKey(key)
}

/** Heap bytes of an entry without its key and values, with its place in the table. Measured. */
export const ENTRY_BYTES = 200

/** What has changed of one key: all that cells are made of. */
export interface Changes {
  readonly key: unknown
  readonly dirtyMask: number
  readonly isPersisted: boolean
  slot(index: number): unknown
}

/**
 * All state of one key on the heap.
 *
 * N1. `dirtyAt` is 0 when nothing changed that is not in a run or file, else the generation of the
 *     changes. A generation below the current one is frozen: it must be encoded, once, before
 *     anything of the entry is changed or handed out.
 * N2. An entry dirty in the current generation stands once in its table's `dirty`, at `dirtyIndex`.
 */
export class StateEntry implements Changes {
  // What every record touches stands first, on the object's first cache line.
  readonly heapKey: HeapKey
  /** Slot of the state declared first; `rest` has the others. Undefined: nothing there. */
  first: unknown = undefined
  dirtyAt = 0
  /** A bit for each changed state; the last one stands for all from the 32nd on. */
  dirtyMask = 0
  /** Used since the cache's hand passed. */
  isTouched = true
  rest: unknown[] | undefined = undefined
  bytes = 0
  /** What the store has of it, or will have after its batch, is what is here. */
  isStoreEqual = false
  /** A batch to the scratch store has it; it stays until that is done. */
  isLeaving = false
  /** The scratch store has a value of it, perhaps an old one. */
  isInStore = false
  /** A run or file may have cells of it: what is removed needs a tombstone. */
  isPersisted = false
  dirtyIndex = 0
  readonly key: unknown
  readonly hash: number
  readonly table: KeyGroupTable

  constructor(key: unknown, heapKey: HeapKey, hash: number, table: KeyGroupTable) {
    this.key = key
    this.hash = hash
    this.heapKey = heapKey
    this.table = table
  }

  slot(index: number): unknown {
    return index === 0 ? this.first : this.rest?.[index - 1]
  }

  setSlot(index: number, slot: unknown): void {
    if (index === 0) this.first = slot
    else (this.rest ??= [])[index - 1] = slot
  }

  get isEmpty(): boolean {
    if (this.first !== undefined) return false
    return this.rest === undefined || this.rest.every((slot) => slot === undefined)
  }
}

/** The heap's part of one key group. */
export class KeyGroupTable {
  readonly keyGroup: number
  readonly entries = new EntryTable<StateEntry>()
  dirty: StateEntry[] = []
  /** Keys of the group that the scratch store has: with none, a miss is no read. */
  storedKeys = 0

  constructor(keyGroup: number) {
    this.keyGroup = keyGroup
  }
}

/** Takes `item` out of a list of dirty things where each knows its place. */
export function removeDirty<T extends { dirtyIndex: number }>(dirty: T[], item: T): void {
  const last = dirty.pop()!
  if (last === item) return
  dirty[item.dirtyIndex] = last
  last.dirtyIndex = item.dirtyIndex
}
