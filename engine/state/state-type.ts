import type { ByteReader } from '../stream/byte-buffer.ts'
import type { ValueReader, ValueWriter } from '../stream/value-codec.ts'
import type { Cell } from './cell.ts'
import type { StateDescriptor } from './state.ts'

/**
 * How one declared state lives in a slot of an entry and in cells. One class for each type of
 * state; the handles that operators hold stand beside it.
 */
export interface StateType {
  readonly descriptor: StateDescriptor
  /** Place of its slot. */
  readonly index: number
  /** Its id in files, as two characters. */
  readonly idText: string
  /** Its bit in the dirty mask of an entry. */
  readonly bit: number
  /** Heap bytes of any value of it, when they do not vary. */
  readonly fixedBytes: number | undefined
  sizeOf(slot: unknown): number
  /**
   * Adds cells for what has changed, and marks the slot as unchanged. `prefix` is key and state.
   * Without `isPersisted` nothing older exists, and what is gone needs no cell.
   */
  encodeChanges(slot: unknown, prefix: string, isPersisted: boolean, cells: Cell[]): void
  /** Adds cells for all there is. */
  encodeAll(slot: unknown, prefix: string, cells: Cell[]): void
  /** The slot with one more cell's value, in their order; `slot` is undefined at the first. */
  load(slot: unknown, suffix: string, value: ByteReader): unknown
  /** After the last cell of an entry: the slot as the handles want it. */
  finishLoad(slot: unknown): unknown
}

/** Reads values of an older schema as values of the present one, and writes these. */
export interface Transcoder {
  readonly read: ValueReader
  readonly write: ValueWriter
}

export function bitOf(index: number): number {
  return 1 << Math.min(index, 31)
}

const OBJECT_BYTES = 24
const TEXT_BYTES = 24
const ARRAY_BYTES = 32
const BINARY_BYTES = 120
/** Items of a long list that are looked at; the others are taken to be like them. */
const SAMPLE = 32

/** About what a value takes on the heap. Bounded work; equal values give equal numbers. */
export function estimateBytes(value: unknown, depth = 0): number {
  switch (typeof value) {
    case 'string':
      return TEXT_BYTES + value.length
    case 'number':
      return 16
    case 'bigint':
      return OBJECT_BYTES
    case 'object':
      return value === null || depth > 8 ? 8 : estimateObject(value, depth)
    default:
      return 8
  }
}

function estimateObject(value: object, depth: number): number {
  if (Array.isArray(value)) return ARRAY_BYTES + sampled(value, value.length, 8, depth)
  if (ArrayBuffer.isView(value)) return BINARY_BYTES + value.byteLength
  if (value instanceof Map) return 64 + sampled(value.values(), value.size, 64, depth)
  if (value instanceof Set) return 64 + sampled(value, value.size, 40, depth)
  let bytes = OBJECT_BYTES
  for (const name in value) {
    bytes += 8 + estimateBytes((value as Record<string, unknown>)[name], depth + 1)
  }
  return bytes
}

function sampled(
  items: Iterable<unknown>,
  count: number,
  itemBytes: number,
  depth: number,
): number {
  let seen = 0
  let bytes = 0
  for (const item of items) {
    if (seen === SAMPLE) break
    seen += 1
    bytes += estimateBytes(item, depth + 1)
  }
  return count * itemBytes + (seen === 0 ? 0 : Math.round((bytes * count) / seen))
}
