import type {
  KeyedStateBackend,
  ListState,
  MapState,
  StateDescriptor,
  ValueState,
} from '../state/state.ts'
import type { TimerQueue, UnkeyedRecords } from '../operator/operator.ts'
import { assert } from '../base/assert.ts'
import { encodeKey, heapKey } from '../stream/key-codec.ts'
import { MIN_WATERMARK } from '../stream/elements.ts'
import { keyGroupOf } from '../stream/keys.ts'

/** All keyed state and timers of one subtask, as plain data. */
export interface MemorySnapshot {
  readonly entries: readonly MemoryEntry[]
  readonly timers: readonly MemoryTimer[]
}

interface MemoryEntry {
  readonly state: string
  readonly key: unknown
  readonly hash: number
  readonly value: unknown
}

interface MemoryTimer {
  readonly kind: 'event' | 'processing' | 'place'
  readonly atMs: number
  readonly key: unknown
  readonly hash: number
}

/** The part of several snapshots that belongs to subtask `subtask` of `parallelism`. */
export function redistribute(
  snapshots: readonly MemorySnapshot[],
  isMine: (keyGroup: number) => boolean,
  maxParallelism: number,
): MemorySnapshot {
  const mine = (item: { readonly hash: number }): boolean =>
    isMine(keyGroupOf(item.hash, maxParallelism))
  return {
    entries: snapshots.flatMap((snapshot) => snapshot.entries.filter(mine)),
    timers: snapshots.flatMap((snapshot) => snapshot.timers.filter(mine)),
  }
}

type Slot = string | number | bigint | boolean | null

/**
 * The simplest keyed state that keeps the contract of `state.ts`, for tests of operators.
 *
 * M1. Every value is copied on its way in and on its way out, so that a change without `update`,
 *     `put` or `add` is lost at once, and not only after a crash (S1 there).
 */
export class MemoryKeyedState implements KeyedStateBackend {
  readonly #tables = new Map<string, Map<Slot, MemoryEntry>>()
  #key: unknown
  #hash = 0
  #slot: Slot | undefined

  constructor(snapshot?: MemorySnapshot) {
    for (const entry of snapshot?.entries ?? []) {
      this.#table(entry.state).set(heapKey(entry.key), structuredClone(entry))
    }
  }

  get currentKey(): unknown {
    return this.#key
  }

  get currentHash(): number {
    assert(this.#slot !== undefined, 'keyed state was used without a key')
    return this.#hash
  }

  setCurrentKey(key: unknown, hash: number): void {
    this.#key = key
    this.#hash = hash
    this.#slot = heapKey(key)
  }

  value<V>(descriptor: Extract<StateDescriptor, { type: 'value' }>): ValueState<V, V | undefined> {
    const { name } = descriptor
    return {
      value: () => this.#get(name, descriptor.default) as V | undefined,
      update: (value) => {
        this.#set(name, value)
      },
      clear: () => {
        this.#delete(name)
      },
    }
  }

  list<V>(descriptor: Extract<StateDescriptor, { type: 'list' }>): ListState<V> {
    const { name } = descriptor
    return {
      get: () => this.#get(name, []) as V[],
      add: (value) => {
        this.#set(name, [...(this.#get(name, []) as V[]), value])
      },
      update: (values) => {
        if (values.length === 0) this.#delete(name)
        else this.#set(name, values)
      },
      clear: () => {
        this.#delete(name)
      },
    }
  }

  map<K, V>(descriptor: Extract<StateDescriptor, { type: 'map' }>): MapState<K, V> {
    const { name } = descriptor
    const entries = (): (readonly [K, V])[] => this.#get(name, []) as (readonly [K, V])[]
    const others = (key: K): (readonly [K, V])[] =>
      entries().filter(([other]) => heapKey(other) !== heapKey(key))
    const update = (left: readonly (readonly [K, V])[]): void => {
      if (left.length === 0) this.#delete(name)
      else this.#set(name, left)
    }
    const find = (key: K): readonly [K, V] | undefined =>
      entries().find(([other]) => heapKey(other) === heapKey(key))
    return {
      get: (key) => find(key)?.[1],
      has: (key) => find(key) !== undefined,
      put: (key, value) => {
        update([...others(key), [key, value]])
      },
      remove: (key) => {
        update(others(key))
      },
      entries: () => entries().values(),
      clear: () => {
        this.#delete(name)
      },
    }
  }

  snapshot(): readonly MemoryEntry[] {
    return structuredClone([...this.#tables.values()].flatMap((table) => [...table.values()]))
  }

  #table(name: string): Map<Slot, MemoryEntry> {
    let table = this.#tables.get(name)
    if (table === undefined) {
      table = new Map()
      this.#tables.set(name, table)
    }
    return table
  }

  #get(name: string, empty: unknown): unknown {
    assert(this.#slot !== undefined, 'keyed state was used without a key')
    const entry = this.#table(name).get(this.#slot)
    return structuredClone(entry === undefined ? empty : entry.value)
  }

  #set(name: string, value: unknown): void {
    assert(this.#slot !== undefined, 'keyed state was used without a key')
    const entry = { state: name, key: this.#key, hash: this.#hash, value: structuredClone(value) }
    this.#table(name).set(this.#slot, entry)
  }

  #delete(name: string): void {
    assert(this.#slot !== undefined, 'keyed state was used without a key')
    this.#table(name).delete(this.#slot)
  }
}

/** The timers that go with it: a list, searched for its least. */
export class MemoryTimers implements TimerQueue {
  readonly #state: MemoryKeyedState
  readonly #timers = new Map<string, MemoryTimer>()
  watermarkMs = MIN_WATERMARK
  processingTimeMs = 0
  #atHandMs = MIN_WATERMARK

  constructor(state: MemoryKeyedState, snapshot?: MemorySnapshot) {
    this.#state = state
    for (const timer of snapshot?.timers ?? []) this.#timers.set(idOf(timer), timer)
  }

  registerEventTimeTimer(atMs: number): void {
    this.#add('event', atMs)
  }

  deleteEventTimeTimer(atMs: number): void {
    this.#remove('event', atMs)
  }

  registerProcessingTimeTimer(atMs: number): void {
    this.#add('processing', atMs)
  }

  deleteProcessingTimeTimer(atMs: number): void {
    this.#remove('processing', atMs)
  }

  fireEventTime(ms: number, onTimer: (atMs: number) => void, mayContinue: () => boolean): boolean {
    const fired = (atMs: number): void => {
      this.watermarkMs = Math.max(this.watermarkMs, atMs)
      onTimer(atMs)
    }
    if (!this.#fire('event', ms, fired, mayContinue)) return false
    this.watermarkMs = Math.max(this.watermarkMs, ms)
    return true
  }

  waitUntil(atMs: number): void {
    this.#add('place', atMs)
  }

  fireInOrder(
    ms: number,
    onPlace: (atMs: number) => boolean,
    onTimer: (atMs: number) => void,
    mayContinue: () => boolean,
    unkeyed?: UnkeyedRecords,
  ): boolean {
    for (;;) {
      const place = this.#first('place')
      const timer = this.#first('event')
      const isPlace = place !== undefined && (timer === undefined || place.atMs <= timer.atMs)
      const next = isPlace ? place : timer
      const unkeyedMs = unkeyed?.nextMs() ?? Infinity
      const isKeyed = next !== undefined && next.atMs < unkeyedMs
      const nextMs = isKeyed ? next.atMs : unkeyedMs
      if (nextMs > ms) break
      if (!mayContinue()) return false
      this.#atHandMs = Math.max(this.#atHandMs, nextMs)
      this.watermarkMs = this.#atHandMs - 1
      if (!isKeyed) {
        unkeyed!.take()
        continue
      }
      this.#state.setCurrentKey(next.key, next.hash)
      if (!isPlace) this.#timers.delete(idOf(next))
      if (!isPlace) onTimer(next.atMs)
      else if (onPlace(next.atMs)) this.#timers.delete(idOf(next))
    }
    this.#atHandMs = MIN_WATERMARK
    this.watermarkMs = ms
    return true
  }

  fireProcessingTime(
    nowMs: number,
    onTimer: (atMs: number) => void,
    mayContinue: () => boolean,
  ): boolean {
    this.processingTimeMs = nowMs
    return this.#fire('processing', nowMs, onTimer, mayContinue)
  }

  nextEventTimeMs(): number {
    return this.#first('event')?.atMs ?? Infinity
  }

  nextProcessingTimeMs(): number | undefined {
    return this.#first('processing')?.atMs
  }

  snapshot(): readonly MemoryTimer[] {
    return structuredClone([...this.#timers.values()])
  }

  #add(kind: MemoryTimer['kind'], atMs: number): void {
    assert(Number.isFinite(atMs), 'a timer at no time')
    const timer = { kind, atMs, key: this.#state.currentKey, hash: this.#state.currentHash }
    this.#timers.set(idOf(timer), timer)
  }

  #remove(kind: MemoryTimer['kind'], atMs: number): void {
    this.#timers.delete(
      idOf({ kind, atMs, key: this.#state.currentKey, hash: this.#state.currentHash }),
    )
  }

  #fire(
    kind: MemoryTimer['kind'],
    ms: number,
    onTimer: (atMs: number) => void,
    mayContinue: () => boolean,
  ): boolean {
    for (;;) {
      const timer = this.#first(kind)
      if (timer === undefined || timer.atMs > ms) return true
      if (!mayContinue()) return false
      this.#timers.delete(idOf(timer))
      this.#state.setCurrentKey(timer.key, timer.hash)
      onTimer(timer.atMs)
    }
  }

  #first(kind: MemoryTimer['kind']): MemoryTimer | undefined {
    let first: MemoryTimer | undefined
    for (const timer of this.#timers.values()) {
      if (timer.kind === kind && (first === undefined || isBefore(timer, first))) first = timer
    }
    return first
  }
}

function isBefore(left: MemoryTimer, right: MemoryTimer): boolean {
  if (left.atMs !== right.atMs) return left.atMs < right.atMs
  return Buffer.compare(encodeKey(left.key), encodeKey(right.key)) < 0
}

function idOf(timer: MemoryTimer): string {
  return `${timer.kind} ${timer.atMs} ${Buffer.from(encodeKey(timer.key)).toString('hex')}`
}
