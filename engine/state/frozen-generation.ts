import type { Cell } from './cell.ts'
import { CELL_BYTES, cellLength } from './cell.ts'
import { KEPT_BYTES, KeptChanges } from './kept-changes.ts'
import type { KeyedTimer } from './keyed-timer.ts'
import type { StateEntry } from './state-entry.ts'

/**
 * What changed between two barriers, cut off by the second.
 *
 * G1. Each entry and timer of it is encoded once. A change may come before the writer does. Old
 *     values that cannot be changed in place (numbers, text) are then kept here, for the writer to
 *     encode; others are encoded at once, and their cells wait here.
 */
export class FrozenGeneration {
  readonly generation: number
  readonly checkpointId: number
  /** By table. */
  readonly entries: (StateEntry[] | undefined)[] = []
  readonly timers: (KeyedTimer[] | undefined)[][] = []
  readonly #kept: (KeptChanges | undefined)[] = []
  readonly #early: (Cell[] | undefined)[] = []
  readonly #earlyBytes: number[] = []
  /** Estimated heap bytes of all that was kept or encoded early and waits for the writer. */
  earlyBytes = 0

  constructor(generation: number, checkpointId: number) {
    this.generation = generation
    this.checkpointId = checkpointId
  }

  /** Whether something of the table is left to be written. */
  has(table: number): boolean {
    if (this.entries[table] !== undefined || this.#early[table] !== undefined) return true
    if (this.#kept[table] !== undefined) return true
    return this.timers.some((lists) => lists[table] !== undefined)
  }

  /** Keeps what a frozen entry of the table holds; `bytes` of it are its key and values. */
  keep(table: number, entry: StateEntry, states: number, bytes: number): void {
    const kept = (this.#kept[table] ??= new KeptChanges(states))
    kept.add(entry)
    this.#count(table, KEPT_BYTES + bytes)
  }

  /** Nothing of the table's entries is frozen any more: no further change will be kept. */
  takeKept(table: number): KeptChanges | undefined {
    const kept = this.#kept[table]
    this.#kept[table] = undefined
    return kept
  }

  earlyCells(table: number): Cell[] {
    return (this.#early[table] ??= [])
  }

  /** The cells of the table from `first` on are new. */
  countEarly(table: number, first: number): void {
    const cells = this.earlyCells(table)
    let bytes = 0
    for (let index = first; index < cells.length; index += 1) {
      bytes += CELL_BYTES + cellLength(cells[index]!)
    }
    this.#count(table, bytes)
  }

  /** The table is done: nothing can be encoded early any more. */
  takeEarlyCells(table: number): Cell[] {
    const cells = this.#early[table] ?? []
    this.#early[table] = undefined
    this.earlyBytes -= this.#earlyBytes[table] ?? 0
    this.#earlyBytes[table] = 0
    return cells
  }

  #count(table: number, bytes: number): void {
    this.#earlyBytes[table] = (this.#earlyBytes[table] ?? 0) + bytes
    this.earlyBytes += bytes
  }
}
