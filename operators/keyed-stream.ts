/** What the methods of keyed, windowed and connected streams do. */
import type { AggregateData } from './aggregates.ts'
import type { Step } from './graph-builder.ts'
import type { Methods, PlannedStream, Planner, SideShapes, StreamParts } from './planner.ts'
import type { AnyProcessFunction } from './process-function.ts'
import type { AggregateOptions, UserDefinition, UserFunction } from './runtime/factories.ts'
import type {
  BroadcastConnectedStream,
  ConnectedStreams,
  KeyedStream,
  WindowedStream,
} from './streams.ts'
import type { WindowData } from './windows.ts'
import type { Json } from '../engine/base/json.ts'
import type { StateDescriptor } from '../engine/state/state.ts'
import type { KeySelector } from '../engine/stream/keys.ts'
import type { SchemaData } from '../engine/stream/schema.ts'
import { checkUid } from '../engine/graph/validate.ts'
import { valueKind } from '../engine/graph/schema-fit.ts'
import { aggregateData } from './aggregates.ts'
import { callSite } from './call-site.ts'
import {
  checkAggregate,
  checkColumns,
  checkDefinition,
  checkFunction,
  stepError,
} from './checks.ts'
import { addStep, notInThisVersion, PARTS, partsOf, repartitioned } from './planner.ts'
import { planJson } from './plan-json.ts'
import { declaredStates, KeyedProcessFunction } from './process-function.ts'
import {
  createAggregate,
  createBroadcastProcess,
  createCoProcess,
  createKeyedProcess,
  createReduce,
  createWindowAggregate,
  createWindowProcess,
  createWindowReduce,
} from './runtime/factories.ts'
import {
  aggregateShape,
  fieldShape,
  isExact,
  keyColumns,
  shapeOf,
  WINDOW_COLUMNS,
  windowColumns,
} from './shapes.ts'
import { stateDescriptors } from './states.ts'
import { windowData } from './windows.ts'

type Sides = Readonly<Record<string, SchemaData>>

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
    checkUid(uid, 'aggregate', callSite())
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
    checkUid(uid, 'reduce', callSite())
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
    checkUid(uid, 'process', callSite())
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
    checkSameKey(this, other)
    return new ConnectedStreamsSteps(this, other)
  }

  intervalJoin(): never {
    return notInThisVersion('intervalJoin', 'Connect the two streams and keep one side in state.')
  }

  #processObject(uid: string, definition: unknown): object {
    checkDefinition(definition, ['emits', 'onRecord'], ['state', 'sides', 'onTimer'], uid)
    const { states, sides } = declared(definition)
    const { key } = this
    const names = Object.keys(sides)
    const form = { type: 'object', definition, states, sides: names } as const
    const step = {
      kind: 'keyed-process',
      uid,
      parameters: planJson({ key, emits: definition['emits'], sides }),
      shape: definition['emits'] as SchemaData,
      functionSlots: 1,
      ...needsEventTime([definition['onRecord'], definition['onTimer']]),
      runtime: createKeyedProcess({ key, schema: schemaOf(this), form }),
    }
    return addKeyed(this, step, sides)
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
    const { key } = this
    const form = { type: 'class', states: declaredStates(instance), create } as const
    const step = {
      kind: 'keyed-process',
      uid,
      parameters: planJson({ key, class: instance.constructor.name }),
      functionSlots: 1,
      ...needsEventTime([instance.processElement, instance.onTimer]),
      runtime: createKeyedProcess({ key, schema: schemaOf(this), form }),
    }
    return addKeyed(this, step, 'any')
  }
}

class WindowedStreamSteps implements Methods<WindowedStream<unknown, unknown, never>> {
  readonly #keyed: KeyedStreamSteps
  readonly #windows: WindowData
  readonly #allowedLatenessMs: number

  constructor(keyed: KeyedStreamSteps, windows: WindowData, allowedLatenessMs: number) {
    this.#keyed = keyed
    this.#windows = windows
    this.#allowedLatenessMs = allowedLatenessMs
  }

  allowedLateness(durationMs: number): object {
    if (!Number.isSafeInteger(durationMs) || durationMs < 0) {
      throw stepError(
        'OPTION_INVALID',
        `allowedLateness is ${String(durationMs)}`,
        'Give a duration of 0 or more, for example minutes(5).',
      )
    }
    return new WindowedStreamSteps(this.#keyed, this.#windows, durationMs)
  }

  aggregate(uid: unknown, given: unknown): object {
    checkUid(uid, 'window', callSite())
    const { options, shape } = aggregation(this.#keyed, uid, given, true)
    return this.#add({
      kind: 'window-aggregate',
      uid,
      parameters: this.#parameters(aggregatesJson(this.#keyed.key, options.aggregates)),
      shape,
      functionSlots: functionAggregates(options.aggregates),
      runtime: createWindowAggregate({ ...options, ...this.#options }),
    })
  }

  reduce(uid: unknown, step: UserFunction): object {
    checkUid(uid, 'window', callSite())
    checkFunction(step, 'reduce', uid)
    const { key } = this.#keyed
    return this.#add({
      kind: 'window-reduce',
      uid,
      parameters: this.#parameters(planJson({ key })),
      shape: this.#keyed[PARTS].shape,
      functionSlots: 1,
      runtime: createWindowReduce({ key, schema: schemaOf(this.#keyed), step, ...this.#options }),
    })
  }

  process(uid: unknown, definition: unknown): object {
    checkUid(uid, 'window', callSite())
    checkDefinition(definition, ['emits', 'onWindow'], ['sides'], uid)
    const { sides } = declared(definition)
    if (Object.hasOwn(sides, 'late')) {
      throw stepError(
        'FIELD_CLASH',
        `"${uid}" declares a side output "late"`,
        'Rename it: late records of the window go to a side output of that name.',
        uid,
      )
    }
    const { key } = this.#keyed
    const step = {
      kind: 'window-process',
      uid,
      parameters: this.#parameters(planJson({ key, emits: definition['emits'], sides })),
      shape: definition['emits'] as SchemaData,
      functionSlots: 1,
      runtime: createWindowProcess({
        key,
        schema: schemaOf(this.#keyed),
        definition,
        sides: Object.keys(sides),
        ...this.#options,
      }),
    }
    return this.#add(step, sides)
  }

  get #options(): { readonly windows: WindowData; readonly allowedLatenessMs: number } {
    return { windows: this.#windows, allowedLatenessMs: this.#allowedLatenessMs }
  }

  #parameters(more: Json): Json {
    return { ...(more as object), ...(planJson(this.#options) as object) }
  }

  #add(step: Omit<Step, 'inputs' | 'eventTime'>, sides: Sides = {}): object {
    const late = this.#keyed[PARTS].shape
    return addKeyed(this.#keyed, { ...step, eventTime: 'needs' }, { ...sides, late })
  }
}

class ConnectedStreamsSteps implements Methods<ConnectedStreams<unknown, unknown, unknown>> {
  readonly #left: KeyedStreamSteps
  readonly #right: KeyedStreamSteps

  constructor(left: KeyedStreamSteps, right: KeyedStreamSteps) {
    this.#left = left
    this.#right = right
  }

  process(uid: unknown, definition: unknown): object {
    checkUid(uid, 'process', callSite())
    checkDefinition(definition, ['emits', 'onLeft', 'onRight'], ['state', 'sides', 'onTimer'], uid)
    const { states, sides } = declared(definition)
    const keys = [this.#left.key, this.#right.key] as const
    const step = {
      kind: 'co-process',
      uid,
      parameters: planJson({ keys, emits: definition['emits'], sides }),
      shape: definition['emits'] as SchemaData,
      functionSlots: 2 + keys.filter((key) => key.type === 'function').length,
      keys,
      ...needsEventTime([definition['onLeft'], definition['onRight'], definition['onTimer']]),
      inputs: [hashed(this.#left), hashed(this.#right)],
      runtime: createCoProcess({
        keys,
        schemas: [schemaOf(this.#left), schemaOf(this.#right)],
        definition,
        states,
        sides: Object.keys(sides),
      }),
    }
    return addStep(this.#left.planner, step, sides)
  }
}

class BroadcastConnectedSteps implements Methods<
  BroadcastConnectedStream<unknown, unknown, unknown>
> {
  readonly #keyed: KeyedStreamSteps
  readonly #broadcast: StreamParts

  constructor(keyed: KeyedStreamSteps, broadcast: StreamParts) {
    this.#keyed = keyed
    this.#broadcast = broadcast
  }

  process(uid: unknown, definition: unknown): object {
    checkUid(uid, 'process', callSite())
    checkDefinition(
      definition,
      ['emits', 'broadcast', 'onRecord', 'onBroadcast'],
      ['state', 'sides', 'onTimer'],
      uid,
    )
    const { states, sides } = declared(definition)
    const broadcast = broadcastStates(definition['broadcast'], uid)
    const { key } = this.#keyed
    const step = {
      kind: 'broadcast-process',
      uid,
      parameters: planJson({ key, emits: definition['emits'], sides, broadcast }),
      shape: definition['emits'] as SchemaData,
      functionSlots: 2 + (key.type === 'function' ? 1 : 0),
      keys: [key, undefined],
      ...needsEventTime([definition['onRecord'], definition['onTimer']]),
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

function addKeyed(
  keyed: KeyedStreamSteps,
  step: Omit<Step, 'inputs' | 'keys'>,
  sides: SideShapes = {},
): object {
  const { key } = keyed
  const functionSlots = (step.functionSlots ?? 0) + (key.type === 'function' ? 1 : 0)
  const inputs = [hashed(keyed)]
  return addStep(keyed.planner, { ...step, functionSlots, keys: [key], inputs }, sides)
}

function hashed(keyed: KeyedStreamSteps): Step['inputs'][number] {
  return repartitioned(keyed[PARTS].upstreams, { type: 'hash', key: keyed.key })
}

function schemaOf(keyed: KeyedStreamSteps): SchemaData | undefined {
  const { shape } = keyed[PARTS]
  return isExact(shape) ? shape : undefined
}

interface Aggregation {
  readonly options: AggregateOptions
  readonly shape: SchemaData
}

function aggregation(
  keyed: KeyedStreamSteps,
  uid: string,
  given: unknown,
  isWindow: boolean,
): Aggregation {
  const { shape: from } = keyed[PARTS]
  const aggregates = Object.entries((given ?? {}) as object).map(([name, aggregate]) => ({
    name,
    aggregate: aggregateData(aggregate),
  }))
  if (aggregates.length === 0) {
    throw stepError(
      'OPTION_INVALID',
      `aggregate "${uid}" has no aggregates`,
      'Name at least one, for example { orders: count() }.',
      uid,
    )
  }
  for (const { aggregate } of aggregates) checkAggregate(from, aggregate, uid)
  const names = keyNames(keyed.key)
  const bounds = isWindow ? WINDOW_COLUMNS : []
  checkColumns([...names, ...aggregates.map(({ name }) => name), ...bounds], uid)
  const isField = keyed.key.type !== 'function'
  const shape = shapeOf([
    ...keyColumns(isField ? from : undefined, names),
    ...aggregates.map(({ name, aggregate }) => ({ name, schema: aggregateShape(from, aggregate) })),
    ...(isWindow ? windowColumns() : []),
  ])
  return {
    shape,
    options: {
      key: keyed.key,
      schema: schemaOf(keyed),
      keyColumns: names,
      aggregates,
      result: isExact(shape) ? shape : undefined,
    },
  }
}

/** Names of the columns that the key of a record has in a result. */
function keyNames(key: KeySelector): readonly string[] {
  switch (key.type) {
    case 'field':
      return [key.field]
    case 'fields':
      return key.fields
    case 'function':
      return ['key']
    default:
      return key satisfies never
  }
}

function aggregatesJson(key: KeySelector, aggregates: AggregateOptions['aggregates']): Json {
  return planJson({ key, aggregates })
}

function functionAggregates(aggregates: readonly { readonly aggregate: AggregateData }[]): number {
  return aggregates.filter(({ aggregate }) => aggregate.type === 'function').length
}

function declared(definition: UserDefinition): {
  readonly states: Readonly<Record<string, StateDescriptor>>
  readonly sides: Sides
} {
  return {
    states: stateDescriptors(definition['state'] as Readonly<Record<string, unknown>> | undefined),
    sides: (definition['sides'] ?? {}) as Sides,
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
function checkSameKey(left: KeyedStreamSteps, right: KeyedStreamSteps): void {
  const [ours, theirs] = [left, right].map(keyKinds)
  if (ours === undefined || theirs === undefined || ours === theirs) return
  throw stepError(
    'FIELD_TYPE',
    `connect is given keys of different types: ${ours} and ${theirs}`,
    'Key both streams by values of the same type.',
  )
}

function keyKinds(keyed: KeyedStreamSteps): string | undefined {
  if (keyed.key.type === 'function') return undefined
  const kinds = keyNames(keyed.key).map((name) => valueKind(fieldShape(keyed[PARTS].shape, name)))
  if (kinds.includes(undefined)) return undefined
  return keyed.key.type === 'field' ? kinds[0] : `[${kinds.join(', ')}]`
}

/** Whether one of the functions asks for event-time timers, as far as its text tells. */
function needsEventTime(functions: readonly unknown[]): { readonly eventTime?: 'needs' } {
  const asks = functions.some(
    (step) => typeof step === 'function' && String(step).includes('.registerEventTimeTimer('),
  )
  return asks ? { eventTime: 'needs' } : {}
}
