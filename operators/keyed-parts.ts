/** What keyed, windowed and connected streams share in making their steps. */
import type { AggregateData } from './aggregates.ts'
import type { Step } from './graph-builder.ts'
import type { PlannedStream, SideShapes } from './planner.ts'
import type { AggregateOptions, UserDefinition } from './runtime/options.ts'
import type { Order } from './process.ts'
import type { Json } from '../engine/base/json.ts'
import type { StateDescriptor } from '../engine/state/state.ts'
import type { KeySelector } from '../engine/stream/keys.ts'
import type { Schema, SchemaData } from '../engine/stream/schema.ts'
import { aggregateData } from './aggregates.ts'
import { checkAggregate, checkColumns, stepError } from './checks.ts'
import { orderedAggregate } from './text-order.ts'
import { addStep, PARTS, repartitioned } from './planner.ts'
import { planJson } from './plan-json.ts'
import {
  aggregateShape,
  isExact,
  keyColumns,
  shapeOf,
  WINDOW_COLUMNS,
  windowColumns,
} from './shapes.ts'
import { stateDescriptors } from './states.ts'
import { schemaData } from '../engine/stream/schema.ts'

/** A keyed stream below its type. */
export interface KeyedParts extends PlannedStream {
  readonly key: KeySelector
}

/** Schemas of declared side outputs, by name. */
export type DeclaredSides = Readonly<Record<string, SchemaData>>

export function addKeyed(
  keyed: KeyedParts,
  step: Omit<Step, 'inputs' | 'keys'>,
  sides: SideShapes = {},
): object {
  const { key } = keyed
  const functionSlots = (step.functionSlots ?? 0) + (key.type === 'function' ? 1 : 0)
  const inputs = [hashed(keyed)]
  return addStep(keyed.planner, { ...step, functionSlots, keys: [key], inputs }, sides)
}

export function hashed(keyed: KeyedParts): Step['inputs'][number] {
  return repartitioned(keyed[PARTS].upstreams, { type: 'hash', key: keyed.key })
}

export function schemaOf(keyed: KeyedParts): SchemaData | undefined {
  const { shape } = keyed[PARTS]
  return isExact(shape) ? shape : undefined
}

export interface Aggregation {
  readonly options: AggregateOptions
  readonly shape: SchemaData
}

export function aggregation(
  keyed: KeyedParts,
  uid: string,
  given: unknown,
  isWindow: boolean,
): Aggregation {
  const { shape: from } = keyed[PARTS]
  const asked = Object.entries(given ?? {}).map(([name, aggregate]) => ({
    name,
    aggregate: aggregateData(aggregate),
  }))
  if (asked.length === 0) {
    throw stepError(
      'OPTION_INVALID',
      `aggregate "${uid}" has no aggregates`,
      'Name at least one, for example { orders: count() }.',
      uid,
    )
  }
  for (const { aggregate } of asked) checkAggregate(from, aggregate, uid)
  const aggregates = asked.map(({ name, aggregate }) => {
    return { name, aggregate: orderedAggregate(from, aggregate) }
  })
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
export function keyNames(key: KeySelector): readonly string[] {
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

export function aggregatesJson(key: KeySelector, aggregates: AggregateOptions['aggregates']): Json {
  return planJson({ key, aggregates })
}

export function functionAggregates(
  aggregates: readonly { readonly aggregate: AggregateData }[],
): number {
  return aggregates.filter(({ aggregate }) => aggregate.type === 'function').length
}

export function declared(definition: UserDefinition): {
  readonly emits: SchemaData
  readonly states: Readonly<Record<string, StateDescriptor>>
  readonly sides: DeclaredSides
} {
  const sides = (definition['sides'] ?? {}) as Readonly<Record<string, Schema<unknown>>>
  return {
    emits: schemaData(definition['emits'] as Schema<unknown>),
    states: stateDescriptors(definition['state'] as Readonly<Record<string, unknown>> | undefined),
    sides: Object.fromEntries(Object.entries(sides).map(([name, of]) => [name, schemaData(of)])),
  }
}

/** Part of the plan: timers that a checkpoint holds need somebody whom they fire. */
export function handlesTimers(onTimer: unknown): { readonly timers?: true } {
  return onTimer === undefined ? {} : { timers: true }
}

/**
 * What a keyed process step asks of event time: its order and its timers need it, as far as the
 * text of its functions tells.
 */
export function eventTimeUse(
  functions: readonly unknown[],
  order: Order = 'arrival',
): 'needs' | 'reads' {
  if (order === 'event-time') return 'needs'
  const asks = functions.some(
    (step) => typeof step === 'function' && String(step).includes('.registerEventTimeTimer('),
  )
  return asks ? 'needs' : 'reads'
}
