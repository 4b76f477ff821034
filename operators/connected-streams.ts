/** What the methods of connected streams do: two keyed ones, or a keyed with a broadcast one. */
import { isDeepStrictEqual } from 'node:util'
import type { KeyedParts } from './keyed-parts.ts'
import type { Methods, StreamParts } from './planner.ts'
import type { BroadcastConnectedStream, ConnectedStreams } from './streams.ts'
import type { StateDescriptor } from '../engine/state/state.ts'
import type { SchemaData } from '../engine/stream/schema.ts'
import { valueKind } from '../engine/graph/schema-fit.ts'
import { checkUid } from '../engine/graph/validate.ts'
import { callSite } from './call-site.ts'
import { checkDefinition, stepError } from './checks.ts'
import { declared, eventTimeUse, handlesTimers, hashed, keyNames, schemaOf } from './keyed-parts.ts'
import { addStep, PARTS } from './planner.ts'
import { planJson } from './plan-json.ts'
import { orderJson, orderOf, withLate } from './process-order.ts'
import { createBroadcastProcess, createCoProcess } from './runtime/factories.ts'
import { fieldShape } from './shapes.ts'
import { stateDescriptors } from './states.ts'

export class ConnectedStreamsSteps implements Methods<ConnectedStreams<unknown, unknown, unknown>> {
  readonly #left: KeyedParts
  readonly #right: KeyedParts

  constructor(left: KeyedParts, right: KeyedParts) {
    this.#left = left
    this.#right = right
  }

  process(uid: unknown, definition: unknown): object {
    checkUid(uid, 'process', callSite)
    const optional = ['order', 'state', 'sides', 'onTimer']
    checkDefinition(definition, ['emits', 'onLeft', 'onRight'], optional, uid)
    const { emits, states, sides } = declared(definition)
    const order = orderOf(definition['order'], uid, sides)
    const keys = [this.#left.key, this.#right.key] as const
    const step = {
      kind: 'co-process',
      uid,
      parameters: planJson({
        keys,
        emits,
        sides,
        ...orderJson(order),
        ...handlesTimers(definition['onTimer']),
      }),
      shape: emits,
      functionSlots: 2 + keys.filter((key) => key.type === 'function').length,
      keys,
      eventTime: eventTimeUse(
        [definition['onLeft'], definition['onRight'], definition['onTimer']],
        order,
      ),
      order,
      inputs: [hashed(this.#left), hashed(this.#right)],
      runtime: createCoProcess({
        keys,
        order,
        schemas: [schemaOf(this.#left), schemaOf(this.#right)],
        definition,
        states,
        sides: Object.keys(sides),
      }),
    }
    return addStep(
      this.#left.planner,
      step,
      withLate(sides, order, eitherShape(this.#left, this.#right)),
    )
  }
}

/** What is known of a record that may be of either side. */
export function eitherShape(left: KeyedParts, right: KeyedParts): SchemaData | undefined {
  const shape = left[PARTS].shape
  return isDeepStrictEqual(shape, right[PARTS].shape) ? shape : undefined
}

export class BroadcastConnectedSteps implements Methods<
  BroadcastConnectedStream<unknown, unknown, unknown>
> {
  readonly #keyed: KeyedParts
  readonly #broadcast: StreamParts

  constructor(keyed: KeyedParts, broadcast: StreamParts) {
    this.#keyed = keyed
    this.#broadcast = broadcast
  }

  process(uid: unknown, definition: unknown): object {
    checkUid(uid, 'process', callSite)
    checkArrival(definition, uid)
    checkDefinition(
      definition,
      ['emits', 'broadcast', 'onRecord', 'onBroadcast'],
      ['state', 'sides', 'onTimer'],
      uid,
    )
    const { emits, states, sides } = declared(definition)
    const broadcast = broadcastStates(definition['broadcast'], uid)
    const { key } = this.#keyed
    const step = {
      kind: 'broadcast-process',
      uid,
      parameters: planJson({
        key,
        emits,
        sides,
        broadcast,
        ...handlesTimers(definition['onTimer']),
      }),
      shape: emits,
      functionSlots: 2 + (key.type === 'function' ? 1 : 0),
      keys: [key, undefined],
      eventTime: eventTimeUse([definition['onRecord'], definition['onTimer']]),
      order: 'arrival' as const,
      inputs: [hashed(this.#keyed), this.#broadcast.upstreams],
      runtime: createBroadcastProcess({
        key,
        schema: schemaOf(this.#keyed),
        definition,
        states,
        broadcast,
        sides: Object.keys(sides),
      }),
    }
    return addStep(this.#keyed.planner, step, sides)
  }
}

/** A broadcast stream has no keys, and so no keyed state in which its records could wait. */
function checkArrival(definition: unknown, uid: string): void {
  const { order } = (definition ?? {}) as { readonly order?: unknown }
  if (order === undefined) return
  throw stepError(
    'OPTION_INVALID',
    `process "${uid}" asks for an order, and one of its inputs is a broadcast stream`,
    'Let its records wait by an event-time timer, as the example 04-fraud-rules.ts does.',
    uid,
  )
}

function broadcastStates(
  given: unknown,
  uid: string,
): Readonly<Record<string, Extract<StateDescriptor, { type: 'map' }>>> {
  const maps: Record<string, Extract<StateDescriptor, { type: 'map' }>> = {}
  const descriptors = stateDescriptors(given as Readonly<Record<string, unknown>>)
  for (const [name, descriptor] of Object.entries(descriptors)) {
    if (descriptor.type !== 'map') {
      throw stepError(
        'OPTION_INVALID',
        `broadcast state "${name}" of "${uid}" is a ${descriptor.type} state`,
        'Broadcast state is a map: declare it with mapState(key, value).',
        uid,
      )
    }
    maps[name] = descriptor
  }
  return maps
}

/** Fields that both name are compared by kind; keys of functions were compared by the compiler. */
export function checkSameKey(left: KeyedParts, right: KeyedParts, step: string): void {
  const [ours, theirs] = [left, right].map(keyKinds)
  if (ours === undefined || theirs === undefined || ours === theirs) return
  throw stepError(
    'FIELD_TYPE',
    `${step} is given keys of different types: ${ours} and ${theirs}`,
    'Key both streams by values of the same type.',
  )
}

function keyKinds(keyed: KeyedParts): string | undefined {
  if (keyed.key.type === 'function') return undefined
  const kinds = keyNames(keyed.key).map((name) => valueKind(fieldShape(keyed[PARTS].shape, name)))
  if (kinds.includes(undefined)) return undefined
  return keyed.key.type === 'field' ? kinds[0] : `[${kinds.join(', ')}]`
}
