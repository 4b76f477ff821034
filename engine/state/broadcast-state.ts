/**
 * State that is equal in every subtask: maps on the heap, changed only by the broadcast side, which
 * every subtask sees in the same order. Subtask 0's bytes are stored; all hashes must be equal.
 *
 * ```
 * snapshot := "MRBCAST1"  (descriptor: text, JSON  count  item*)*     states in order of names
 * item     := key: block  sequence: count  value: block              in order of key bytes
 * ```
 *
 * B1. Equal states give equal bytes: nothing depends on a subtask.
 * B2. `entries` follows the order of insertion, also after a restore: that is what `sequence` is for.
 */
import { assert } from '../base/assert.ts'
import { sha256Hex } from '../base/hash.ts'
import type { FileReference } from '../checkpoint/snapshot.ts'
import { ByteReader, ByteWriter } from '../stream/byte-buffer.ts'
import { decodeKey, encodeKey, heapKey } from '../stream/key-codec.ts'
import { ValueCodec, valueReader } from '../stream/value-codec.ts'
import { checkStateFits, evolvedReader } from './schema-evolution.ts'
import type { MapState, StateDescriptor } from './state.ts'
import type { StateChange } from './state-changes.ts'
import { changedState } from './state-changes.ts'
import type { HeapKey } from './entry-table.ts'
import { damaged } from './state-file.ts'

type MapDescriptor = Extract<StateDescriptor, { type: 'map' }>

const MAGIC = Buffer.from('MRBCAST1', 'latin1')

export class BroadcastState {
  readonly #maps = new Map<string, BroadcastMap>()
  /** Restored states that nobody has declared yet, or no longer does. */
  readonly #restored = new Map<string, RestoredMap>()

  /** The map of that name; the same one each time. */
  map<K, V>(descriptor: MapDescriptor): MapState<K, V> {
    let map = this.#maps.get(descriptor.name)
    if (map === undefined) {
      map = new BroadcastMap(descriptor, this.#restored.get(descriptor.name))
      this.#restored.delete(descriptor.name)
      this.#maps.set(descriptor.name, map)
    }
    return map as unknown as MapState<K, V>
  }

  /** The state as it is now; later changes are not seen. Synchronous, by the size of the state. */
  snapshot(): { readonly bytes: Uint8Array; readonly hash: string } {
    const parts = new Map<string, (writer: ByteWriter) => void>()
    for (const [name, map] of this.#maps) parts.set(name, (writer) => map.write(writer))
    for (const [name, map] of this.#restored) parts.set(name, (writer) => writer.raw(map.bytes))
    const writer = new ByteWriter()
    writer.raw(MAGIC)
    for (const name of [...parts.keys()].sort()) parts.get(name)!(writer)
    const bytes = writer.take()
    return { bytes, hash: sha256Hex(bytes) }
  }

  /**
   * Before the first use. `reference` is what the checkpoint says of the file with these bytes,
   * `changes` what the job has renamed and dropped.
   */
  restore(bytes: Uint8Array, reference: FileReference, changes: readonly StateChange[] = []): void {
    assert(this.#maps.size === 0, 'broadcast state is restored before it is used')
    if (bytes.length !== reference.bytes) {
      throw damaged(
        reference.path,
        `has ${bytes.length} bytes, the checkpoint says ${reference.bytes}`,
      )
    }
    const found = sha256Hex(bytes)
    if (found !== reference.sha256) {
      throw damaged(reference.path, `has SHA-256 ${found}, the checkpoint says ${reference.sha256}`)
    }
    const reader = new ByteReader(bytes)
    if (MAGIC.compare(reader.raw(MAGIC.length)) !== 0) {
      throw damaged(reference.path, 'does not begin as broadcast state')
    }
    while (!reader.isAtEnd) {
      const map = readMap(reader)
      const descriptor = changedState(map.descriptor, changes) as MapDescriptor | undefined
      if (descriptor !== undefined) this.#restored.set(descriptor.name, { ...map, descriptor })
    }
  }
}

/** Reads a file of broadcast state to its last value; returns how many items it has. */
export function auditBroadcast(bytes: Uint8Array): number {
  const reader = new ByteReader(bytes, MAGIC.length)
  let items = 0
  while (!reader.isAtEnd) {
    const map = readMap(reader)
    const read = valueReader(map.descriptor.value)
    for (const { key, value } of map.items) {
      decodeKey(key)
      const rest = new ByteReader(value)
      read(rest)
      assert(rest.isAtEnd, `a value of "${map.descriptor.name}" has bytes left over`)
    }
    items += map.items.length
  }
  return items
}

/** How many items each state of a file of broadcast state has. */
export function broadcastCounts(bytes: Uint8Array): ReadonlyMap<string, number> {
  const reader = new ByteReader(bytes, MAGIC.length)
  const counts = new Map<string, number>()
  while (!reader.isAtEnd) {
    const { descriptor, items } = readMap(reader)
    counts.set(descriptor.name, items.length)
  }
  return counts
}

interface RestoredMap {
  readonly descriptor: MapDescriptor
  readonly items: readonly RestoredItem[]
  /** The state as it stood in the file. */
  readonly bytes: Uint8Array
}

interface RestoredItem {
  readonly key: Uint8Array
  readonly sequence: number
  readonly value: Uint8Array
}

function readMap(reader: ByteReader): RestoredMap {
  const start = reader.position
  const descriptor = JSON.parse(reader.text()) as MapDescriptor
  const items: RestoredItem[] = []
  for (let count = reader.count(); count > 0; count -= 1) {
    const key = reader.block()
    items.push({ key, sequence: reader.count(), value: reader.block() })
  }
  return { descriptor, items, bytes: reader.bytes.slice(start, reader.position) }
}

interface Item {
  readonly key: unknown
  readonly sequence: number
  value: unknown
}

class BroadcastMap implements MapState<unknown, unknown> {
  readonly #descriptor: MapDescriptor
  readonly #codec: ValueCodec
  readonly #items = new Map<HeapKey, Item>()
  #nextSequence = 0

  constructor(descriptor: MapDescriptor, restored: RestoredMap | undefined) {
    this.#descriptor = descriptor
    this.#codec = new ValueCodec(descriptor.value, descriptor.name)
    if (restored !== undefined) this.#fill(restored)
  }

  get(key: unknown): unknown {
    return this.#items.get(heapKey(key))?.value
  }

  has(key: unknown): boolean {
    return this.#items.has(heapKey(key))
  }

  put(key: unknown, value: unknown): void {
    const own = heapKey(key)
    const item = this.#items.get(own)
    if (item !== undefined) {
      item.value = value
      return
    }
    this.#items.set(own, { key, sequence: this.#nextSequence, value })
    this.#nextSequence += 1
  }

  remove(key: unknown): void {
    this.#items.delete(heapKey(key))
  }

  *entries(): IterableIterator<readonly [unknown, unknown]> {
    for (const item of this.#items.values()) yield [item.key, item.value]
  }

  clear(): void {
    this.#items.clear()
  }

  write(writer: ByteWriter): void {
    const { type, name, key, value } = this.#descriptor
    writer.text(JSON.stringify({ type, name, key, value }))
    const items = [...this.#items.values()].map((item) => ({ item, key: encodeKey(item.key) }))
    items.sort((left, right) => Buffer.compare(left.key, right.key))
    writer.count(items.length)
    for (const { item, key: bytes } of items) {
      writer.block(bytes)
      writer.count(item.sequence)
      writer.block(this.#codec.encode(item.value))
    }
  }

  #fill({ descriptor, items }: RestoredMap): void {
    checkStateFits(this.#descriptor.name, [descriptor], [this.#descriptor])
    const read = evolvedReader(descriptor.value, this.#descriptor.value)
    for (const item of [...items].sort((left, right) => left.sequence - right.sequence)) {
      const key = decodeKey(item.key)
      const value = read(new ByteReader(item.value))
      this.#items.set(heapKey(key), { key, sequence: item.sequence, value })
      this.#nextSequence = item.sequence + 1
    }
  }
}
