import type { KeySelector } from '../../engine/stream/keys.ts'
import type { OperatorContext, StreamOperator } from '../../engine/operator/operator.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import type { KeyedStateBackend, StateDescriptor } from '../../engine/state/state.ts'
import { assert } from '../../engine/base/assert.ts'
import { Emitters, openBroadcast, openStates, ProcessScope, UserTimers } from './process-context.ts'
import { FiringSlice } from './firing-slice.ts'
import { KeyedInput } from './keyed-input.ts'
import { UserCalls } from './user-calls.ts'

/** What a process step does, whichever form it was written in. */
export interface ProcessLogic {
  /** By input. */
  readonly inputs: readonly ProcessInput[]
  /** Keyed state by the names the functions know it by. */
  readonly states: Readonly<Record<string, StateDescriptor>>
  /** Broadcast state likewise; only map states. */
  readonly broadcast: Readonly<Record<string, StateDescriptor>>
  /** Side outputs that may be named. */
  readonly sides: readonly string[] | 'any'
  onTimer?(atMs: number, scope: ProcessScope): unknown
  /** Called once, before the first record. */
  open?(backend: KeyedStateBackend): void
}

export interface ProcessInput {
  /** 'broadcast': the input that may write broadcast state and sees no key. */
  readonly key: KeySelector | 'none' | 'broadcast'
  onRecord(record: unknown, scope: ProcessScope): unknown
}

/**
 * Runs a user's process functions: on one stream, keyed or not, on two keyed ones, or on a keyed
 * and a broadcast one.
 *
 * P1. State and timers in a call are those of the key of the record, or of the timer.
 * P2. What a call emits takes over the time and place of its record, or the time of its timer.
 * P3. Before each record the event-time timers fire that are due at the watermark before it. Firing
 *     pauses between two timers when the output is out of credit.
 */
export class ProcessOperator implements StreamOperator {
  readonly #create: () => ProcessLogic
  #logic!: ProcessLogic
  #context!: OperatorContext
  #emitters!: Emitters
  #slice!: FiringSlice
  #calls!: UserCalls
  #scope!: ProcessScope
  #broadcastScope: { readonly broadcast: Readonly<Record<string, unknown>> } | undefined
  #keyed: (KeyedInput | undefined)[] = []
  #hasKey = false
  readonly #onEventTimer = (atMs: number): void => {
    this.#emitters.passTime(atMs)
    this.#fire(atMs, atMs)
  }
  readonly #onProcessingTimer = (atMs: number): void => {
    this.#fire(atMs, NaN)
  }

  constructor(create: () => ProcessLogic) {
    this.#create = create
  }

  open(context: OperatorContext): void {
    const logic = this.#create()
    this.#logic = logic
    this.#context = context
    this.#emitters = new Emitters(context.output, logic.sides)
    this.#slice = new FiringSlice(this.#emitters, context.output)
    this.#calls = new UserCalls(logic, context)
    this.#hasKey = logic.inputs.some((input) => typeof input.key === 'object')
    const handles = this.#hasKey ? openStates(context.keyed, logic.states) : {}
    const timers = this.#hasKey ? new UserTimers(context.timers) : undefined
    this.#scope = new ProcessScope(this.#emitters, timers, handles)
    const { readable, writable } = openBroadcast(context, logic.broadcast)
    this.#scope.broadcast = readable
    this.#broadcastScope = { broadcast: writable }
    this.#keyed = logic.inputs.map(({ key }) =>
      typeof key === 'object' ? new KeyedInput(key, context) : undefined,
    )
    if (!this.#hasKey) return
    this.#emitters.watermarkMs = context.timers.watermarkMs
    logic.open?.(context.keyed)
  }

  processBatch(batch: RecordBatch, input: number): void {
    const taken = this.processFrom(batch, input, 0)
    assert(taken === batch.count, 'a step without a key never pauses')
  }

  processFrom(batch: RecordBatch, input: number, from: number): number {
    const port = this.#logic.inputs[input]!
    const watermarks = this.#hasKey ? batch.watermarks : undefined
    this.#slice.start()
    if (watermarks !== undefined && !this.#reach(watermarks[from]!)) {
      this.#emitters.flush()
      return from
    }
    const keyed = this.#keyed[input]
    const keys = keyed?.keys(batch)
    const hashes = keys === undefined ? undefined : keyed!.hashes(batch, keys)
    this.#emitters.begin(batch)
    let index = from
    for (; index < batch.count; index += 1) {
      if (watermarks !== undefined && !this.#reach(watermarks[index]!)) break
      if (port.key === 'broadcast') {
        this.#calls.onRecord(port, batch, index, this.#broadcastScope as unknown as ProcessScope)
        continue
      }
      if (keys !== undefined) this.#context.keyed.setCurrentKey(keys[index], hashes![index]!)
      const scope = this.#scope
      scope.key = keys?.[index]
      scope.atRecord(index, batch.times === undefined ? NaN : batch.times[index]!)
      this.#calls.onRecord(port, batch, index, scope)
      this.#emitters.drain()
    }
    this.#emitters.flush()
    return index
  }

  advanceWatermark(ms: number): boolean {
    if (!this.#hasKey) return true
    this.#slice.start()
    const isDone = this.#reach(ms)
    this.#emitters.flush()
    return isDone
  }

  advanceProcessingTime(nowMs: number): boolean {
    if (!this.#hasKey) return true
    this.#slice.start()
    const { timers } = this.#context
    const isDone = timers.fireProcessingTime(
      nowMs,
      this.#onProcessingTimer,
      this.#slice.mayContinue,
    )
    this.#emitters.flush()
    return isDone
  }

  nextProcessingTimeMs(): number | undefined {
    return this.#hasKey ? this.#context.timers.nextProcessingTimeMs() : undefined
  }

  /** P3. False: some of the timers that are due at this watermark are still to fire. */
  #reach(ms: number): boolean {
    const { timers } = this.#context
    const emitters = this.#emitters
    if (ms <= emitters.watermarkMs && timers.nextEventTimeMs() > ms) return true
    if (!timers.fireEventTime(ms, this.#onEventTimer, this.#slice.mayContinue)) return false
    if (ms > emitters.watermarkMs) emitters.watermarkMs = ms
    return true
  }

  #fire(atMs: number, timestampMs: number): void {
    this.#slice.count()
    const scope = this.#scope
    scope.key = this.#context.keyed.currentKey
    scope.atTime(timestampMs)
    this.#calls.onTimer(atMs, scope)
  }
}
