/**
 * Batches as bytes in place, and back. The layout stands in `wire-schema.ts`.
 *
 * K1. What goes in comes out: every value, -0, NaN, undefined, null and missing fields apart. Only
 *     the order of a row's fields may change, and an object of a class becomes a plain one.
 * K2. An encoder and a decoder belong to one channel: a schema travels with the first batch that
 *     uses it, and batches are decoded in the order they were encoded.
 * K3. Nothing is final before `committed`: until then a batch may be encoded again, elsewhere.
 */
import { BATCH_BYTES_MAX, BATCH_RECORDS_MAX } from '../base/limits.ts'
import type { ColumnSet } from './columns.ts'
import type { RecordBatch } from './record-batch.ts'
import { explainUnfit } from './unfit-row.ts'
import type { TextPlace } from './column-text.ts'
import type { Memory } from './wire-schema.ts'
import { SetWriter } from './column-writer.ts'
import { copyFloats, copyInts } from './column-writer.ts'
import { writeTexts } from './column-text.ts'
import { RowShapes } from './row-shapes.ts'
import type { RowShape } from './row-shapes.ts'
import {
  align,
  BLOCK_HEADER_BYTES,
  columnPlace,
  HEADER_BYTES,
  HIDDEN,
  PLACE,
  TEXT_FORM,
  WireSchema,
} from './wire-schema.ts'

export { ColumnDecoder } from './column-decoder.ts'

/** Part of the room for blocks at which rows stop, so that the last of them still fits. */
const BLOCK_FILL = 7 / 8

export class ColumnEncoder {
  /** Records that the last call of `encode` took. */
  encoded = 0
  readonly #shapes = new RowShapes()
  readonly #sets = new SetWriter()
  readonly #place: TextPlace = { end: 0, length: 0, form: TEXT_FORM.ascii, units: 0 }
  /** Ids of the schemas the other side knows. */
  readonly #known = new Map<string, number>()
  #lastSchema: WireSchema | undefined
  #lastId = -1
  #unsaid: string | undefined
  #bytesPerRow = 1

  /**
   * Writes the records from `from` on, as many as fit in the memory from `at` to `at + room`, and
   * returns the bytes used. 0: not one fits. `at` is a multiple of 8.
   */
  encode(batch: RecordBatch, from: number, memory: Memory, at: number, room: number): number {
    const rest = Math.min(batch.count - from, BATCH_RECORDS_MAX)
    const fitting = Math.floor(Math.min(room, BATCH_BYTES_MAX) / this.#bytesPerRow)
    const planned = Math.max(1, Math.min(rest, fitting))
    const used =
      batch.columns === undefined
        ? this.#encodeRows(batch, from, planned, memory, at, room)
        : this.#encodeSet(batch, batch.columns, from, planned, memory, at, room)
    if (used > 0) this.#bytesPerRow = used / this.encoded
    return used
  }

  /** What was encoded last is on its way: the other side will know its schema. */
  committed(): void {
    if (this.#unsaid === undefined) return
    this.#known.set(this.#unsaid, this.#known.size)
    this.#unsaid = undefined
  }

  #encodeRows(
    batch: RecordBatch,
    from: number,
    planned: number,
    memory: Memory,
    at: number,
    room: number,
  ): number {
    const limit = at + room
    const hidden = hiddenOf(batch)
    let rows = batch.rows
    let first = from
    let count = planned
    let shape = this.#shapes.of(rows, first, count)
    for (let misfits = 0; ;) {
      const { schema, places, parts } = shape
      const capacity = capacityIn(schema, hidden, room, count)
      if (capacity < 1) return 0
      const fixedEnd = schema.place(at, capacity, hidden, places)
      const blockLimit = Math.max(1, Math.floor((limit - fixedEnd) * BLOCK_FILL))
      let done: number
      try {
        done = shape.encode(rows, first, capacity, memory, places, parts, blockLimit)
      } catch (thrown) {
        throw explainUnfit(thrown, batch, from, planned)
      }
      if (parts.misfit) {
        misfits += 1
        if (misfits === 2) {
          rows = rows.slice(first, first + count).map(asPlain)
          first = 0
        }
        shape = this.#shapes.next(shape, rows, first, count, misfits)
        continue
      }
      const end = this.#writeBlocks(shape, memory, at, done, fixedEnd, limit)
      const used =
        end < 0
          ? 0
          : this.#finish(batch, from, schema, memory, at, capacity, done, end, limit, places)
      if (used > 0 || done === 1) return used
      count = done >> 1
    }
  }

  #writeBlocks(
    shape: RowShape,
    memory: Memory,
    at: number,
    count: number,
    fixedEnd: number,
    limit: number,
  ): number {
    const { schema, parts, places } = shape
    const place = this.#place
    let end = fixedEnd
    for (let nth = 0; nth < schema.blocks.length; nth += 1) {
      const index = schema.blocks[nth]!
      const start = end
      if (schema.fields[index]!.kind === 'utf8') {
        const ends = places[columnPlace(index)]! >> 2
        writeTexts(memory, parts.texts[index]!, ends, count, start, limit, place)
        parts.texts[index] = ''
      } else {
        const bytes = parts.writers[index]!.peek()
        place.length = bytes.length
        place.form = TEXT_FORM.ascii
        place.units = 0
        place.end = start + bytes.length > limit ? -1 : align(start + bytes.length)
        if (place.end >= 0) memory.bytes.set(bytes, start)
      }
      end = place.end
      if (end < 0) return -1
      writeBlockHeader(memory, at, nth, start - at, place)
    }
    return end
  }

  #encodeSet(
    batch: RecordBatch,
    set: ColumnSet,
    from: number,
    planned: number,
    memory: Memory,
    at: number,
    room: number,
  ): number {
    const hidden = hiddenOf(batch)
    const schema = this.#sets.schemaOf(set)
    for (let count = planned; ; count = count >> 1) {
      const capacity = capacityIn(schema, hidden, room, count)
      if (capacity < 1) return 0
      const places = this.#sets.places
      const fixedEnd = schema.place(at, capacity, hidden, places)
      const limit = at + room
      const end = this.#sets.write(set, from, capacity, memory, at, fixedEnd, limit)
      const used =
        end < 0
          ? 0
          : this.#finish(batch, from, schema, memory, at, capacity, capacity, end, limit, places)
      if (used > 0 || capacity === 1) return used
      count = capacity
    }
  }

  /** Header, hidden columns and, where the other side needs it, the schema. */
  #finish(
    batch: RecordBatch,
    from: number,
    schema: WireSchema,
    memory: Memory,
    at: number,
    capacity: number,
    count: number,
    end: number,
    limit: number,
    places: Int32Array,
  ): number {
    const { int32, float64 } = memory
    const header = at >> 2
    const hidden = hiddenOf(batch)
    int32[header] = count
    int32[header + 1] = capacity
    int32[header + 2] = this.#idOf(schema)
    int32[header + 3] = hidden
    int32[header + 4] = typeof batch.splits === 'number' ? batch.splits : 0
    int32[header + 5] = 0
    int32[header + 6] = 0
    int32[header + 7] = 0
    if (batch.times !== undefined) {
      copyFloats(batch.times, from, count, float64, places[PLACE.times]! >> 3)
    }
    if (batch.offsets !== undefined) {
      copyFloats(batch.offsets, from, count, float64, places[PLACE.offsets]! >> 3)
    }
    if (batch.watermarks !== undefined) {
      copyFloats(batch.watermarks, from, count, float64, places[PLACE.watermarks]! >> 3)
    }
    if (batch.hashes !== undefined) {
      copyInts(batch.hashes, from, count, int32, places[PLACE.hashes]! >> 2)
    }
    if (typeof batch.splits === 'object') {
      copyInts(batch.splits, from, count, int32, places[PLACE.splits]! >> 2)
    }
    this.encoded = count
    if (this.#unsaid === undefined) return end - at
    const length = Buffer.byteLength(schema.sign)
    if (end + length > limit) return 0
    memory.bytes.write(schema.sign, end)
    int32[header + 5] = end - at
    int32[header + 6] = length
    return align(end + length) - at
  }

  #idOf(schema: WireSchema): number {
    if (schema === this.#lastSchema && this.#unsaid === undefined) return this.#lastId
    const known = this.#known.get(schema.sign)
    this.#unsaid = known === undefined ? schema.sign : undefined
    this.#lastSchema = schema
    this.#lastId = known ?? this.#known.size
    return this.#lastId
  }
}

/** Records that can be laid out in `room` with something left for blocks. */
function capacityIn(schema: WireSchema, hidden: number, room: number, count: number): number {
  if (schema.fixedBytes(count, hidden) <= room) return count
  const perRow = (schema.fixedBytes(1_024, hidden) - schema.fixedBytes(0, hidden)) / 1_024
  return Math.min(count, Math.floor((room - schema.fixedBytes(0, hidden)) / perRow))
}

function hiddenOf(batch: RecordBatch): number {
  return (
    (batch.times === undefined ? 0 : HIDDEN.times) |
    (batch.offsets === undefined ? 0 : HIDDEN.offsets) |
    (batch.watermarks === undefined ? 0 : HIDDEN.watermarks) |
    (batch.hashes === undefined ? 0 : HIDDEN.hashes) |
    (batch.splits === undefined
      ? 0
      : typeof batch.splits === 'number'
        ? HIDDEN.oneSplit
        : HIDDEN.splits)
  )
}

export function writeBlockHeader(
  memory: Memory,
  at: number,
  nth: number,
  start: number,
  place: TextPlace,
): void {
  const header = (at + HEADER_BYTES + BLOCK_HEADER_BYTES * nth) >> 2
  memory.int32[header] = start
  memory.int32[header + 1] = place.length
  memory.int32[header + 2] = place.form
  memory.int32[header + 3] = place.units === 0 ? 0 : place.units - at
}

/** An object that inherits enumerable fields looks wider than it is; its copy does not. */
function asPlain(row: unknown): unknown {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return row
  return Object.keys(row).length === 0 ? row : { ...row }
}
