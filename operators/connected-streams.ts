/** What the methods of connected streams do: two keyed ones, or a keyed with a broadcast one. */
import { isDeepStrictEqual } from 'node:util'
import type { Upstream } from './graph-builder.ts'
import type { KeyedParts } from './keyed-parts.ts'
import type { Methods, StreamParts } from './planner.ts'
import type { Order } from './process.ts'
import type { BroadcastConnectedStream, ConnectedStreams } from './streams.ts'
import type { StateDescriptor } from '../engine/state/state.ts'
import type { SchemaData } from '../engine/stream/schema.ts'
import { valueKind } from '../engine/graph/schema-fit.ts'
import { checkUid } from '../engine/graph/validate.ts'
import { callSite } from './call-site.ts'
import { checkDefinition, stepError } from './checks.ts'
import { declared, eventTimeUse, handlesTimers, hashed, keyNames, schemaOf } from './keyed-parts.ts'
import { addStep, PARTS, repartitioned } from './planner.ts'
import { planJson } from './plan-json.ts'
import { orderJson, orderOf, withLate } from './process-order.ts'
import {
  createBroadcastOrder,
  createBroadcastProcess,
  createCoProcess,
} from './runtime/factories.ts'
import { fieldShape, isExact } from './shapes.ts'
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
      withLate(sides, order, eitherShape(this.#left[PARTS], this.#right[PARTS])),
    )
  }
}

/** What is known of a record that may be of either side. */
export function eitherShape(left: StreamParts, right: StreamParts): SchemaData | undefined {
  return isDeepStrictEqual(left.shape, right.shape) ? left.shape : undefined
}

function exactShape({ shape }: StreamParts): SchemaData | undefined {
  return isExact(shape) ? shape : undefined
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
    checkDefinition(
      definition,
      ['emits', 'broadcast', 'onRecord', 'onBroadcast'],
      ['order', 'state', 'sides', 'onTimer'],
      uid,
    )
    const { emits, states, sides } = declared(definition)
    const order = orderOf(definition['order'], uid, sides)
    const broadcast = broadcastStates(definition['broadcast'], uid)
    const copies = this.#copies(uid, order)
    const { key } = this.#keyed
    const step = {
      kind: 'broadcast-process',
      uid,
      parameters: planJson({
        key,
        emits,
        sides,
        broadcast,
        ...orderJson(order),
        ...handlesTimers(definition['onTimer']),
      }),
      shape: emits,
      functionSlots: 2 + (key.type === 'function' ? 1 : 0),
      keys: [key, undefined],
      eventTime: eventTimeUse([definition['onRecord'], definition['onTimer']], order),
      order,
      inputs: [hashed(this.#keyed), copies],
      runtime: createBroadcastProcess({
        key,
        order,
        schema: schemaOf(this.#keyed),
        broadcastSchema: exactShape(this.#broadcast),
        definition,
        states,
        broadcast,
        sides: Object.keys(sides),
      }),
    }
    const shape = eitherShape(this.#keyed[PARTS], this.#broadcast)
    const late = order === 'event-time' ? { late: repartitioned(copies, { type: 'forward' }) } : {}
    return addStep(this.#keyed.planner, step, withLate(sides, order, shape), late)
  }

  /**
   * The broadcast stream as the subtasks get it: in event-time order it is sorted first, in one
   * subtask, by a step of its own.
   */
  #copies(uid: string, order: Order): readonly Upstream[] {
    const { upstreams, shape } = this.#broadcast
    if (order === 'arrival') return upstreams
    const own = `${uid}.broadcast`
    checkUid(own, 'process', callSite)
    const node = this.#keyed.planner.builder.add({
      kind: 'broadcast-order',
      uid: own,
      parallelism: 1,
      shape,
      eventTime: 'needs',
      order,
      inputs: [repartitioned(upstreams, { type: 'global' })],
      runtime: createBroadcastOrder(exactShape(this.#broadcast)),
    })
    return [{ node, side: undefined, partitioning: { type: 'broadcast' } }]
  }
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
