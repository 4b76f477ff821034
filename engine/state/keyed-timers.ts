import type { Clock } from '../base/clock.ts'
import { assert } from '../base/assert.ts'
import { StreamError } from '../base/errors.ts'
import type { TimerQueue, UnkeyedRecords } from '../operator/operator.ts'
import { MAX_WATERMARK, MIN_WATERMARK } from '../stream/elements.ts'
import { keyHash } from '../stream/key-codec.ts'
import type { Cell } from './cell.ts'
import {
  TOMBSTONE,
  VALUE,
  bareCell,
  orderedDoubleOf,
  orderedDoubleText,
  stateIdText,
} from './cell.ts'
import type { FrozenGeneration } from './frozen-generation.ts'
import { keyOfText, keyText } from './key-text.ts'
import type { KeyedHeap } from './keyed-heap.ts'
import { KeyedTimer } from './keyed-timer.ts'
import type { KeyGroupTable } from './state-entry.ts'
import { removeDirty } from './state-entry.ts'
import { TimerChains } from './timer-chains.ts'
import { TimerHeap } from './timer-heap.ts'
import { TimerIndex } from './timer-index.ts'

/** State ids of timers; those of declared states count up from 0. */
export const EVENT_TIMERS_ID = 0xffff
export const PROCESSING_TIMERS_ID = 0xfffe
/** Times at which records wait, in steps that ask for event-time order. */
export const PLACES_ID = 0xfffd

/** Ids from here on are those of timers, not of declared states. */
export function isTimersId(stateId: number): boolean {
  return stateId >= PLACES_ID
}

/**
 * The timers of one operator and subtask. All of them are on the heap; they are in snapshots as
 * cells of their keys, under three state ids of their own.
 *
 * Q1. Timers fire in the order of (time, key bytes), whenever they were registered.
 * Q2. A timer is off the queue before its callback runs. A place stays until its callback says that
 *     nothing waits there any more.
 */
export class KeyedTimers implements TimerQueue {
  readonly eventTime: TimerLine
  readonly processingTime: TimerLine
  readonly places: TimerLine
  readonly #heap: KeyedHeap
  readonly #clock: Clock
  #watermarkMs = MIN_WATERMARK
  /** Counts what is set behind the end of the input. */
  #chains: TimerChains | undefined
  /** The input has ended: what a firing sets would never come to an end. */
  #isLastRound = false
  /** The latest time that `fireInOrder` has come to: an overdue timer does not turn it back. */
  #atHandMs = MIN_WATERMARK

  constructor(heap: KeyedHeap, clock: Clock) {
    this.#heap = heap
    this.#clock = clock
    this.eventTime = new TimerLine(heap, EVENT_TIMERS_ID, 0)
    this.processingTime = new TimerLine(heap, PROCESSING_TIMERS_ID, 1)
    this.places = new TimerLine(heap, PLACES_ID, 2)
  }

  get watermarkMs(): number {
    return this.#watermarkMs
  }

  get processingTimeMs(): number {
    return this.#clock.nowMs()
  }

  /** After a restore, before anything else: the watermark of the checkpoint. */
  startAt(watermarkMs: number): void {
    this.#watermarkMs = watermarkMs
  }

  /** The timers whose cells have this state id. */
  lineOf(stateId: number): TimerLine | undefined {
    switch (stateId) {
      case EVENT_TIMERS_ID:
        return this.eventTime
      case PROCESSING_TIMERS_ID:
        return this.processingTime
      case PLACES_ID:
        return this.places
      default:
        return undefined
    }
  }

  freeze(frozen: FrozenGeneration): void {
    this.eventTime.freeze(frozen)
    this.processingTime.freeze(frozen)
    this.places.freeze(frozen)
  }

  registerEventTimeTimer(atMs: number): void {
    if (this.#chains !== undefined) this.#chains.count(this.#heap.currentKey)
    this.eventTime.register(atMs)
  }

  deleteEventTimeTimer(atMs: number): void {
    this.eventTime.delete(atMs)
  }

  registerProcessingTimeTimer(atMs: number): void {
    if (!this.#isLastRound) this.processingTime.register(atMs)
  }

  deleteProcessingTimeTimer(atMs: number): void {
    this.processingTime.delete(atMs)
  }

  fireEventTime(ms: number, onTimer: (atMs: number) => void, mayContinue: () => boolean): boolean {
    if (ms === MAX_WATERMARK) this.#chains ??= new TimerChains()
    const { eventTime } = this
    for (let timer = eventTime.first; timer !== undefined; timer = eventTime.first) {
      if (timer.atMs > ms) break
      if (!mayContinue()) return false
      if (timer.atMs > this.#watermarkMs) this.#watermarkMs = timer.atMs
      this.#fire(eventTime, timer, onTimer)
    }
    if (ms > this.#watermarkMs) this.#watermarkMs = ms
    return true
  }

  waitUntil(atMs: number): void {
    this.places.register(atMs)
  }

  fireInOrder(
    ms: number,
    onPlace: (atMs: number) => boolean,
    onTimer: (atMs: number) => void,
    mayContinue: () => boolean,
    unkeyed?: UnkeyedRecords,
  ): boolean {
    if (ms === MAX_WATERMARK) this.#chains ??= new TimerChains()
    for (;;) {
      const place = this.places.first
      const timer = this.eventTime.first
      const isPlace = place !== undefined && (timer === undefined || place.atMs <= timer.atMs)
      const next = isPlace ? place : timer
      const unkeyedMs = unkeyed === undefined ? Infinity : unkeyed.nextMs()
      const isKeyed = next !== undefined && next.atMs < unkeyedMs
      const nextMs = isKeyed ? next.atMs : unkeyedMs
      if (nextMs > ms) break
      if (!mayContinue()) return false
      if (nextMs > this.#atHandMs) this.#atHandMs = nextMs
      this.#watermarkMs = this.#atHandMs - 1
      if (!isKeyed) {
        unkeyed!.take()
        continue
      }
      if (!isPlace) this.eventTime.remove(next) // Q2.
      this.#heap.setCurrentKey(next.key, next.hash)
      if (!isPlace) onTimer(next.atMs)
      else if (onPlace(next.atMs)) this.places.remove(next)
    }
    this.#atHandMs = MIN_WATERMARK
    this.#watermarkMs = ms
    return true
  }

  fireProcessingTime(
    nowMs: number,
    onTimer: (atMs: number) => void,
    mayContinue: () => boolean,
  ): boolean {
    const { processingTime } = this
    this.#isLastRound = nowMs === Infinity
    for (let timer = processingTime.first; timer !== undefined; timer = processingTime.first) {
      if (timer.atMs > nowMs) break
      if (!mayContinue()) return false
      this.#fire(processingTime, timer, onTimer)
    }
    this.#isLastRound = false
    return true
  }

  nextEventTimeMs(): number {
    const { first } = this.eventTime
    return first === undefined ? Infinity : first.atMs
  }

  nextProcessingTimeMs(): number | undefined {
    return this.processingTime.first?.atMs
  }

  #fire(line: TimerLine, timer: KeyedTimer, onTimer: (atMs: number) => void): void {
    line.remove(timer) // Q2.
    this.#heap.setCurrentKey(timer.key, timer.hash)
    onTimer(timer.atMs)
  }
}

/** Timers of one kind. */
export class TimerLine {
  readonly stateId: number
  readonly #idText: string
  /** Place in `FrozenGeneration.timers`. */
  readonly kind: number
  readonly #heap: KeyedHeap
  readonly #queue = new TimerHeap()
  /** Registered timers, and removed ones that still have to become tombstones. */
  readonly #index = new TimerIndex()
  readonly #dirty: KeyedTimer[][]
  readonly #frozen = new Map<number, FrozenGeneration>()
  readonly #firstGroup: number

  constructor(heap: KeyedHeap, stateId: number, kind: number) {
    this.#heap = heap
    this.stateId = stateId
    this.#idText = stateIdText(stateId)
    this.kind = kind
    this.#dirty = heap.tables.map(() => [])
    this.#firstGroup = heap.tables[0]?.keyGroup ?? 0
  }

  get first(): KeyedTimer | undefined {
    return this.#queue.first
  }

  get count(): number {
    return this.#queue.count
  }

  register(atMs: number): void {
    if (Number.isNaN(atMs)) {
      throw new StreamError('VALUE_UNFIT', 'a timer was set for NaN', {
        hint: 'Set timers in epoch milliseconds.',
      })
    }
    const heap = this.#heap
    const time = atMs === 0 ? 0 : atMs
    const text = keyText(heap.currentKey)
    const there = this.#index.find(time, heap.currentHash, text)
    if (there?.isRegistered === true) return
    const timer =
      there ?? this.#add(time, heap.currentKey, text, heap.currentHash, heap.currentTable)
    this.#change(timer)
    timer.isRegistered = true
    this.#queue.push(timer)
  }

  delete(atMs: number): void {
    const time = atMs === 0 ? 0 : atMs
    const heap = this.#heap
    const timer = this.#index.find(time, heap.currentHash, keyText(heap.currentKey))
    if (timer?.isRegistered === true) this.remove(timer)
  }

  remove(timer: KeyedTimer): void {
    this.#change(timer)
    this.#queue.remove(timer)
    timer.isRegistered = false
    if (!timer.isPersisted) {
      // Nobody has heard of it: it leaves no trace.
      removeDirty(this.#dirtyOf(timer), timer)
      this.#index.remove(timer)
    }
  }

  freeze(frozen: FrozenGeneration): void {
    const lists: (KeyedTimer[] | undefined)[] = []
    for (const [index, dirty] of this.#dirty.entries()) {
      if (dirty.length === 0) continue
      lists[index] = dirty
      this.#dirty[index] = []
    }
    frozen.timers[this.kind] = lists
    this.#frozen.set(frozen.generation, frozen)
  }

  forget(frozen: FrozenGeneration): void {
    this.#frozen.delete(frozen.generation)
  }

  /** Adds the cell for what the timer was at the barrier. */
  encode(timer: KeyedTimer, cells: Cell[]): void {
    const prefix = timer.keyText + this.#idText
    const kind = timer.isRegistered ? VALUE : TOMBSTONE
    const sort = prefix + orderedDoubleText(timer.atMs)
    cells.push(bareCell(sort, prefix.length, kind))
    timer.dirtyAt = 0
    timer.isPersisted = timer.isRegistered
    if (!timer.isRegistered) this.#index.remove(timer)
  }

  /** A timer of a checkpoint. */
  restore(text: string, suffix: string, table: KeyGroupTable): void {
    const key = keyOfText(text)
    const timer = this.#add(orderedDoubleOf(suffix), key, text, keyHash(key), table)
    timer.isPersisted = true
    timer.isRegistered = true
    this.#queue.push(timer)
  }

  #add(atMs: number, key: unknown, text: string, hash: number, table: KeyGroupTable): KeyedTimer {
    const timer = new KeyedTimer(atMs, key, text, hash, table)
    this.#index.add(timer)
    return timer
  }

  /** As for entries: what a barrier has frozen is encoded before it changes. */
  #change(timer: KeyedTimer): void {
    const { generation } = this.#heap
    if (timer.dirtyAt === generation) return
    if (timer.dirtyAt !== 0) {
      const frozen = this.#frozen.get(timer.dirtyAt)
      assert(frozen !== undefined, 'a frozen timer belongs to a generation that is being written')
      const wasRemoved = !timer.isRegistered
      const table = timer.table.keyGroup - this.#firstGroup
      const cells = frozen.earlyCells(table)
      const first = cells.length
      this.encode(timer, cells)
      frozen.countEarly(table, first)
      if (wasRemoved) this.#index.add(timer) // It is about to be registered again.
    }
    timer.dirtyAt = generation
    timer.dirtyIndex = this.#dirtyOf(timer).push(timer) - 1
  }

  #dirtyOf(timer: KeyedTimer): KeyedTimer[] {
    return this.#dirty[timer.table.keyGroup - this.#firstGroup]!
  }
}
