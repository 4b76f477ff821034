import { assert } from '../base/assert.ts'
import type { ByteReader } from '../stream/byte-buffer.ts'
import { ValueCodec } from '../stream/value-codec.ts'
import type { Cell } from './cell.ts'
import { CLEAR, bareCell, uint32Text, valueCell, valueWriter } from './cell.ts'
import type { KeyedHeap } from './keyed-heap.ts'
import type { ListState, StateDescriptor } from './state.ts'
import type { StateType } from './state-type.ts'
import { bitOf, estimateBytes } from './state-type.ts'

type ListDescriptor = Extract<StateDescriptor, { type: 'list' }>

/** A list in a slot. An added item is one new cell; a replaced list is CLEAR and all its cells. */
interface ListSlot {
  items: unknown[]
  /** Items from here on are in no run or file yet. */
  changedFrom: number
  /** Older cells are no longer part of the list. */
  isCleared: boolean
  bytes: number
}

const SLOT_BYTES = 88

export class ListStateType implements StateType {
  readonly descriptor: ListDescriptor
  readonly index: number
  readonly idText: string
  readonly bit: number
  readonly fixedBytes = undefined
  readonly codec: ValueCodec

  constructor(descriptor: ListDescriptor, index: number, idText: string) {
    this.descriptor = descriptor
    this.index = index
    this.idText = idText
    this.bit = bitOf(index)
    this.codec = new ValueCodec(descriptor.value, descriptor.name)
  }

  sizeOf(slot: unknown): number {
    return slot === undefined ? 0 : (slot as ListSlot).bytes
  }

  encodeChanges(slot: unknown, prefix: string, isPersisted: boolean, cells: Cell[]): void {
    const list = slot as ListSlot | undefined
    if (isPersisted && (list === undefined || list.isCleared)) {
      cells.push(bareCell(prefix, prefix.length, CLEAR))
    }
    if (list === undefined) return
    this.#encode(list, list.changedFrom, prefix, cells)
    list.changedFrom = list.items.length
    list.isCleared = false
  }

  encodeAll(slot: unknown, prefix: string, cells: Cell[]): void {
    this.#encode(slot as ListSlot, 0, prefix, cells)
  }

  load(slot: unknown, suffix: string, reader: ByteReader): unknown {
    const list = (slot ?? newList([])) as ListSlot
    assert(suffix === uint32Text(list.items.length), 'the items of a list follow one another')
    const item = this.codec.read(reader)
    list.items.push(item)
    list.bytes += 8 + estimateBytes(item)
    list.changedFrom = list.items.length
    return list
  }

  finishLoad(slot: unknown): unknown {
    return slot
  }

  #encode(list: ListSlot, from: number, prefix: string, cells: Cell[]): void {
    const prefixLength = prefix.length
    for (let index = from; index < list.items.length; index += 1) {
      const writer = valueWriter()
      const start = writer.length
      this.codec.write(writer, list.items[index])
      cells.push(valueCell(prefix + uint32Text(index), prefixLength, writer, start))
    }
  }
}

function newList(items: unknown[]): ListSlot {
  return { items, changedFrom: 0, isCleared: false, bytes: SLOT_BYTES + estimateBytes(items) }
}

const NO_ITEMS: readonly never[] = Object.freeze([])

export class ListHandle<V> implements ListState<V> {
  readonly #heap: KeyedHeap
  readonly #index: number
  readonly #bit: number
  readonly #codec: ValueCodec

  constructor(heap: KeyedHeap, type: ListStateType) {
    this.#heap = heap
    this.#index = type.index
    this.#bit = type.bit
    this.#codec = type.codec
  }

  /** A view of the list: it grows with `add`. */
  get(): readonly V[] {
    const entry = this.#heap.entry
    const list = entry?.slot(this.#index) as ListSlot | undefined
    if (list === undefined) return NO_ITEMS
    this.#heap.thaw(entry!)
    return list.items as V[]
  }

  add(value: V): void {
    this.#codec.check(value)
    const entry = this.#heap.change()
    entry.dirtyMask |= this.#bit
    const list = entry.slot(this.#index) as ListSlot | undefined
    if (list === undefined) {
      // Cells of an earlier list of this key may be in files.
      entry.setSlot(this.#index, { ...newList([value]), isCleared: true })
    } else {
      list.items.push(value)
      list.bytes += 8 + estimateBytes(value)
    }
    this.#heap.measure(entry)
  }

  update(values: readonly V[]): void {
    if (values.length === 0) {
      this.clear()
      return
    }
    for (const value of values) this.#codec.check(value)
    const entry = this.#heap.change()
    entry.dirtyMask |= this.#bit
    entry.setSlot(this.#index, { ...newList([...values]), isCleared: true })
    this.#heap.measure(entry)
  }

  clear(): void {
    if (this.#heap.entry?.slot(this.#index) === undefined) return
    const entry = this.#heap.change()
    entry.dirtyMask |= this.#bit
    entry.setSlot(this.#index, undefined)
    this.#heap.measure(entry)
  }
}
