import type { SchemaData } from '../stream/schema.ts'

/**
 * Keyed state as operators see it. They declare it in `open`, before the first record, and know
 * nothing of heap tables or LevelDB. Every call but the declarations acts on the current key.
 *
 * S1. What a handle gave out may be changed by its owner only followed by `update`, `put`, `add`.
 * S2. A snapshot taken at a barrier never sees a later change: an entry frozen by a barrier is
 *     encoded before it is handed out or overwritten.
 */
export interface ValueState<in out V, out Empty = undefined> {
  value(): V | Empty
  update(value: V): void
  clear(): void
}

export interface ListState<in out V> {
  get(): readonly V[]
  add(value: V): void
  update(values: readonly V[]): void
  clear(): void
}

export interface ReadonlyMapState<in K, out V> {
  get(key: K): V | undefined
  has(key: K): boolean
  entries(): IterableIterator<readonly [unknown, V]>
}

export interface MapState<in out K, in out V> {
  get(key: K): V | undefined
  has(key: K): boolean
  put(key: K, value: V): void
  remove(key: K): void
  entries(): IterableIterator<readonly [K, V]>
  clear(): void
}

/** What a state is, as data in the plan and in manifests. The name is unique in its operator. */
export type StateDescriptor =
  | {
      readonly type: 'value'
      readonly name: string
      readonly value: SchemaData
      readonly default?: unknown
      readonly ttlMs?: number
    }
  | {
      readonly type: 'list'
      readonly name: string
      readonly value: SchemaData
      readonly ttlMs?: number
    }
  | {
      readonly type: 'map'
      readonly name: string
      readonly key: SchemaData
      readonly value: SchemaData
      readonly ttlMs?: number
    }

/** One subtask's keyed state of one operator. */
export interface KeyedStateBackend {
  value<V>(descriptor: Extract<StateDescriptor, { type: 'value' }>): ValueState<V, V | undefined>
  list<V>(descriptor: Extract<StateDescriptor, { type: 'list' }>): ListState<V>
  map<K, V>(descriptor: Extract<StateDescriptor, { type: 'map' }>): MapState<K, V>
  /** All that follows acts on this key; `hash` is its `keyHash`. */
  setCurrentKey(key: unknown, hash: number): void
  readonly currentKey: unknown
}
