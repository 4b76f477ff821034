import type { KeyedContext, Nothing, Order, Sides } from './process.ts'
import type { ListState, MapState, StateOptions, ValueState } from './states.ts'
import type { KeyedStateBackend, StateDescriptor } from '../engine/state/state.ts'
import type { Key } from '../engine/stream/keys.ts'
import type { Schema } from '../engine/stream/schema.ts'
import { StreamError } from '../engine/base/errors.ts'
import { listDescriptor, mapDescriptor, valueDescriptor } from './states.ts'

declare const processes: unique symbol
const declarations = Symbol('declarations')

/**
 * The class form of a process function, for operators that are shared or unit-tested as classes.
 *
 * P1. States are declared while the instance is made: `#n = this.valueState('n', int32())`.
 * P2. `readonly order = 'event-time'` in the class asks for its records in event-time order.
 * P3. One instance is made for the plan, to read its states, and one a subtask; the runtime binds
 *     the handles of the latter before `open`.
 */
export abstract class KeyedProcessFunction<K, T, Out, O extends Sides = {}> {
  declare readonly [processes]: { record(record: T): void; readonly out: Out }
  readonly [declarations]: DeclaredHandle[] = []
  declare readonly order?: Order

  protected valueState<V, E extends V | undefined = undefined>(
    name: string,
    schema: Schema<V>,
    options: StateOptions & { readonly default?: E } = {},
  ): ValueState<V, E> {
    const state = new ValueHandle<V>(valueDescriptor(name, schema, options))
    return declareHandle(this, state) as unknown as ValueState<V, E>
  }

  protected listState<V>(name: string, schema: Schema<V>): ListState<V> {
    return declareHandle(this, new ListHandle<V>(listDescriptor(name, schema, {})))
  }

  protected mapState<MK extends Key, V>(
    name: string,
    key: Schema<MK>,
    value: Schema<V>,
  ): MapState<MK, V> {
    return declareHandle(this, new MapHandle<MK, V>(mapDescriptor(name, key, value, {})))
  }

  /** Called once in a subtask, before its first record. No key is current. */
  open?(): Nothing

  abstract processElement(record: T, context: KeyedContext<K, Out, O>): Nothing

  onTimer?(atMs: number, context: KeyedContext<K, Out, O>): Nothing
}

/** A process function as the runtime sees it. */
export type AnyProcessFunction = KeyedProcessFunction<unknown, unknown, unknown>

/** What an instance declared, in the order of its declarations. */
export function declaredStates(instance: AnyProcessFunction): readonly StateDescriptor[] {
  return instance[declarations].map((state) => state.descriptor)
}

/** Gives the handles of an instance their state. Called by the runtime, before `open`. */
export function bindStates(instance: AnyProcessFunction, backend: KeyedStateBackend): void {
  for (const state of instance[declarations]) state.bind(backend)
}

interface DeclaredHandle {
  readonly descriptor: StateDescriptor
  bind(backend: KeyedStateBackend): void
}

function declareHandle<H extends DeclaredHandle>(
  instance: { readonly [declarations]: DeclaredHandle[] },
  handle: H,
): H {
  const { name } = handle.descriptor
  if (instance[declarations].some((other) => other.descriptor.name === name)) {
    throw new StreamError('OPTION_INVALID', `two states are declared with the name "${name}"`, {
      hint: 'Give each state of a process function its own name.',
    })
  }
  instance[declarations].push(handle)
  return handle
}

/** Stands for a value state until it is bound, and from then on for nothing but it. */
class ValueHandle<V> implements DeclaredHandle, ValueState<V, V | undefined> {
  readonly descriptor: StateDescriptor
  #state: ValueState<V, V | undefined> | undefined

  constructor(descriptor: StateDescriptor) {
    this.descriptor = descriptor
  }

  bind(backend: KeyedStateBackend): void {
    this.#state = backend.value<V>(this.descriptor as Extract<StateDescriptor, { type: 'value' }>)
  }

  value(): V | undefined {
    return (this.#state ?? unbound(this.descriptor)).value()
  }

  update(value: V): void {
    ;(this.#state ?? unbound(this.descriptor)).update(value)
  }

  clear(): void {
    ;(this.#state ?? unbound(this.descriptor)).clear()
  }
}

class ListHandle<V> implements DeclaredHandle, ListState<V> {
  readonly descriptor: StateDescriptor
  #state: ListState<V> | undefined

  constructor(descriptor: StateDescriptor) {
    this.descriptor = descriptor
  }

  bind(backend: KeyedStateBackend): void {
    this.#state = backend.list<V>(this.descriptor as Extract<StateDescriptor, { type: 'list' }>)
  }

  get(): readonly V[] {
    return (this.#state ?? unbound(this.descriptor)).get()
  }

  add(value: V): void {
    ;(this.#state ?? unbound(this.descriptor)).add(value)
  }

  update(values: readonly V[]): void {
    ;(this.#state ?? unbound(this.descriptor)).update(values)
  }

  clear(): void {
    ;(this.#state ?? unbound(this.descriptor)).clear()
  }
}

class MapHandle<K, V> implements DeclaredHandle, MapState<K, V> {
  readonly descriptor: StateDescriptor
  #state: MapState<K, V> | undefined

  constructor(descriptor: StateDescriptor) {
    this.descriptor = descriptor
  }

  bind(backend: KeyedStateBackend): void {
    this.#state = backend.map<K, V>(this.descriptor as Extract<StateDescriptor, { type: 'map' }>)
  }

  get(key: K): V | undefined {
    return (this.#state ?? unbound(this.descriptor)).get(key)
  }

  has(key: K): boolean {
    return (this.#state ?? unbound(this.descriptor)).has(key)
  }

  put(key: K, value: V): void {
    ;(this.#state ?? unbound(this.descriptor)).put(key, value)
  }

  remove(key: K): void {
    ;(this.#state ?? unbound(this.descriptor)).remove(key)
  }

  entries(): IterableIterator<readonly [K, V]> {
    return (this.#state ?? unbound(this.descriptor)).entries()
  }

  clear(): void {
    ;(this.#state ?? unbound(this.descriptor)).clear()
  }
}

function unbound(descriptor: StateDescriptor): never {
  throw new StreamError(
    'OPTION_INVALID',
    `state "${descriptor.name}" is used before its process function runs`,
    { hint: 'Use state in processElement and onTimer; the constructor and open have no key.' },
  )
}
