import type { ByteReader } from '../stream/byte-buffer.ts'
import type { SchemaData } from '../stream/schema.ts'
import { ValueCodec, packValue, unpackValue } from '../stream/value-codec.ts'
import type { Cell } from './cell.ts'
import { TOMBSTONE, bareCell, valueCell, valueWriter } from './cell.ts'
import type { KeyedHeap } from './keyed-heap.ts'
import type { StateDescriptor, ValueState } from './state.ts'
import type { StateType } from './state-type.ts'
import { bitOf, estimateBytes } from './state-type.ts'

type ValueDescriptor = Extract<StateDescriptor, { type: 'value' }>

/** Stands in a slot for a stored `undefined`: there, an undefined slot is an empty one. */
const UNDEFINED = Object.freeze({ value: undefined })

/** The slot holds the value itself. */
export class ValueStateType implements StateType {
  readonly descriptor: ValueDescriptor
  readonly index: number
  readonly idText: string
  readonly bit: number
  readonly fixedBytes: number | undefined
  readonly codec: ValueCodec

  constructor(descriptor: ValueDescriptor, index: number, idText: string) {
    this.descriptor = descriptor
    this.index = index
    this.idText = idText
    this.bit = bitOf(index)
    this.fixedBytes = fixedBytes(descriptor.value)
    this.codec = new ValueCodec(descriptor.value, descriptor.name)
  }

  sizeOf(slot: unknown): number {
    return slot === undefined ? 0 : (this.fixedBytes ?? estimateBytes(slot))
  }

  encodeChanges(slot: unknown, prefix: string, isPersisted: boolean, cells: Cell[]): void {
    if (slot !== undefined) {
      this.encodeAll(slot, prefix, cells)
    } else if (isPersisted) {
      cells.push(bareCell(prefix, prefix.length, TOMBSTONE))
    }
  }

  encodeAll(slot: unknown, prefix: string, cells: Cell[]): void {
    const writer = valueWriter()
    const start = writer.length
    this.codec.write(writer, slot === UNDEFINED ? undefined : slot)
    cells.push(valueCell(prefix, prefix.length, writer, start))
  }

  load(_slot: unknown, _suffix: string, reader: ByteReader): unknown {
    const value = this.codec.read(reader)
    return value === undefined ? UNDEFINED : value
  }

  finishLoad(slot: unknown): unknown {
    return slot
  }
}

function fixedBytes(schema: SchemaData): number | undefined {
  switch (schema.kind) {
    case 'int32':
    case 'float64':
    case 'timestamp':
      return 16
    case 'int64':
      return 24
    case 'bool':
      return 0
    case 'nullable':
      return fixedBytes(schema.of)
    default:
      return undefined
  }
}

export class ValueHandle<V> implements ValueState<V, V | undefined> {
  readonly #heap: KeyedHeap
  readonly #index: number
  readonly #bit: number
  readonly #isFixed: boolean
  readonly #codec: ValueCodec
  /** Undefined: the default is no object and can be given to everybody. */
  readonly #packedDefault: Uint8Array | undefined
  readonly #default: V | undefined

  constructor(heap: KeyedHeap, type: ValueStateType, descriptor: ValueDescriptor) {
    this.#heap = heap
    this.#index = type.index
    this.#bit = type.bit
    this.#isFixed = type.fixedBytes !== undefined
    this.#codec = type.codec
    const given = descriptor.default
    this.#default = given as V | undefined
    this.#packedDefault = given instanceof Object ? packValue(given) : undefined
  }

  value(): V | undefined {
    const entry = this.#heap.entry
    if (entry === undefined) return this.#empty()
    const slot = this.#index === 0 ? entry.first : entry.rest?.[this.#index - 1]
    if (typeof slot === 'object') {
      if (slot === UNDEFINED) return undefined
      this.#heap.thaw(entry) // It may be changed in place, and is then not as it was (S2).
      return slot as V
    }
    return slot === undefined ? this.#empty() : (slot as V)
  }

  update(value: V): void {
    this.#codec.check(value)
    const entry = this.#heap.change()
    entry.dirtyMask |= this.#bit
    const slot = value === undefined ? UNDEFINED : value
    if (this.#index === 0) entry.first = slot
    else entry.setSlot(this.#index, slot)
    if (!this.#isFixed) this.#heap.measure(entry)
  }

  clear(): void {
    if (this.#heap.entry?.slot(this.#index) === undefined) return
    const entry = this.#heap.change()
    entry.dirtyMask |= this.#bit
    entry.setSlot(this.#index, undefined)
    this.#heap.measure(entry)
  }

  /** A default that is an object is a new one each time: its owner may change it. */
  #empty(): V | undefined {
    if (this.#packedDefault === undefined) return this.#default
    return unpackValue(this.#packedDefault) as V
  }
}
