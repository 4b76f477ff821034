import { asStreamError } from '../base/errors.ts'
import type { StreamError } from '../base/errors.ts'
import { ByteWriter } from '../stream/byte-buffer.ts'
import type { Cell } from './cell.ts'
import { decodeEntry, encodeEntry, storeKey } from './entry-codec.ts'
import type { KeyValueOperation, KeyValueStore } from './key-value-store.ts'
import type { HeapCache, KeyedHeap } from './keyed-heap.ts'
import type { Spill } from './spill.ts'
import type { HeapKey } from './entry-table.ts'
import type { KeyGroupTable } from './state-entry.ts'
import { StateEntry, removeDirty } from './state-entry.ts'

/** Entries of one batch to the store. */
const BATCH_ENTRIES = 256
/** Batches under way at once. */
const BATCHES_MAX = 4
/** How far above its budget the heap may be. */
const SLACK = 1.25
/** Entries the hand looks at for one batch. */
const LOOKS_MAX = 4 * BATCH_ENTRIES

/**
 * Keeps the heap within its budget: entries not used of late go to the scratch store.
 *
 * W1. An entry stays on the heap until the batch that writes it is done; changed or used
 *     meanwhile, it stays for good.
 * W2. The store has nothing of a key that is not an entry's value of some moment; the heap comes
 *     first, so an old value is never seen.
 * W3. Changes that no barrier has cut yet go to the spill before their entry may leave.
 * W4. Which entries go depends on the calls only, not on time.
 */
export class StateCache implements HeapCache {
  readonly #heap: KeyedHeap
  readonly #budgetBytes: number
  readonly #spill: Spill
  #store: KeyValueStore | undefined
  readonly #openStore: () => KeyValueStore | Promise<KeyValueStore>
  #opening: Promise<KeyValueStore> | undefined
  readonly #writer = new ByteWriter()
  #batches = 0
  /** Bytes of entries that leave when their batch is done. */
  #leavingBytes = 0
  #hand = 0
  /** Place in the table under the hand. */
  #place = 0
  #error: StreamError | undefined
  #waiting: (() => void)[] = []
  #isClosed = false
  /** Bytes that could not be moved when it was last tried. */
  #stuckBytes = 0

  constructor(
    heap: KeyedHeap,
    budgetBytes: number,
    spill: Spill,
    openStore: () => KeyValueStore | Promise<KeyValueStore>,
  ) {
    this.#heap = heap
    this.#budgetBytes = budgetBytes
    this.#spill = spill
    this.#openStore = openStore
  }

  /** The heap is far above its budget because the store is behind: take no more records in. */
  get isBehind(): boolean {
    // After an error the next record shall come, and meet it.
    return this.#heap.bytes - this.#stuckBytes > this.#budgetBytes * SLACK && !this.hasFailed
  }

  /** Settles when the store has caught up, or cannot. Never rejects. */
  async whenRelieved(): Promise<void> {
    let looks = 0
    while (this.isBehind) {
      this.relieve()
      if (this.#batches > 0) {
        await this.#batchDone()
        looks = 0
        continue
      }
      looks += LOOKS_MAX
      // The hand went round twice in vain: what is left is one key, too large for any cache.
      if (looks > 2 * this.#entryCount() + LOOKS_MAX) this.#stuckBytes = this.#heap.bytes
    }
  }

  fail(error: unknown): void {
    this.#error ??= asStreamError(error, 'STATE_STORE_FAILED')
  }

  check(): void {
    if (this.#error !== undefined) throw this.#error
  }

  load(table: KeyGroupTable, key: unknown, own: HeapKey, hash: number): StateEntry | undefined {
    this.check()
    const bytes = this.#store!.getSync(storeKey(table.keyGroup, key))
    if (bytes === undefined) return undefined
    const entry = new StateEntry(key, own, hash, table)
    decodeEntry(entry, bytes, this.#heap.types)
    entry.isInStore = true
    entry.isPersisted = true
    entry.isStoreEqual = true
    this.#heap.insert(entry)
    return entry
  }

  relieve(): void {
    this.check()
    const heap = this.#heap
    // A little below the budget, so that not every record has to make room.
    const target = this.#budgetBytes * 0.95
    while (this.#batches < BATCHES_MAX && heap.bytes - this.#leavingBytes > target) {
      if (!this.#evict()) return
    }
  }

  /** Writes restored entries that never were on the heap. */
  async storeDirectly(
    operations: readonly KeyValueOperation[],
    tables: readonly KeyGroupTable[],
  ): Promise<void> {
    await (await this.#opened()).batch(operations)
    for (const table of tables) table.storedKeys += 1
  }

  async close(): Promise<void> {
    this.#isClosed = true
    while (this.#batches > 0) await this.#batchDone()
    // A store that could not be opened has failed the task already.
    await (await this.#opening?.catch(() => undefined))?.close()
  }

  /** Sends one batch off. False: nothing can go now. */
  #evict(): boolean {
    const before = this.#heap.bytes
    const operations: KeyValueOperation[] = []
    const entries: StateEntry[] = []
    const spilled = new Map<number, Cell[]>()
    for (let looks = 0; looks < LOOKS_MAX && entries.length < BATCH_ENTRIES; looks += 1) {
      const entry = this.#next()
      if (entry === undefined) break
      if (entry === this.#heap.entry || entry.isLeaving) continue
      if (entry.isTouched) {
        entry.isTouched = false
        continue
      }
      this.#takeChanges(entry, spilled)
      const operation = this.#operationFor(entry)
      if (operation === undefined) {
        this.#heap.remove(entry)
      } else {
        entry.isLeaving = true
        entry.isStoreEqual = true
        this.#leavingBytes += entry.bytes
        operations.push(operation)
        entries.push(entry)
      }
    }
    this.#spill.add(spilled)
    if (entries.length > 0) this.#stuckBytes = 0
    if (entries.length > 0) this.#send(operations, entries)
    return entries.length > 0 || this.#heap.bytes < before
  }

  /** Encodes what is frozen for its snapshot, and what is dirty for the spill (W3). */
  #takeChanges(entry: StateEntry, spilled: Map<number, Cell[]>): void {
    this.#heap.thaw(entry)
    if (entry.dirtyAt === 0) return
    const { keyGroup } = entry.table
    let cells = spilled.get(keyGroup)
    if (cells === undefined) spilled.set(keyGroup, (cells = []))
    removeDirty(entry.table.dirty, entry)
    this.#heap.encodeChanges(entry, cells)
  }

  /** Undefined: the entry can go as it is. */
  #operationFor(entry: StateEntry): KeyValueOperation | undefined {
    if (entry.isStoreEqual) return undefined
    const isEmpty = entry.isEmpty
    if (isEmpty && !entry.isInStore) return undefined
    const key = storeKey(entry.table.keyGroup, entry.key)
    if (isEmpty) return { type: 'del', key }
    return { type: 'put', key, value: encodeEntry(entry, this.#heap.types, this.#writer) }
  }

  #send(operations: readonly KeyValueOperation[], entries: readonly StateEntry[]): void {
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0)
    this.#batches += 1
    const isPut = operations.map((operation) => operation.type === 'put')
    this.#opened()
      .then((store) => store.batch(operations))
      .then(
        () => {
          for (const [index, entry] of entries.entries()) this.#written(entry, isPut[index]!)
        },
        (error: unknown) => {
          this.fail(error)
        },
      )
      .finally(() => {
        this.#batches -= 1
        this.#leavingBytes -= bytes
        // Goes on by itself: no record may come for a while.
        if (!this.#isClosed && !this.hasFailed) this.relieve()
        const waiting = this.#waiting
        this.#waiting = []
        for (const resolve of waiting) resolve()
      })
  }

  /** Whoever calls next meets the error. */
  get hasFailed(): boolean {
    return this.#error !== undefined
  }

  #entryCount(): number {
    let count = 0
    for (const { entries } of this.#heap.tables) count += entries.count
    return count
  }

  #batchDone(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #written(entry: StateEntry, isPut: boolean): void {
    if (isPut !== entry.isInStore) entry.table.storedKeys += isPut ? 1 : -1
    entry.isInStore = isPut
    entry.isLeaving = false
    // Changed or used meanwhile, it stays (W1).
    if (!entry.isStoreEqual || entry.isTouched || entry === this.#heap.entry) return
    this.#heap.remove(entry)
  }

  #opened(): Promise<KeyValueStore> {
    this.#opening ??= Promise.resolve(this.#openStore()).then((store) => (this.#store = store))
    return this.#opening
  }

  /** The entry under the clock's hand; undefined when there is none at all. */
  #next(): StateEntry | undefined {
    const { tables } = this.#heap
    for (let turns = 0; turns <= tables.length; turns += 1) {
      const entries = tables[this.#hand]?.entries
      while (entries !== undefined && this.#place < entries.capacity) {
        const entry = entries.at(this.#place)
        this.#place += 1
        if (entry !== undefined) return entry
      }
      this.#place = 0
      this.#hand = (this.#hand + 1) % Math.max(1, tables.length)
    }
    return undefined
  }
}
