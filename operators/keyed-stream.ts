/** What the methods of a KeyedStream do: each adds a step to the graph. */
import type { Methods, PlannedStream, Planner, StreamParts } from './planner.ts'
import type { AnyProcessFunction } from './process-function.ts'
import type { UserFunction } from './runtime/options.ts'
import type { KeyedStream } from './streams.ts'
import type { KeySelector } from '../engine/stream/keys.ts'
import { checkUid } from '../engine/graph/validate.ts'
import { callSite } from './call-site.ts'
import { checkDefinition, checkFunction, checkSynchronous, stepError } from './checks.ts'
import {
  BroadcastConnectedSteps,
  checkSameKey,
  eitherShape,
  ConnectedStreamsSteps,
} from './connected-streams.ts'
import {
  addKeyed,
  aggregatesJson,
  aggregation,
  declared,
  functionAggregates,
  handlesTimers,
  hashed,
  eventTimeUse,
  schemaOf,
} from './keyed-parts.ts'
import { addStep, PARTS, partsOf } from './planner.ts'
import { planJson } from './plan-json.ts'
import { orderJson, orderOf, withLate } from './process-order.ts'
import { declaredStates, KeyedProcessFunction } from './process-function.ts'
import { createAggregate, createKeyedProcess, createReduce } from './runtime/factories.ts'
import { createIntervalJoin } from './runtime/interval-join.ts'
import { windowData } from './windows.ts'
import { WindowedStreamSteps } from './windowed-stream.ts'

export class KeyedStreamSteps
  implements Methods<KeyedStream<unknown, unknown, never>>, PlannedStream
{
  readonly planner: Planner
  readonly [PARTS]: StreamParts
  readonly key: KeySelector

  constructor(planner: Planner, parts: StreamParts, key: KeySelector) {
    this.planner = planner
    this[PARTS] = parts
    this.key = key
  }

  aggregate(uid: unknown, given: unknown): object {
    checkUid(uid, 'aggregate', callSite)
    const { options, shape } = aggregation(this, uid, given, false)
    return addKeyed(this, {
      kind: 'aggregate',
      uid,
      parameters: aggregatesJson(this.key, options.aggregates),
      shape,
      functionSlots: functionAggregates(options.aggregates),
      runtime: createAggregate(options),
    })
  }

  reduce(uid: unknown, step: UserFunction): object {
    checkUid(uid, 'reduce', callSite)
    checkFunction(step, 'reduce', uid)
    return addKeyed(this, {
      kind: 'reduce',
      uid,
      parameters: planJson({ key: this.key }),
      shape: this[PARTS].shape,
      functionSlots: 1,
      runtime: createReduce({ key: this.key, schema: schemaOf(this), step }),
    })
  }

  window(windows: unknown): object {
    return new WindowedStreamSteps(this, windowData(windows), 0)
  }

  process(uid: unknown, given: unknown): object {
    checkUid(uid, 'process', callSite)
    return typeof given === 'function'
      ? this.#processClass(uid, given as () => unknown)
      : this.#processObject(uid, given)
  }

  connect(other: unknown): object {
    const parts = partsOf(other, this.planner, 'connect')
    if (parts.upstreams.every((upstream) => upstream.partitioning.type === 'broadcast')) {
      return new BroadcastConnectedSteps(this, parts)
    }
    if (!(other instanceof KeyedStreamSteps)) {
      throw stepError(
        'OPTION_INVALID',
        'connect is given a stream that is neither keyed nor broadcast',
        'Call keyBy on it, or broadcast().',
      )
    }
    checkSameKey(this, other, 'connect')
    return new ConnectedStreamsSteps(this, other)
  }

  intervalJoin(uid: unknown, other: unknown, bounds: unknown, step: UserFunction): object {
    checkUid(uid, 'intervalJoin', callSite)
    checkFunction(step, 'intervalJoin', uid)
    if (!(other instanceof KeyedStreamSteps)) {
      throw stepError(
        'OPTION_INVALID',
        `intervalJoin "${uid}" is given a stream that is not keyed`,
        'Call keyBy on it.',
        uid,
      )
    }
    partsOf(other, this.planner, 'intervalJoin')
    checkSameKey(this, other, 'intervalJoin')
    const { lower: lowerMs, upper: upperMs } = checkBounds(bounds, uid)
    const keys = [this.key, other.key] as const
    const schemas = [schemaOf(this), schemaOf(other)] as const
    const join = {
      kind: 'interval-join',
      uid,
      parameters: planJson({ keys, lowerMs, upperMs }),
      functionSlots: 1 + keys.filter((key) => key.type === 'function').length,
      keys,
      eventTime: 'needs',
      inputs: [hashed(this), hashed(other)],
      runtime: createIntervalJoin({ keys, schemas, lowerMs, upperMs, step }),
    } as const
    return addStep(this.planner, join, { late: eitherShape(this[PARTS], other[PARTS]) })
  }

  #processObject(uid: string, definition: unknown): object {
    const optional = ['order', 'state', 'sides', 'onTimer']
    checkDefinition(definition, ['emits', 'onRecord'], optional, uid)
    const { emits, states, sides } = declared(definition)
    const order = orderOf(definition['order'], uid, sides)
    const { key } = this
    const names = Object.keys(sides)
    const form = { type: 'object', definition, states, sides: names } as const
    const step = {
      kind: 'keyed-process',
      uid,
      parameters: planJson({
        key,
        emits,
        sides,
        ...orderJson(order),
        ...handlesTimers(definition['onTimer']),
      }),
      shape: emits,
      functionSlots: 1,
      eventTime: eventTimeUse([definition['onRecord'], definition['onTimer']], order),
      order,
      runtime: createKeyedProcess({ key, order, schema: schemaOf(this), form }),
    }
    return addKeyed(this, step, withLate(sides, order, this[PARTS].shape))
  }

  #processClass(uid: string, make: () => unknown): object {
    const create = (): AnyProcessFunction => {
      const instance = make()
      if (instance instanceof KeyedProcessFunction) return instance as AnyProcessFunction
      throw stepError(
        'OPTION_INVALID',
        `the function of process "${uid}" does not return a KeyedProcessFunction`,
        'Give () => new YourProcessFunction(), and let its class extend KeyedProcessFunction.',
        uid,
      )
    }
    const instance = create()
    for (const method of ['open', 'processElement', 'onTimer'] as const) {
      // eslint-disable-next-line @typescript-eslint/unbound-method -- looked at, never called
      checkSynchronous(instance[method], `${method} of "${uid}"`, uid)
    }
    const order = orderOf(instance.order, uid, {})
    const { key } = this
    const form = { type: 'class', states: declaredStates(instance), create } as const
    const step = {
      kind: 'keyed-process',
      uid,
      parameters: planJson({
        key,
        class: instance.constructor.name,
        ...orderJson(order),
        // eslint-disable-next-line @typescript-eslint/unbound-method -- only whether there is one
        ...handlesTimers(instance.onTimer),
      }),
      functionSlots: 1,
      // eslint-disable-next-line @typescript-eslint/unbound-method -- read as text, never called
      eventTime: eventTimeUse([instance.processElement, instance.onTimer], order),
      order,
      runtime: createKeyedProcess({ key, order, schema: schemaOf(this), form }),
    }
    return addKeyed(this, step, 'any')
  }
}

function checkBounds(
  bounds: unknown,
  uid: string,
): { readonly lower: number; readonly upper: number } {
  const { lower, upper } = (bounds ?? {}) as { readonly lower?: unknown; readonly upper?: unknown }
  if (Number.isSafeInteger(lower) && Number.isSafeInteger(upper)) {
    const known = { lower: lower as number, upper: upper as number }
    if (known.lower <= known.upper) return known
  }
  throw stepError(
    'OPTION_INVALID',
    `intervalJoin "${uid}" has the bounds ${String(lower)} to ${String(upper)}`,
    'Give lower and upper as durations, the lower one first: { lower: minutes(-5), upper: hours(1) }.',
    uid,
  )
}
