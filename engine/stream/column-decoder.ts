/** Reads batches off the wire as views of it. The layout stands in `wire-schema.ts`. */
import { assert } from '../base/assert.ts'
import { BATCH_RECORDS_MAX } from '../base/limits.ts'
import type { Column } from './columns.ts'
import type { ColumnMarks, RowCode } from './column-set.ts'
import type { Memory, TextForm } from './wire-schema.ts'
import { FieldColumns, validityOf } from './column-set.ts'
import { RecordBatch } from './record-batch.ts'
import {
  BLOCK_HEADER_BYTES,
  columnPlace,
  HEADER_BYTES,
  HIDDEN,
  marksPlace,
  PLACE,
  TEXT_FORM,
  WireSchema,
} from './wire-schema.ts'

interface KnownSchema {
  readonly schema: WireSchema
  readonly names: readonly string[]
  readonly places: Int32Array
  readonly code: RowCode
}

export class ColumnDecoder {
  readonly #schemas: KnownSchema[] = []

  /**
   * The batch at `at`. Its columns are views of the memory where `isView`; times, hashes, splits,
   * offsets and watermarks are its own.
   */
  decode(memory: Memory, at: number, isView: boolean): RecordBatch {
    const { int32, float64 } = memory
    const header = at >> 2
    const count = int32[header]!
    const capacity = int32[header + 1]!
    const hidden = int32[header + 3]!
    assert(count > 0 && count <= capacity && capacity <= BATCH_RECORDS_MAX)
    const { schema, names, places, code } = this.#schemaOf(memory, at)
    schema.place(at, capacity, hidden, places)
    const columns: Column[] = []
    const details: ColumnMarks[] = []
    for (let index = 0, nth = 0; index < schema.fields.length; index += 1) {
      const { kind, marks: use } = schema.fields[index]!
      const marksAt = places[marksPlace(index)]!
      const marks = use === 'none' ? undefined : memory.bytes.subarray(marksAt, marksAt + count)
      const place = places[columnPlace(index)]!
      const validity = marks === undefined ? undefined : validityOf(marks, count)
      if (kind === 'utf8' || kind === 'binary' || kind === 'packed') {
        const block = (at + HEADER_BYTES + BLOCK_HEADER_BYTES * nth) >> 2
        const start = at + int32[block]!
        const bytes = memory.bytes.subarray(start, start + int32[block + 1]!)
        const offsets = int32.subarray(place >> 2, (place >> 2) + count + 1)
        const form = int32[block + 2]! as TextForm
        const units = (at + int32[block + 3]!) >> 2
        columns.push({ kind, offsets, bytes, validity })
        details.push({
          use,
          marks,
          form,
          units: form === TEXT_FORM.units ? int32.subarray(units, units + count + 1) : undefined,
        })
        nth += 1
      } else {
        columns.push(plainColumn(memory, kind, place, count, validity))
        details.push({ use, marks, form: TEXT_FORM.ascii, units: undefined })
      }
    }
    return new RecordBatch(
      count,
      undefined,
      new FieldColumns(count, names, columns, details, isView, code),
      hiddenPart(hidden, HIDDEN.times, float64, places[PLACE.times]! >> 3, count),
      hiddenPart(hidden, HIDDEN.hashes, int32, places[PLACE.hashes]! >> 2, count),
      (hidden & HIDDEN.oneSplit) !== 0
        ? int32[header + 4]
        : hiddenPart(hidden, HIDDEN.splits, int32, places[PLACE.splits]! >> 2, count),
      hiddenPart(hidden, HIDDEN.offsets, float64, places[PLACE.offsets]! >> 3, count),
      hiddenPart(hidden, HIDDEN.watermarks, float64, places[PLACE.watermarks]! >> 3, count),
    )
  }

  #schemaOf(memory: Memory, at: number): KnownSchema {
    const header = at >> 2
    const id = memory.int32[header + 2]!
    const start = memory.int32[header + 5]!
    if (start > 0) {
      assert(id === this.#schemas.length) // K2.
      const length = memory.int32[header + 6]!
      const sign = memory.bytes.toString('utf8', at + start, at + start + length)
      const schema = WireSchema.parse(sign)
      const names = schema.fields.map((field) => field.name)
      this.#schemas.push({ schema, names, places: schema.newPlaces(), code: { maker: undefined } })
    }
    const known = this.#schemas[id]
    assert(known !== undefined, 'a batch has a schema that never came')
    return known
  }
}

function plainColumn(
  memory: Memory,
  kind: 'float64' | 'timestamp' | 'int32' | 'int64' | 'bool' | 'nothing',
  place: number,
  count: number,
  validity: Uint8Array | undefined,
): Column {
  switch (kind) {
    case 'float64':
    case 'timestamp':
      return { kind, values: memory.float64.subarray(place >> 3, (place >> 3) + count), validity }
    case 'int32':
      return { kind, values: memory.int32.subarray(place >> 2, (place >> 2) + count), validity }
    case 'int64':
      return { kind, values: memory.int64.subarray(place >> 3, (place >> 3) + count), validity }
    default:
      return { kind: 'bool', values: memory.bytes.subarray(place, place + count), validity }
  }
}

/** A copy: rows made from the batch may keep it beyond the life of the memory. */
function hiddenPart<A extends Float64Array | Int32Array>(
  hidden: number,
  bit: number,
  from: A,
  start: number,
  count: number,
): A | undefined {
  return (hidden & bit) === 0 ? undefined : (from.slice(start, start + count) as A)
}
