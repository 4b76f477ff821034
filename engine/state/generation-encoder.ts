import type { Cell } from './cell.ts'
import type { CellCursor, Pace } from './cell-merge.ts'
import { ArrayCursor, NO_PACE, mergeCells } from './cell-merge.ts'
import { BlockBuilder, MemoryRun } from './cell-run.ts'
import { SORTED_CELLS, sortCells } from './cell-sort.ts'
import type { FrozenGeneration } from './frozen-generation.ts'
import type { KeyedHeap } from './keyed-heap.ts'
import type { KeyedTimers } from './keyed-timers.ts'

/**
 * Turns a frozen generation into a run, table by table and in slices, beside the record path.
 *
 * `onTable` is called after each table: what was encoded early of it waits no longer.
 * Its memory is that of the encoded cells: what was dirty on the heap, a few times smaller.
 */
export async function encodeGeneration(
  frozen: FrozenGeneration,
  heap: KeyedHeap,
  timers: KeyedTimers,
  pace: Pace,
  onTable: () => void,
): Promise<MemoryRun> {
  const blocks: Uint8Array[] = []
  const builder = new BlockBuilder((block) => blocks.push(block))
  for (const [index, table] of heap.tables.entries()) {
    const sorted = await encodeTable(frozen, index, heap, timers, pace)
    if (sorted.length === 0) continue
    onTable()
    builder.startGroup(table.keyGroup)
    await mergeCells(
      sorted,
      (cell) => {
        builder.add(cell)
      },
      { isBase: false, pace },
    )
  }
  builder.finish()
  heap.forget(frozen)
  timers.eventTime.forget(frozen)
  timers.processingTime.forget(frozen)
  timers.places.forget(frozen)
  return new MemoryRun(builder, blocks)
}

/** Sorted pieces of one table's cells. No cell is in two of them (G1). Most tables have none. */
function encodeTable(
  frozen: FrozenGeneration,
  index: number,
  heap: KeyedHeap,
  timers: KeyedTimers,
  pace: Pace,
): readonly CellCursor[] | Promise<CellCursor[]> {
  return frozen.has(index) ? encodeCells(frozen, index, heap, timers, pace) : NO_CELLS
}

const NO_CELLS: readonly CellCursor[] = []

async function encodeCells(
  frozen: FrozenGeneration,
  index: number,
  heap: KeyedHeap,
  timers: KeyedTimers,
  pace: Pace,
): Promise<CellCursor[]> {
  const pieces: CellCursor[] = []
  let cells: Cell[] = []
  const cut = (limit: number): void => {
    if (cells.length < limit) return
    pieces.push(sortedPiece(cells))
    cells = []
  }
  for (const entry of frozen.entries[index] ?? []) {
    if (entry.dirtyAt !== frozen.generation) continue
    heap.encodeChanges(entry, cells)
    if (heap.isGone(entry)) heap.remove(entry)
    cut(SORTED_CELLS)
    const pause = pace.spend(100)
    if (pause !== undefined) await pause
  }
  for (const line of [timers.eventTime, timers.processingTime, timers.places]) {
    for (const timer of frozen.timers[line.kind]?.[index] ?? []) {
      if (timer.dirtyAt !== frozen.generation) continue
      line.encode(timer, cells)
      cut(SORTED_CELLS)
      const pause = pace.spend(50)
      if (pause !== undefined) await pause
    }
  }
  // Nothing of the table is frozen any more, so nothing is kept or encoded early from here on.
  const kept = frozen.takeKept(index)
  while (kept?.next() === true) {
    heap.encode(kept, cells)
    cut(SORTED_CELLS)
    const pause = pace.spend(100)
    if (pause !== undefined) await pause
  }
  for (const cell of frozen.takeEarlyCells(index)) {
    cells.push(cell)
    cut(SORTED_CELLS)
    const pause = pace.spend(0)
    if (pause !== undefined) await pause
  }
  cut(1)
  frozen.entries[index] = undefined
  return pieces
}

function sortedPiece(cells: Cell[]): ArrayCursor {
  return new ArrayCursor(sortCells(cells))
}

/** One sorted run from cells of several spills, the oldest first. For a few cells: it never yields. */
export async function runOfCells(
  groups: readonly { readonly keyGroup: number; readonly pieces: readonly Cell[][] }[],
): Promise<MemoryRun> {
  const blocks: Uint8Array[] = []
  const builder = new BlockBuilder((block) => blocks.push(block))
  for (const { keyGroup, pieces } of groups) {
    builder.startGroup(keyGroup)
    await mergeCells(
      pieces.map((piece) => sortedPiece(piece)),
      (cell) => {
        builder.add(cell)
      },
      { isBase: false, pace: NO_PACE },
    )
  }
  builder.finish()
  return new MemoryRun(builder, blocks)
}
