/**
 * Runs: cells in order, cut into blocks, with an index of key groups. In memory, in a scratch file
 * and in a file of a checkpoint a run is the same bytes.
 *
 * ```
 * block := length: uint32  crc32c: uint32  cell*      (the CRC covers the cells; one key group)
 * cell  := shared: count (characters of `sort` as in the cell before; 0 at the start of a block)
 *          rest: count  bytes  prefixLength: count  kind: byte  [value: block]
 * ```
 */
import { crc32c } from '@node-rs/crc32'
import { assert } from '../base/assert.ts'
import { ByteReader, ByteWriter } from '../stream/byte-buffer.ts'
import type { Cell, CellKind } from './cell.ts'
import { VALUE, bareCell } from './cell.ts'

/** Cells of a block, bytes: large enough to read in one go, small enough to build in a slice. */
export const BLOCK_BYTES = 32 * 1_024
export const BLOCK_HEAD_BYTES = 8

/** Where the blocks of a key group lie; groups in ascending order. */
export interface GroupIndex {
  readonly keyGroup: number
  readonly offset: number
  readonly bytes: number
  readonly cells: number
}

/** Something that has cells, group by group. */
export interface CellRun {
  /** Of a run in a file: for messages. */
  readonly path?: string
  readonly groups: readonly GroupIndex[]
  /** About `bytes` from `offset`, at least one; checked by whoever reads the blocks. */
  read(offset: number, bytes: number): Promise<Uint8Array> | Uint8Array
}

/** Takes cells in order and cuts them into blocks. */
export class BlockBuilder {
  readonly groups: GroupIndex[] = []
  /** No cell so far hides an older one. */
  hasOnlyValues = true
  /** Bytes of all blocks so far, without the open one; the first starts at `start`. */
  #offset: number
  readonly #emit: (block: Uint8Array) => void
  readonly #writer = new ByteWriter(BLOCK_BYTES + 4_096)
  #last = ''
  #keyGroup = -1
  #groupOffset = 0
  #groupCells = 0

  /** `emit` gets each finished block, in memory of its own. */
  constructor(emit: (block: Uint8Array) => void, start = 0) {
    this.#emit = emit
    this.#offset = start
    this.#reset()
  }

  get offset(): number {
    return this.#offset
  }

  startGroup(keyGroup: number): void {
    assert(keyGroup > this.#keyGroup, 'key groups ascend')
    this.#endGroup()
    this.#keyGroup = keyGroup
    this.#groupOffset = this.#offset
  }

  add(cell: Cell): void {
    const writer = this.#writer
    const shared = sharedLength(this.#last, cell.sort)
    const rest = cell.sort.length - shared
    writer.count(shared)
    writer.count(rest)
    writer.reserve(rest)
    const { bytes, length } = writer
    for (let index = 0; index < rest; index += 1) {
      bytes[length + index] = cell.sort.charCodeAt(shared + index)
    }
    writer.length += rest
    writer.count(cell.prefixLength)
    writer.byte(cell.kind)
    if (cell.kind === VALUE) writer.part(cell.bytes, cell.start, cell.end)
    else this.hasOnlyValues = false
    this.#last = cell.sort
    this.#groupCells += 1
    if (writer.length >= BLOCK_BYTES) this.#cut()
  }

  finish(): void {
    this.#endGroup()
  }

  #endGroup(): void {
    this.#cut()
    if (this.#groupCells === 0) return
    this.groups.push({
      keyGroup: this.#keyGroup,
      offset: this.#groupOffset,
      bytes: this.#offset - this.#groupOffset,
      cells: this.#groupCells,
    })
    this.#groupCells = 0
  }

  #cut(): void {
    if (this.#writer.length === BLOCK_HEAD_BYTES) return
    const block = this.#writer.take()
    const view = new DataView(block.buffer)
    view.setUint32(0, block.length - BLOCK_HEAD_BYTES)
    view.setUint32(4, crc32c(block.subarray(BLOCK_HEAD_BYTES)))
    this.#offset += block.length
    this.#emit(block)
    this.#reset()
  }

  #reset(): void {
    this.#writer.clear()
    this.#writer.float64(0) // Room for the head.
    this.#last = ''
  }
}

function sharedLength(left: string, right: string): number {
  const end = Math.min(left.length, right.length)
  let index = 0
  while (index < end && left.charCodeAt(index) === right.charCodeAt(index)) index += 1
  return index
}

/** The cells of one block, one after the other. */
export class BlockReader {
  readonly #reader: ByteReader
  readonly #bytes: Buffer
  #last = ''

  constructor(cells: Uint8Array) {
    this.#reader = new ByteReader(cells)
    this.#bytes = Buffer.from(cells.buffer, cells.byteOffset, cells.byteLength)
  }

  /** Undefined at the end. The value lies in the block. */
  next(): Cell | undefined {
    const reader = this.#reader
    if (reader.isAtEnd) return undefined
    const shared = reader.count()
    const length = reader.count()
    const start = reader.skip(length)
    const rest = this.#bytes.toString('latin1', start, start + length)
    const sort = shared === 0 ? rest : this.#last.slice(0, shared) + rest
    const prefixLength = reader.count()
    const kind = reader.byte() as CellKind
    this.#last = sort
    if (kind !== VALUE) return bareCell(sort, prefixLength, kind)
    const size = reader.count()
    const from = reader.skip(size)
    return { sort, prefixLength, kind, bytes: reader.bytes, start: from, end: from + size }
  }
}

export function isBlockWhole(cells: Uint8Array, crc: number): boolean {
  return crc32c(cells) === crc
}

/** A run whose blocks are in memory. */
export class MemoryRun implements CellRun {
  readonly groups: readonly GroupIndex[]
  readonly blocks: readonly Uint8Array[]
  readonly bytes: number
  /** Nothing in it hides older cells: it can be a base as it is. */
  readonly hasOnlyValues: boolean
  readonly #offsets = new Map<number, number>()

  constructor(builder: BlockBuilder, blocks: readonly Uint8Array[]) {
    this.groups = builder.groups
    this.hasOnlyValues = builder.hasOnlyValues
    this.blocks = blocks
    let offset = 0
    for (const [index, block] of blocks.entries()) {
      this.#offsets.set(offset, index)
      offset += block.length
    }
    this.bytes = offset
  }

  /** Blocks are read whole, so every read starts at one; it gives that block. */
  read(offset: number): Uint8Array {
    const index = this.#offsets.get(offset)
    assert(index !== undefined, 'a read of a run starts at a block')
    return this.blocks[index]!
  }
}

export function findGroup(groups: readonly GroupIndex[], keyGroup: number): GroupIndex | undefined {
  let first = 0
  let last = groups.length - 1
  while (first <= last) {
    const middle = (first + last) >> 1
    const group = groups[middle]!
    if (group.keyGroup === keyGroup) return group
    if (group.keyGroup < keyGroup) first = middle + 1
    else last = middle - 1
  }
  return undefined
}
