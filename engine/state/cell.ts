import { ByteWriter } from '../stream/byte-buffer.ts'

/**
 * The cell: the smallest piece of keyed state that is written for itself.
 *
 * ```
 * sort  := key (key-codec.ts)  stateId: uint16 BE  suffix
 * suffix of a value := empty            of a list item  := index: uint32 BE
 *           of a map entry := its key   of a timer      := time: float64, order preserved
 * ```
 *
 * Bytes that sort are kept as text of one byte a character: such strings compare like their bytes,
 * at the speed of memcmp, and take a third of the memory of a typed array.
 *
 * L1. Cells of a key group are ordered by `sort`. No key's bytes are the beginning of another's, so
 *     all cells of a key lie together, and of those all cells of a state.
 * L2. CLEAR has an empty suffix. It says that every older cell of the key and state is gone.
 */
export interface Cell {
  readonly sort: string
  /** Characters of `sort` that are key and state. */
  readonly prefixLength: number
  readonly kind: CellKind
  /** The value is from `start` to `end` of these; empty but for VALUE. Others lie beside it. */
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

export type CellKind = typeof VALUE | typeof TOMBSTONE | typeof CLEAR

export const VALUE = 0
export const TOMBSTONE = 1
export const CLEAR = 2

/** Estimated heap bytes of a cell, without its key and value. */
export const CELL_BYTES = 150

export const STATE_ID_BYTES = 2
const NO_BYTES = new Uint8Array(0)

/** Bytes of values that lie in one piece of memory. Each value in one of its own costs more. */
const SLAB_BYTES = 32 * 1_024
let slab = new ByteWriter(SLAB_BYTES)

/** Where the value of a new cell is written to, behind those of others: nothing is cleared. */
export function valueWriter(): ByteWriter {
  if (slab.length > SLAB_BYTES - 256) slab = new ByteWriter(SLAB_BYTES)
  return slab
}

/** A cell of what was written since `valueWriter()` gave `writer` with its length `start`. */
export function valueCell(
  sort: string,
  prefixLength: number,
  writer: ByteWriter,
  start: number,
): Cell {
  return { sort, prefixLength, kind: VALUE, bytes: writer.bytes, start, end: writer.length }
}

/** A cell without a value: also that of a timer, which is all in its `sort`. */
export function bareCell(sort: string, prefixLength: number, kind: CellKind): Cell {
  return { sort, prefixLength, kind, bytes: NO_BYTES, start: 0, end: 0 }
}

/** What a cell costs whoever copies it. */
export function cellLength(cell: Cell): number {
  return cell.sort.length + cell.end - cell.start
}

export function stateIdText(stateId: number): string {
  return String.fromCharCode(stateId >> 8, stateId & 0xff)
}

export function stateIdOf(cell: Cell): number {
  const at = cell.prefixLength - STATE_ID_BYTES
  return (cell.sort.charCodeAt(at) << 8) | cell.sort.charCodeAt(at + 1)
}

export function keyTextOf(cell: Cell): string {
  return cell.sort.slice(0, cell.prefixLength - STATE_ID_BYTES)
}

export function suffixOf(cell: Cell): string {
  return cell.sort.slice(cell.prefixLength)
}

export function bytesOfText(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index)
  return bytes
}

export function textOfBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

export function uint32Text(value: number): string {
  return String.fromCharCode(value >>> 24, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff)
}

const double = new DataView(new ArrayBuffer(8))

/** Eight characters that order as the numbers do; not for NaN. */
export function orderedDoubleText(value: number): string {
  double.setFloat64(0, value === 0 ? 0 : value)
  const high = double.getUint32(0)
  // A negative number's bits are all turned, else only the sign: then they order as unsigned ones.
  const turn = high >>> 31 === 1 ? 0xffff_ffff : 0x8000_0000
  const low = high >>> 31 === 1 ? ~double.getUint32(4) : double.getUint32(4)
  return uint32Text((high ^ turn) >>> 0) + uint32Text(low >>> 0)
}

export function orderedDoubleOf(text: string): number {
  for (let index = 0; index < 8; index += 1) double.setUint8(index, text.charCodeAt(index))
  const high = double.getUint32(0)
  const isNegative = high >>> 31 === 0
  double.setUint32(0, high ^ (isNegative ? 0xffff_ffff : 0x8000_0000))
  if (isNegative) double.setUint32(4, ~double.getUint32(4))
  return double.getFloat64(0)
}
