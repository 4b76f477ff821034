import { assert } from '../base/assert.ts'
import { StreamError } from '../base/errors.ts'
import type { KeyGroupRange } from '../stream/keys.ts'
import type { Cell } from './cell.ts'
import type { FrozenGeneration } from './frozen-generation.ts'
import { keyText } from './key-text.ts'
import type { HeapKey } from './entry-table.ts'
import type { Changes } from './state-entry.ts'
import { ENTRY_BYTES, KeyGroupTable, StateEntry, heapKeyOf, removeDirty } from './state-entry.ts'
import type { StateType } from './state-type.ts'
import { estimateBytes } from './state-type.ts'

/** Brings back what was moved off the heap, and moves it there when the heap is full. */
export interface HeapCache {
  /** The entry of the current key from the scratch store; called when its group has keys there. */
  load(table: KeyGroupTable, key: unknown, own: HeapKey, hash: number): StateEntry | undefined
  /** The heap holds more than its budget. */
  relieve(): void
}

/**
 * The tables of one subtask, the current key, and what has changed since the last barrier.
 *
 * H1. One lookup a record: `setCurrentKey` finds the entry, the handles use it.
 * H2. `generation` counts barriers. What is dirty in an older one is frozen (StateEntry N1), and
 *     `thaw` or `change` comes before anything that could alter it.
 * H3. An entry is in its table as long as it holds anything that is nowhere else.
 */
export class KeyedHeap {
  readonly tables: readonly KeyGroupTable[]
  readonly types: StateType[] = []
  entry: StateEntry | undefined = undefined
  currentKey: unknown = undefined
  currentHash = 0
  currentTable: KeyGroupTable
  generation = 1
  /** Estimated bytes of all entries. */
  bytes = 0
  readonly #first: number
  readonly #maxParallelism: number
  readonly #budgetBytes: number
  readonly #cache: HeapCache
  readonly #frozen = new Map<number, FrozenGeneration>()
  #heapKey: HeapKey = null
  #fixedBytes = ENTRY_BYTES

  constructor(
    range: KeyGroupRange,
    maxParallelism: number,
    budgetBytes: number,
    cache: (heap: KeyedHeap) => HeapCache,
  ) {
    const tables: KeyGroupTable[] = []
    for (let group = range.first; group <= range.last; group += 1) {
      tables.push(new KeyGroupTable(group))
    }
    this.tables = tables
    // A subtask without key groups gets no record; the table is never used.
    this.currentTable = tables[0] ?? new KeyGroupTable(range.first)
    this.#first = range.first
    this.#maxParallelism = maxParallelism
    this.#budgetBytes = budgetBytes
    this.#cache = cache(this)
  }

  addType(type: StateType): void {
    this.types.push(type)
    this.#fixedBytes += type.fixedBytes ?? 0
  }

  setCurrentKey(key: unknown, hash: number): void {
    const table = this.tables[((hash >>> 0) % this.#maxParallelism) - this.#first]
    if (table === undefined) throw this.#foreignKey(key, hash)
    const own = heapKeyOf(key)
    this.currentKey = key
    this.currentHash = hash
    this.currentTable = table
    this.#heapKey = own
    if (this.bytes > this.#budgetBytes) this.#cache.relieve()
    let entry = table.entries.find(hash, own)
    if (entry === undefined && table.storedKeys > 0) entry = this.#cache.load(table, key, own, hash)
    if (entry !== undefined) entry.isTouched = true
    this.entry = entry
  }

  /** The current key's entry, made when missing, ready for a change in this generation. */
  change(): StateEntry {
    const entry = this.entry ?? this.#create()
    if (entry.dirtyAt !== this.generation) this.#markDirty(entry)
    return entry
  }

  /** To be called before an object of the entry is handed out. */
  thaw(entry: StateEntry): void {
    if (entry.dirtyAt !== 0 && entry.dirtyAt !== this.generation) this.#encodeFrozen(entry)
  }

  /** Estimates the entry anew, after values of varying size have changed. */
  measure(entry: StateEntry): void {
    let bytes = ENTRY_BYTES + keyBytes(entry.heapKey)
    for (const type of this.types) bytes += type.sizeOf(entry.slot(type.index))
    this.bytes += bytes - entry.bytes
    entry.bytes = bytes
  }

  /** Adds cells for the entry's changes; they then count as persisted. */
  encodeChanges(entry: StateEntry, cells: Cell[]): void {
    this.encode(entry, cells)
    becomeClean(entry)
  }

  /** Adds cells for what has changed. */
  encode(changes: Changes, cells: Cell[]): void {
    const text = keyText(changes.key)
    for (const type of this.types) {
      if ((changes.dirtyMask & type.bit) === 0) continue
      const slot = changes.slot(type.index)
      type.encodeChanges(slot, text + type.idText, changes.isPersisted, cells)
    }
  }

  /** Cuts at a barrier: all that is dirty belongs to `frozen` from now on. */
  freeze(frozen: FrozenGeneration): void {
    // Whoever got an object of the current key may still change it in place.
    const { entry } = this
    assert(frozen.generation === this.generation, 'a barrier freezes the current generation')
    for (const [index, table] of this.tables.entries()) {
      if (table.dirty.length === 0) continue
      frozen.entries[index] = table.dirty
      table.dirty = []
    }
    this.#frozen.set(this.generation, frozen)
    this.generation += 1
    if (entry !== undefined) this.thaw(entry)
  }

  /** All of the generation is encoded. */
  forget(frozen: FrozenGeneration): void {
    this.#frozen.delete(frozen.generation)
  }

  /** Puts an entry that was restored or read back into its table. */
  insert(entry: StateEntry): void {
    entry.table.entries.add(entry)
    this.measure(entry)
  }

  /** Takes an entry off the heap. Whatever it holds is elsewhere, or nothing (H3). */
  remove(entry: StateEntry): void {
    assert(entry !== this.entry, 'the current entry stays')
    if (entry.dirtyAt === this.generation) removeDirty(entry.table.dirty, entry)
    entry.dirtyAt = 0
    entry.table.entries.remove(entry)
    this.bytes -= entry.bytes
  }

  /** Nothing of it is anywhere, and nobody has it in hand. */
  isGone(entry: StateEntry): boolean {
    return !entry.isInStore && !entry.isLeaving && entry !== this.entry && entry.isEmpty
  }

  #create(): StateEntry {
    const entry = new StateEntry(
      this.currentKey,
      this.#heapKey,
      this.currentHash,
      this.currentTable,
    )
    entry.bytes = this.#fixedBytes + keyBytes(this.#heapKey)
    this.bytes += entry.bytes
    this.currentTable.entries.add(entry)
    this.entry = entry
    return entry
  }

  #markDirty(entry: StateEntry): void {
    if (entry.dirtyAt !== 0) this.#encodeFrozen(entry)
    entry.dirtyAt = this.generation
    entry.isStoreEqual = false
    entry.dirtyIndex = entry.table.dirty.push(entry) - 1
  }

  #encodeFrozen(entry: StateEntry): void {
    const frozen = this.#frozen.get(entry.dirtyAt)
    assert(frozen !== undefined, 'a frozen entry belongs to a generation that is being written')
    const table = entry.table.keyGroup - this.#first
    if (this.#canKeep(entry)) {
      const own = this.#fixedBytes - ENTRY_BYTES + keyBytes(entry.heapKey)
      frozen.keep(table, entry, this.types.length, own)
      becomeClean(entry)
      return
    }
    const cells = frozen.earlyCells(table)
    const first = cells.length
    this.encodeChanges(entry, cells)
    frozen.countEarly(table, first)
  }

  /** Whether nothing that has changed in it can be changed in place. */
  #canKeep(entry: StateEntry): boolean {
    for (const type of this.types) {
      if ((entry.dirtyMask & type.bit) === 0) continue
      if (typeof entry.slot(type.index) === 'object') return false
    }
    return true
  }

  #foreignKey(key: unknown, hash: number): StreamError {
    const group = (hash >>> 0) % this.#maxParallelism
    return new StreamError(
      'ASSERTION_FAILED',
      `a record with a key of group ${group} (${typeof key}) reached a subtask that does not own it`,
    )
  }
}

/** Its changes are encoded, or kept. */
function becomeClean(entry: StateEntry): void {
  // An empty entry has left tombstones, and nothing that would need them again.
  entry.isPersisted = !entry.isEmpty
  entry.dirtyMask = 0
  entry.dirtyAt = 0
}

function keyBytes(own: HeapKey): number {
  return typeof own === 'string' || typeof own === 'bigint' ? estimateBytes(own) : 0
}
