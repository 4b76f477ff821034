import type { Cell } from './cell.ts'
import { CELL_BYTES, cellLength } from './cell.ts'
import type { KeyedTimer } from './keyed-timer.ts'
import type { StateEntry } from './state-entry.ts'

/**
 * What changed between two barriers, cut off by the second.
 *
 * G1. Each entry and timer of it is encoded once: by the writer, or before that by whoever is
 *     about to change it. What was encoded early waits here as cells.
 */
export class FrozenGeneration {
  readonly generation: number
  readonly checkpointId: number
  /** By table. */
  readonly entries: (StateEntry[] | undefined)[] = []
  readonly timers: (KeyedTimer[] | undefined)[][] = []
  readonly #early: (Cell[] | undefined)[] = []
  readonly #earlyBytes: number[] = []
  /** Estimated heap bytes of all cells that were encoded early and wait for the writer. */
  earlyBytes = 0

  constructor(generation: number, checkpointId: number) {
    this.generation = generation
    this.checkpointId = checkpointId
  }

  /** Whether something of the table is left to be written. */
  has(table: number): boolean {
    if (this.entries[table] !== undefined || this.#early[table] !== undefined) return true
    return this.timers.some((lists) => lists[table] !== undefined)
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
    this.#earlyBytes[table] = (this.#earlyBytes[table] ?? 0) + bytes
    this.earlyBytes += bytes
  }

  /** The table is done: nothing can be encoded early any more. */
  takeEarlyCells(table: number): Cell[] {
    const cells = this.#early[table] ?? []
    this.#early[table] = undefined
    this.earlyBytes -= this.#earlyBytes[table] ?? 0
    this.#earlyBytes[table] = 0
    return cells
  }
}
