/**
 * An entry as one value of the scratch store.
 *
 * ```
 * storeKey := keyGroup: uint16 BE  key (key-codec.ts)
 * entry    := (slot: count  suffix: block  value: block)*      in the order of slots
 * ```
 *
 * One value a key: a miss is one read. The state of one key therefore has to fit the heap.
 */
import type { ByteWriter } from '../stream/byte-buffer.ts'
import { ByteReader } from '../stream/byte-buffer.ts'
import type { Cell } from './cell.ts'
import { suffixOf, textOfBytes } from './cell.ts'
import { keyText } from './key-text.ts'
import type { StateEntry } from './state-entry.ts'
import type { StateType } from './state-type.ts'

export function storeKey(keyGroup: number, key: unknown): Uint8Array {
  const text = keyText(key)
  const bytes = new Uint8Array(2 + text.length)
  bytes[0] = keyGroup >> 8 // Big-endian, so that a key-group range is one contiguous scan.
  bytes[1] = keyGroup & 0xff
  for (let index = 0; index < text.length; index += 1) bytes[2 + index] = text.charCodeAt(index)
  return bytes
}

/** `writer` is cleared first: one of the caller's, used again and again. */
export function encodeEntry(
  entry: StateEntry,
  types: readonly StateType[],
  writer: ByteWriter,
): Uint8Array {
  writer.clear()
  for (const type of types) {
    const slot = entry.slot(type.index)
    if (slot === undefined) continue
    const cells: Cell[] = []
    type.encodeAll(slot, type.idText, cells)
    for (const cell of cells) {
      writer.count(type.index)
      writeLatin(writer, suffixOf(cell))
      writer.part(cell.bytes, cell.start, cell.end)
    }
  }
  return writer.take()
}

/** Fills the slots of a new entry. */
export function decodeEntry(
  entry: StateEntry,
  bytes: Uint8Array,
  types: readonly StateType[],
): void {
  const reader = new ByteReader(bytes)
  let type: StateType | undefined
  let slot: unknown
  while (!reader.isAtEnd) {
    const next = types[reader.count()]!
    if (next !== type) {
      if (type !== undefined) entry.setSlot(type.index, type.finishLoad(slot))
      type = next
      slot = undefined
    }
    const suffix = textOfBytes(reader.block())
    const size = reader.count()
    const start = reader.skip(size)
    slot = next.load(slot, suffix, new ByteReader(bytes, start, start + size))
  }
  if (type !== undefined) entry.setSlot(type.index, type.finishLoad(slot))
}

function writeLatin(writer: ByteWriter, text: string): void {
  writer.count(text.length)
  for (let index = 0; index < text.length; index += 1) writer.byte(text.charCodeAt(index))
}
