import type { Doors } from '../base/doors.ts'
import type { OperatorContext, Output, TimerQueue } from '../operator/operator.ts'
import type { BroadcastState } from '../state/broadcast-state.ts'
import type { KeyedStateStore } from '../state/keyed-state-store.ts'
import type { KeyedStateBackend, MapState, StateDescriptor } from '../state/state.ts'
import { assert } from '../base/assert.ts'
import { watchedTimers } from './watched-timers.ts'

export interface ContextParts {
  readonly uid: string
  readonly name: string
  readonly subtask: number
  readonly parallelism: number
  readonly maxParallelism: number
  readonly doors: Doors
  readonly output: Output
  readonly store: KeyedStateStore | undefined
  readonly broadcast: BroadcastState | undefined
}

/** What an operator of a task gets to see of the world. */
export class TaskOperatorContext implements OperatorContext {
  readonly #parts: ContextParts
  readonly uid: string
  readonly name: string
  readonly subtask: number
  readonly parallelism: number
  readonly maxParallelism: number
  readonly doors: Doors
  readonly output: Output
  recordIndex = 0
  readonly #timers: TimerQueue | undefined

  constructor(parts: ContextParts) {
    this.#parts = parts
    this.uid = parts.uid
    this.name = parts.name
    this.subtask = parts.subtask
    this.parallelism = parts.parallelism
    this.maxParallelism = parts.maxParallelism
    this.doors = parts.doors
    this.output = parts.output
    const { faults } = parts.doors
    const { store } = parts
    this.#timers =
      faults === undefined || store === undefined
        ? store?.timers
        : watchedTimers(store, faults, this)
  }

  get keyed(): KeyedStateBackend {
    assert(this.#parts.store !== undefined, `"${this.name}" is not keyed`)
    return this.#parts.store
  }

  get timers(): TimerQueue {
    assert(this.#timers !== undefined, `"${this.name}" is not keyed`)
    return this.#timers
  }

  broadcastState<K, V>(descriptor: Extract<StateDescriptor, { type: 'map' }>): MapState<K, V> {
    assert(this.#parts.broadcast !== undefined, `"${this.name}" has no broadcast input`)
    return this.#parts.broadcast.map<K, V>(descriptor)
  }
}
