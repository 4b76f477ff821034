import type { ByteReader } from '../stream/byte-buffer.ts'
import { heapKey } from '../stream/key-codec.ts'
import { ValueCodec } from '../stream/value-codec.ts'
import type { Cell } from './cell.ts'
import { CLEAR, TOMBSTONE, bareCell, valueCell, valueWriter } from './cell.ts'
import { keyOfText, keyText } from './key-text.ts'
import type { KeyedHeap } from './keyed-heap.ts'
import type { MapState, StateDescriptor } from './state.ts'
import type { HeapKey } from './entry-table.ts'
import type { StateType } from './state-type.ts'
import { bitOf, estimateBytes } from './state-type.ts'

type MapDescriptor = Extract<StateDescriptor, { type: 'map' }>

/**
 * An entry of a map. Its number gives the order of insertion, which `entries` follows: it is kept
 * with the value, so that a restored map iterates as the first one did.
 */
interface MapItem {
  readonly key: unknown
  readonly heapKey: HeapKey
  readonly sequence: number
  value: unknown
  /** As estimated when it was put: `value` may have been changed in place since. */
  bytes: number
}

/** A map in a slot. A changed entry is one cell. */
interface MapSlot {
  readonly items: Map<HeapKey, MapItem>
  /** Items put, and keys removed, that are in no run or file yet. */
  readonly changed: Map<HeapKey, unknown>
  isCleared: boolean
  nextSequence: number
  bytes: number
}

const SLOT_BYTES = 240
const ITEM_BYTES = 100

export class MapStateType implements StateType {
  readonly descriptor: MapDescriptor
  readonly index: number
  readonly idText: string
  readonly bit: number
  readonly fixedBytes = undefined
  readonly codec: ValueCodec

  constructor(descriptor: MapDescriptor, index: number, idText: string) {
    this.descriptor = descriptor
    this.index = index
    this.idText = idText
    this.bit = bitOf(index)
    this.codec = new ValueCodec(descriptor.value, descriptor.name)
  }

  sizeOf(slot: unknown): number {
    return slot === undefined ? 0 : (slot as MapSlot).bytes
  }

  encodeChanges(slot: unknown, prefix: string, isPersisted: boolean, cells: Cell[]): void {
    const map = slot as MapSlot | undefined
    const prefixLength = prefix.length
    if (isPersisted && (map === undefined || map.isCleared)) {
      cells.push(bareCell(prefix, prefixLength, CLEAR))
    }
    if (map === undefined) return
    for (const [key, original] of map.changed) {
      const item = map.items.get(key)
      if (item !== undefined) {
        this.#encode(item, prefix, cells)
      } else if (isPersisted && !map.isCleared) {
        cells.push(bareCell(prefix + keyText(original), prefixLength, TOMBSTONE))
      }
    }
    map.changed.clear()
    map.isCleared = false
  }

  encodeAll(slot: unknown, prefix: string, cells: Cell[]): void {
    for (const item of (slot as MapSlot).items.values()) this.#encode(item, prefix, cells)
  }

  load(slot: unknown, suffix: string, reader: ByteReader): unknown {
    const map = (slot ?? newMap(false)) as MapSlot
    const sequence = reader.count()
    const key = keyOfText(suffix)
    const value = this.codec.read(reader)
    const itemSize = itemBytes(key, value)
    const item = { key, heapKey: heapKey(key), sequence, value, bytes: itemSize }
    map.items.set(item.heapKey, item)
    map.nextSequence = Math.max(map.nextSequence, sequence + 1)
    map.bytes += itemSize
    return map
  }

  /** Cells come in the order of their keys; the items go back into that of insertion. */
  finishLoad(slot: unknown): unknown {
    const map = slot as MapSlot
    const items = [...map.items.values()].sort((left, right) => left.sequence - right.sequence)
    map.items.clear()
    for (const item of items) map.items.set(item.heapKey, item)
    return map
  }

  #encode(item: MapItem, prefix: string, cells: Cell[]): void {
    const writer = valueWriter()
    const start = writer.length
    writer.count(item.sequence)
    this.codec.write(writer, item.value)
    cells.push(valueCell(prefix + keyText(item.key), prefix.length, writer, start))
  }
}

function newMap(isCleared: boolean): MapSlot {
  return { items: new Map(), changed: new Map(), isCleared, nextSequence: 0, bytes: SLOT_BYTES }
}

function itemBytes(key: unknown, value: unknown): number {
  return ITEM_BYTES + estimateBytes(key) + estimateBytes(value)
}

export class MapHandle<K, V> implements MapState<K, V> {
  readonly #heap: KeyedHeap
  readonly #index: number
  readonly #bit: number
  readonly #codec: ValueCodec

  constructor(heap: KeyedHeap, type: MapStateType) {
    this.#heap = heap
    this.#index = type.index
    this.#bit = type.bit
    this.#codec = type.codec
  }

  get(key: K): V | undefined {
    const item = this.#map()?.items.get(heapKey(key))
    if (item === undefined) return undefined
    if (typeof item.value === 'object') this.#heap.thaw(this.#heap.entry!)
    return item.value as V
  }

  has(key: K): boolean {
    return this.#map()?.items.has(heapKey(key)) ?? false
  }

  put(key: K, value: V): void {
    this.#codec.check(value)
    const map = this.#change()
    const own = heapKey(key)
    const item = map.items.get(own)
    if (item === undefined) {
      const sequence = map.nextSequence
      map.nextSequence += 1
      const bytes = itemBytes(key, value)
      map.items.set(own, { key, heapKey: own, sequence, value, bytes })
      map.bytes += bytes
    } else if (item.value !== value || Array.isArray(value)) {
      // A list put again has grown or shrunk in place.
      const bytes = itemBytes(key, value)
      map.bytes += bytes - item.bytes
      item.value = value
      item.bytes = bytes
    }
    map.changed.set(own, key)
    this.#heap.measure(this.#heap.entry!)
  }

  remove(key: K): void {
    const own = heapKey(key)
    if (this.#map()?.items.has(own) !== true) return
    const map = this.#change()
    const item = map.items.get(own)!
    map.items.delete(own)
    map.changed.set(own, key)
    map.bytes -= item.bytes
    if (map.items.size === 0) this.#heap.entry!.setSlot(this.#index, undefined)
    this.#heap.measure(this.#heap.entry!)
  }

  /** In order of insertion. */
  *entries(): IterableIterator<readonly [K, V]> {
    const map = this.#map()
    if (map === undefined) return
    this.#heap.thaw(this.#heap.entry!)
    for (const item of map.items.values()) yield [item.key as K, item.value as V]
  }

  clear(): void {
    if (this.#map() === undefined) return
    const entry = this.#heap.change()
    entry.dirtyMask |= this.#bit
    entry.setSlot(this.#index, undefined)
    this.#heap.measure(entry)
  }

  #map(): MapSlot | undefined {
    return this.#heap.entry?.slot(this.#index) as MapSlot | undefined
  }

  #change(): MapSlot {
    const entry = this.#heap.change()
    entry.dirtyMask |= this.#bit
    const there = entry.slot(this.#index) as MapSlot | undefined
    if (there !== undefined) return there
    const map = newMap(true) // Cells of an earlier map of this key may be in files.
    entry.setSlot(this.#index, map)
    return map
  }
}
