import type { Key } from '../engine/stream/keys.ts'
import type { Schema } from '../engine/stream/schema.ts'
import type { ListState, MapState, StateDescriptor, ValueState } from '../engine/state/state.ts'
import { StreamError } from '../engine/base/errors.ts'
import { schemaData } from '../engine/stream/schema.ts'

export type { ListState, MapState, ValueState }

export interface ReadonlyMapState<in K, out V> {
  get(key: K): V | undefined
  has(key: K): boolean
  entries(): IterableIterator<readonly [Key, V]>
}

declare const handle: unique symbol

/** A state as a job declares it; its name is the field it stands in. */
export interface StateDeclaration<out H> {
  readonly kind: string
  readonly [handle]: H
}

export interface StateOptions {
  readonly ttlMs?: number
}

export type States = Readonly<Record<string, StateDeclaration<unknown>>>
export type Handles<S extends States> = { readonly [N in keyof S]: S[N][typeof handle] }

/** One value a key. `default` is what a key without one reads. */
export function valueState<V, E extends V | undefined = undefined>(
  schema: Schema<V>,
  options: StateOptions & { readonly default?: E } = {},
): StateDeclaration<ValueState<V, E>> {
  return declare(valueDescriptor('', schema, options))
}

/** A list a key. */
export function listState<V>(
  schema: Schema<V>,
  options: StateOptions = {},
): StateDeclaration<ListState<V>> {
  return declare(listDescriptor('', schema, options))
}

/** A map a key; keys of the map are compared as in a `Map`, but by content. */
export function mapState<K extends Key, V>(
  key: Schema<K>,
  value: Schema<V>,
  options: StateOptions = {},
): StateDeclaration<MapState<K, V>> {
  return declare(mapDescriptor('', key, value, options))
}

export function valueDescriptor(
  name: string,
  schema: Schema<unknown>,
  options: StateOptions & { readonly default?: unknown },
): StateDescriptor {
  const hasDefault = options.default !== undefined
  return {
    type: 'value',
    name,
    value: stateSchema(schema),
    ...(hasDefault ? { default: options.default } : {}),
    ...ttlOf(options),
  }
}

export function listDescriptor(
  name: string,
  schema: Schema<unknown>,
  options: StateOptions,
): StateDescriptor {
  return { type: 'list', name, value: stateSchema(schema), ...ttlOf(options) }
}

export function mapDescriptor(
  name: string,
  key: Schema<unknown>,
  value: Schema<unknown>,
  options: StateOptions,
): StateDescriptor {
  return {
    type: 'map',
    name,
    key: stateSchema(key),
    value: stateSchema(value),
    ...ttlOf(options),
  }
}

/** The descriptors of declared states, by name. Throws OPTION_INVALID for what is none. */
export function stateDescriptors(
  states: Readonly<Record<string, unknown>> | undefined,
): Readonly<Record<string, StateDescriptor>> {
  const descriptors: Record<string, StateDescriptor> = {}
  for (const [name, declaration] of Object.entries(states ?? {})) {
    if (!(declaration instanceof DeclaredState)) {
      throw new StreamError('OPTION_INVALID', `state "${name}" is not declared`, {
        hint: 'Declare it with valueState(schema), listState(schema) or mapState(key, value).',
      })
    }
    descriptors[name] = { ...declaration.descriptor, name }
  }
  return descriptors
}

class DeclaredState {
  readonly kind: string
  readonly descriptor: StateDescriptor

  constructor(descriptor: StateDescriptor) {
    this.kind = descriptor.type
    this.descriptor = descriptor
    Object.freeze(this)
  }
}

function declare<H>(descriptor: StateDescriptor): StateDeclaration<H> {
  return new DeclaredState(descriptor) as unknown as StateDeclaration<H>
}

function stateSchema(schema: Schema<unknown>): StateDescriptor['value'] {
  const data = schemaData(schema) as StateDescriptor['value'] | undefined
  if (typeof data === 'object' && typeof data.kind === 'string') return data
  throw new StreamError('OPTION_INVALID', 'a state is declared without a schema', {
    hint: 'Give the schema of its values, for example valueState(int32()).',
  })
}

function ttlOf(options: StateOptions): { readonly ttlMs?: number } {
  if (options.ttlMs === undefined) return {}
  throw new StreamError('OPTION_INVALID', 'ttlMs of a state is not part of this version', {
    hint: 'Clear the state from a timer instead.',
  })
}
