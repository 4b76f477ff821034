/**
 * Merging runs, newest cell first.
 *
 * M1. A source later in the list is newer. Of cells with the same `sort` the newest counts.
 * M2. CLEAR of a source hides all cells of its key and state in older sources.
 * M3. Memory is bounded by a read of each source; between two slices others run.
 */
import type { Cell } from './cell.ts'
import type { CellRun, GroupIndex } from './cell-run.ts'
import { BLOCK_HEAD_BYTES, BlockReader, findGroup, isBlockWhole } from './cell-run.ts'
import { CLEAR, VALUE, cellLength } from './cell.ts'
import { damaged } from './state-file.ts'

/** Bytes read of a run at once. */
const READ_BYTES = 64 * 1_024

/** The cells of one key group of one source, in order. */
export interface CellCursor {
  /** Undefined: call `load`. */
  next(): Cell | undefined
  /** False: there are no more. */
  load(): Promise<boolean>
}

/** Gives the loop to others every so many cells or bytes. */
export interface Pace {
  /** Returns a promise when it is time to yield, and undefined otherwise. */
  spend(bytes: number): Promise<void> | undefined
}

export const NO_PACE: Pace = { spend: () => undefined }

export class ArrayCursor implements CellCursor {
  readonly #cells: readonly Cell[]
  #at = 0

  constructor(cells: readonly Cell[]) {
    this.#cells = cells
  }

  next(): Cell | undefined {
    return this.#cells[this.#at++]
  }

  load(): Promise<boolean> {
    return Promise.resolve(false)
  }
}

export class RunCursor implements CellCursor {
  readonly #run: CellRun
  #offset: number
  readonly #end: number
  #bytes: Uint8Array = new Uint8Array(0)
  #at = 0
  #block: BlockReader | undefined

  constructor(run: CellRun, group: GroupIndex) {
    this.#run = run
    this.#offset = group.offset
    this.#end = group.offset + group.bytes
  }

  next(): Cell | undefined {
    return this.#block?.next()
  }

  async load(): Promise<boolean> {
    const head = await this.#take(BLOCK_HEAD_BYTES)
    if (head === undefined) return false
    const view = new DataView(head.buffer, head.byteOffset)
    const [length, crc] = [view.getUint32(0), view.getUint32(4)]
    const cells = await this.#take(length)
    if (cells === undefined || !isBlockWhole(cells, crc)) {
      throw damaged(this.#run.path ?? 'in memory', 'has a block whose checksum does not fit')
    }
    this.#block = new BlockReader(cells)
    return true
  }

  /** The next `length` bytes, by a read ahead; undefined at the end of the group. */
  async #take(length: number): Promise<Uint8Array | undefined> {
    if (this.#at + length > this.#bytes.length) {
      const rest = this.#bytes.subarray(this.#at)
      const wanted = Math.min(Math.max(READ_BYTES, length), this.#end - this.#offset)
      if (rest.length + wanted < length) return undefined
      const more = await this.#run.read(this.#offset, wanted)
      if (rest.length + more.length < length) return undefined
      this.#offset += more.length
      this.#bytes = rest.length === 0 ? more : Buffer.concat([rest, more])
      this.#at = 0
    }
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }
}

/** Cursors over group `keyGroup` of those runs that have it, oldest first. */
export function cursorsOf(runs: readonly CellRun[], keyGroup: number): CellCursor[] {
  const cursors: CellCursor[] = []
  for (const run of runs) {
    const group = findGroup(run.groups, keyGroup)
    if (group !== undefined) cursors.push(new RunCursor(run, group))
  }
  return cursors
}

export interface MergeOptions {
  /** Nothing older exists: tombstones and CLEARs have nothing left to hide. */
  readonly isBase: boolean
  readonly pace: Pace
}

/** Calls `emit` with each cell that counts, in order. A promise it returns is awaited. */
export async function mergeCells(
  cursors: readonly CellCursor[],
  emit: (cell: Cell) => void | Promise<void>,
  options: MergeOptions,
): Promise<void> {
  if (cursors.length === 1) return passCells(cursors[0]!, emit, options)
  const heap = new SourceHeap()
  for (const [rank, cursor] of cursors.entries()) {
    const cell = await advance(cursor)
    if (cell !== undefined) heap.push({ cursor, rank, cell })
  }
  let last: string | undefined
  let cleared: string | undefined
  let clearedRank = -1
  for (let top = heap.top; top !== undefined; top = heap.top) {
    const { cell, rank } = top
    if (cell.sort !== last) {
      last = cell.sort
      if (cleared !== undefined && !cell.sort.startsWith(cleared)) cleared = undefined
      const isHidden = cleared !== undefined && rank < clearedRank
      if (cell.kind === CLEAR) {
        cleared = cell.sort
        clearedRank = rank
      }
      if (!isHidden && (cell.kind === VALUE || !options.isBase)) {
        const pending = emit(cell)
        if (pending !== undefined) await pending
      }
    }
    const pause = options.pace.spend(cellLength(cell))
    if (pause !== undefined) await pause
    const next = top.cursor.next() ?? (await advance(top.cursor))
    if (next === undefined) {
      heap.dropTop()
    } else {
      top.cell = next
      heap.sinkTop()
    }
  }
}

/** The cells of a single source: nothing hides anything. */
async function passCells(
  cursor: CellCursor,
  emit: (cell: Cell) => void | Promise<void>,
  options: MergeOptions,
): Promise<void> {
  for (;;) {
    const cell = cursor.next() ?? (await advance(cursor))
    if (cell === undefined) return
    if (cell.kind === VALUE || !options.isBase) {
      const pending = emit(cell)
      if (pending !== undefined) await pending
    }
    const pause = options.pace.spend(cellLength(cell))
    if (pause !== undefined) await pause
  }
}

async function advance(cursor: CellCursor): Promise<Cell | undefined> {
  for (;;) {
    const cell = cursor.next()
    if (cell !== undefined) return cell
    if (!(await cursor.load())) return undefined
  }
}

interface Source {
  readonly cursor: CellCursor
  readonly rank: number
  cell: Cell
}

/** A binary heap by (sort, newest first). */
class SourceHeap {
  readonly #sources: Source[] = []

  get top(): Source | undefined {
    return this.#sources[0]
  }

  push(source: Source): void {
    const sources = this.#sources
    let at = sources.push(source) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(source, sources[parent]!)) break
      sources[at] = sources[parent]!
      at = parent
    }
    sources[at] = source
  }

  dropTop(): void {
    const last = this.#sources.pop()!
    if (this.#sources.length === 0) return
    this.#sources[0] = last
    this.sinkTop()
  }

  sinkTop(): void {
    const sources = this.#sources
    const source = sources[0]!
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= sources.length) break
      if (child + 1 < sources.length && isBefore(sources[child + 1]!, sources[child]!)) child += 1
      if (!isBefore(sources[child]!, source)) break
      sources[at] = sources[child]!
      at = child
    }
    sources[at] = source
  }
}

function isBefore(left: Source, right: Source): boolean {
  if (left.cell.sort !== right.cell.sort) return left.cell.sort < right.cell.sort
  return left.rank > right.rank
}
