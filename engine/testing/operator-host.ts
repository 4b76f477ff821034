import type { Doors } from '../base/doors.ts'
import type { KeySelector, KeyGroupRange } from '../stream/keys.ts'
import type { KeyedStateBackend, MapState, StateDescriptor } from '../state/state.ts'
import type { MemorySnapshot } from './memory-keyed-state.ts'
import type { OperatorContext, Output, StreamOperator, TimerQueue } from '../operator/operator.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import { assert } from '../base/assert.ts'
import { heapKey, keyHash, selectKey } from '../stream/key-codec.ts'
import { keyGroupOf, keyGroupRange } from '../stream/keys.ts'
import { MemoryKeyedState, MemoryTimers, redistribute } from './memory-keyed-state.ts'
import { MIN_WATERMARK } from '../stream/elements.ts'
import { furthestBehind } from '../checkpoint/broadcast-copies.ts'
import { startWatermark } from '../checkpoint/start-watermark.ts'

/** What came out of an operator. `side` is undefined for the main output. */
export type OperatorResult =
  | {
      readonly type: 'record'
      readonly value: unknown
      readonly timeMs: number | undefined
      readonly side: string | undefined
    }
  | { readonly type: 'watermark'; readonly ms: number }
  | { readonly type: 'idle'; readonly idle: boolean }

/** An operator to test, and how its task would find the keys of its records. */
export interface OperatorSubject {
  create(): StreamOperator
  /** By input. Undefined, or none: that input is not keyed. */
  readonly keys?: readonly (KeySelector | undefined)[]
  readonly order?: 'arrival' | 'event-time'
}

export interface HostOptions {
  readonly subtask: number
  readonly parallelism: number
  /** Batches that may leave in one call before the output is out of credit. */
  readonly creditBatches: number
  readonly restored: readonly HostSnapshot[]
  /** State other than the one in memory; the test then takes its snapshots and restores itself. */
  readonly backend?: { readonly keyed: KeyedStateBackend; readonly timers: TimerQueue }
}

/** What one subtask would have put into a checkpoint. */
export interface HostSnapshot {
  readonly keyed: MemorySnapshot
  readonly broadcast: ReadonlyMap<string, ReadonlyMap<unknown, readonly [unknown, unknown]>>
  readonly watermarkMs: number
  /** The last watermark that the operator emitted itself. */
  readonly emittedMs: number
  /** Not of the checkpoint, but of the world that goes on. */
  readonly nowMs: number
}

const MAX_PARALLELISM = 128

/** Runs one subtask of an operator as a task would, in one thread and without files. */
export class OperatorHost {
  readonly results: OperatorResult[] = []
  readonly #operator: StreamOperator
  readonly #backend: HostOptions['backend']
  readonly #keyed: MemoryKeyedState
  readonly #timers: MemoryTimers
  readonly #broadcast = new Map<string, Map<unknown, readonly [unknown, unknown]>>()
  readonly #keyOf: readonly (((row: unknown) => unknown) | undefined)[]
  readonly #range: KeyGroupRange
  readonly #creditBatches: number
  #credit = 0
  #watermarkMs = MIN_WATERMARK
  #emittedMs = MIN_WATERMARK
  #nowMs = 0

  constructor(subject: OperatorSubject, options: HostOptions) {
    const { subtask, parallelism, restored } = options
    this.#operator = subject.create()
    this.#creditBatches = options.creditBatches
    this.#backend = options.backend
    this.#range = keyGroupRange(subtask, MAX_PARALLELISM, parallelism)
    const snapshots = restored.map((snapshot) => snapshot.keyed)
    const mine = redistribute(snapshots, (group) => this.#owns(group), MAX_PARALLELISM)
    this.#keyed = new MemoryKeyedState(mine)
    this.#timers = new MemoryTimers(this.#keyed, mine)
    this.#keyOf = (subject.keys ?? []).map((key) => (key === undefined ? key : selectKey(key)))
    for (const [name, entries] of furthestBehind(restored)?.broadcast ?? []) {
      this.#broadcast.set(name, new Map(entries))
    }
    this.#watermarkMs = options.backend?.timers.watermarkMs ?? this.#startMs(subject, restored)
    this.#timers.watermarkMs = this.#watermarkMs
    this.#emittedMs = restored[0]?.emittedMs ?? MIN_WATERMARK
    this.#nowMs = restored[0]?.nowMs ?? 0
    this.#timers.processingTimeMs = this.#nowMs
    this.#operator.open(this.#context(subtask, parallelism))
    if (this.#watermarkMs === MIN_WATERMARK) return
    // As a task does: what this subtask had still to fire.
    const startMs = this.#watermarkMs
    this.#untilDone(() => this.#operator.advanceWatermark?.(startMs) ?? true)
  }

  #startMs({ order }: OperatorSubject, restored: readonly HostSnapshot[]): number {
    if (restored.length === 0) return MIN_WATERMARK
    const subtasks = restored.map(({ watermarkMs }) => ({ chain: [], watermarkMs }))
    const was = { parallelism: restored.length, maxParallelism: MAX_PARALLELISM, subtasks }
    const isOrdered = order === 'event-time'
    return startWatermark(was, { range: this.#range, maxParallelism: MAX_PARALLELISM, isOrdered })
  }

  /** Whether a record of this input comes to this subtask. */
  takes(row: unknown, input: number): boolean {
    const keyOf = this.#keyOf[input]
    return keyOf === undefined || this.#owns(keyGroupOf(keyHash(keyOf(row)), MAX_PARALLELISM))
  }

  processBatch(batch: RecordBatch, input: number): void {
    const operator = this.#operator
    for (let from = 0, calls = 0; from < batch.count; calls += 1) {
      assert(calls < 100_000, 'an operator that pauses makes no headway')
      this.#credit = this.#creditBatches
      if (operator.processFrom === undefined) {
        operator.processBatch(batch, input)
        return
      }
      from = operator.processFrom(batch, input, from)
    }
  }

  advanceWatermark(ms: number): void {
    if (ms <= this.#watermarkMs) return
    this.#untilDone(() => this.#operator.advanceWatermark?.(ms) ?? true)
    this.#watermarkMs = ms
    this.#timers.watermarkMs = ms
    if (this.#operator.emitsWatermarks !== true) this.results.push({ type: 'watermark', ms })
  }

  advanceProcessingTime(ms: number): void {
    this.#nowMs = ms
    this.#timers.processingTimeMs = ms
    for (;;) {
      const next = this.#operator.nextProcessingTimeMs?.()
      if (next === undefined || next > ms) return
      this.#untilDone(() => this.#operator.advanceProcessingTime!(ms))
    }
  }

  finish(): void {
    this.#untilDone(() => this.#operator.finish?.() ?? true)
  }

  snapshot(): HostSnapshot {
    return {
      keyed: { entries: this.#keyed.snapshot(), timers: this.#timers.snapshot() },
      broadcast: structuredClone(this.#broadcast),
      watermarkMs: this.#watermarkMs,
      emittedMs: this.#emittedMs,
      nowMs: this.#nowMs,
    }
  }

  get operator(): StreamOperator {
    return this.#operator
  }

  #owns(group: number): boolean {
    return group >= this.#range.first && group <= this.#range.last
  }

  #untilDone(step: () => boolean): void {
    for (let calls = 0; ; calls += 1) {
      assert(calls < 100_000, 'an operator that pauses makes no headway')
      this.#credit = this.#creditBatches
      if (step()) return
    }
  }

  #context(subtask: number, parallelism: number): OperatorContext {
    return {
      uid: 'subject',
      name: 'subject',
      subtask,
      parallelism,
      maxParallelism: MAX_PARALLELISM,
      doors: this.#doors(),
      output: this.#output(),
      keyed: this.#backend?.keyed ?? this.#keyed,
      timers: this.#backend?.timers ?? this.#timers,
      broadcastState: <K, V>(descriptor: Extract<StateDescriptor, { type: 'map' }>) =>
        this.#broadcastState<K, V>(descriptor.name),
      recordIndex: 0,
    }
  }

  /** The clock is moved by hand; nothing else of the world is there for an operator. */
  #doors(): Doors {
    const clock = { nowMs: () => this.#nowMs, monotonicMs: () => this.#nowMs }
    return { clock } as unknown as Doors
  }

  #output(): Output {
    return {
      emit: (batch) => {
        this.#take(batch, undefined)
      },
      emitTo: (side, batch) => {
        this.#take(batch, side)
      },
      emitWatermark: (ms) => {
        if (ms <= this.#emittedMs) return
        this.#emittedMs = ms
        this.results.push({ type: 'watermark', ms })
      },
      emitIdle: (idle) => {
        this.results.push({ type: 'idle', idle })
      },
      hasCredit: () => this.#credit > 0,
    }
  }

  #take(batch: RecordBatch, side: string | undefined): void {
    this.#credit -= 1
    for (let index = 0; index < batch.count; index += 1) {
      const timeMs = batch.times?.[index]
      this.results.push({
        type: 'record',
        value: structuredClone(batch.rows[index]),
        timeMs: timeMs === undefined || Number.isNaN(timeMs) ? undefined : timeMs,
        side,
      })
    }
  }

  #broadcastState<K, V>(name: string): MapState<K, V> {
    const entries = this.#broadcast.get(name) ?? new Map<unknown, readonly [unknown, unknown]>()
    this.#broadcast.set(name, entries)
    return {
      get: (key) => structuredClone(entries.get(heapKey(key))?.[1]) as V | undefined,
      has: (key) => entries.has(heapKey(key)),
      put: (key, value) => {
        entries.set(heapKey(key), structuredClone([key, value]))
      },
      remove: (key) => {
        entries.delete(heapKey(key))
      },
      entries: () => structuredClone([...entries.values()]).values() as IterableIterator<[K, V]>,
      clear: () => {
        entries.clear()
      },
    }
  }
}
