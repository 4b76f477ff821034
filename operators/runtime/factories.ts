/**
 * The steps of a job as the plan asks for them: each function is called once a plan, with plain
 * data and the user's functions, and its `create` once a subtask.
 *
 * `states` are the keyed states that the operator declares in `open`, exactly; what the user has
 * declared is among the options, what the operator needs besides is its own.
 */
import type { StreamOperator } from '../../engine/operator/operator.ts'
import type { StateDescriptor } from '../../engine/state/state.ts'
import type { SchemaData } from '../../engine/stream/schema.ts'
import type { SelectColumn } from './declared-steps.ts'
import type { CreateFold } from './window-fold.ts'
import type {
  OperatorFactory,
  FunctionOptions,
  WhereOptions,
  SelectOptions,
  PickOptions,
  WatermarkOptions,
  KeyedOptions,
  ReduceOptions,
  AggregateOptions,
  WindowOptions,
  WindowAggregateOptions,
  WindowReduceOptions,
  WindowProcessOptions,
  ProcessOptions,
  KeyedProcessOptions,
  CoProcessOptions,
  BroadcastProcessOptions,
} from './options.ts'
import type { Order } from '../process.ts'
import type { ProcessLogic } from './process.ts'
import { SessionWindowOperator, sessionState } from './session-window.ts'
import { sliceStates } from './slice-table.ts'
import { SliceWindowOperator } from './slice-window.ts'
import { aggregateCode, AggregateFold, ProcessFold, ReduceFold } from './window-fold.ts'
import { slicesOf } from './window-slices.ts'
import { AssignWatermarksOperator } from './assign-watermarks.ts'
import { BroadcastOrderOperator } from './broadcast-order.ts'
import { SelectOperator, WhereOperator } from './declared-steps.ts'
import { OrderedProcessOperator } from './ordered-process.ts'
import { ProcessOperator } from './process.ts'
import {
  broadcastProcessLogic,
  coProcessLogic,
  keyedProcessLogic,
  processLogic,
} from './process-logic.ts'
import { ReduceOperator, reduceStates } from './reduce.ts'
import { runningAggregateStates, RunningAggregateOperator } from './running-aggregate.ts'
import { FilterOperator, FlatMapOperator, MapOperator } from './row-steps.ts'
import { broadcastWaitingState } from './waiting-broadcast.ts'
import { waitingStates } from './waiting-records.ts'

export function createMap(options: FunctionOptions): OperatorFactory {
  return stateless(() => new MapOperator(options.step))
}

/** Keeps the records for which the function gives true. */
export function createFilter(options: FunctionOptions): OperatorFactory {
  return stateless(() => new FilterOperator(options.step))
}

export function createFlatMap(options: FunctionOptions): OperatorFactory {
  return stateless(() => new FlatMapOperator(options.step))
}

export function createWhere(options: WhereOptions): OperatorFactory {
  return stateless(() => new WhereOperator(options.predicate))
}

export function createSelect(options: SelectOptions): OperatorFactory {
  return stateless(() => new SelectOperator(options.columns))
}

export function createPick(options: PickOptions): OperatorFactory {
  const columns = options.fields.map((name): SelectColumn => {
    return { name, of: { type: 'field', field: name } }
  })
  return stateless(() => new SelectOperator(columns))
}

export function createWatermarks(options: WatermarkOptions): OperatorFactory {
  return stateless(() => new AssignWatermarksOperator(options.time, options.strategy))
}

export function createReduce(options: ReduceOptions): OperatorFactory {
  return {
    states: reduceStates(options),
    create: () => new ReduceOperator(options),
  }
}

export function createAggregate(options: AggregateOptions): OperatorFactory {
  return {
    states: runningAggregateStates(options),
    create: () => new RunningAggregateOperator(options),
  }
}

export function createWindowAggregate(options: WindowAggregateOptions): OperatorFactory {
  const code = aggregateCode(options)
  const createFold: CreateFold = (emitters) => new AggregateFold(options, code, emitters)
  return windowFactory(options, [], code.accumulator, createFold)
}

export function createWindowReduce(options: WindowReduceOptions): OperatorFactory {
  const step = options.step as (left: unknown, right: unknown) => unknown
  const createFold: CreateFold = (emitters) => new ReduceFold(step, options.schema, emitters)
  return windowFactory(options, [], options.schema ?? { kind: 'packed' }, createFold)
}

export function createWindowProcess(options: WindowProcessOptions): OperatorFactory {
  const { definition, schema, sides } = options
  const createFold: CreateFold = (emitters) => new ProcessFold(definition, schema, emitters)
  const accumulator: SchemaData = { kind: 'list', item: schema ?? { kind: 'packed' } }
  return windowFactory(options, sides, accumulator, createFold)
}

export function createProcess(options: ProcessOptions): OperatorFactory {
  return stateless(() => new ProcessOperator(() => processLogic(options)))
}

export function createKeyedProcess(options: KeyedProcessOptions): OperatorFactory {
  const { order, schema, form } = options
  const states = Array.isArray(form.states)
    ? (form.states as readonly StateDescriptor[])
    : Object.values(form.states)
  return processFactory(order, states, [schema], () => keyedProcessLogic(options))
}

export function createCoProcess(options: CoProcessOptions): OperatorFactory {
  const { order, schemas, states } = options
  return processFactory(order, Object.values(states), schemas, () => coProcessLogic(options))
}

export function createBroadcastProcess(options: BroadcastProcessOptions): OperatorFactory {
  const { order, states, schema, broadcastSchema } = options
  const broadcast: readonly StateDescriptor[] = Object.values(options.broadcast)
  const logic = (): ProcessLogic => broadcastProcessLogic(options)
  if (order === 'arrival') {
    return { states: Object.values(states), broadcast, create: () => new ProcessOperator(logic) }
  }
  return {
    states: [...Object.values(states), ...waitingStates([schema])],
    broadcast: [...broadcast, broadcastWaitingState(broadcastSchema)],
    create: () => new OrderedProcessOperator(logic, [schema, broadcastSchema]),
  }
}

/** Stands before the broadcast input of a step in event-time order. */
export function createBroadcastOrder(schema: SchemaData | undefined): OperatorFactory {
  return {
    states: [],
    broadcast: [broadcastWaitingState(schema)],
    create: () => new BroadcastOrderOperator(schema),
  }
}

function processFactory(
  order: Order,
  states: readonly StateDescriptor[],
  schemas: readonly (SchemaData | undefined)[],
  logic: () => ProcessLogic,
): OperatorFactory {
  if (order === 'arrival') return { states, create: () => new ProcessOperator(logic) }
  return {
    states: [...states, ...waitingStates(schemas)],
    create: () => new OrderedProcessOperator(logic, schemas),
  }
}

function stateless(create: () => StreamOperator): OperatorFactory {
  return { states: [], create }
}

function windowFactory(
  options: KeyedOptions & WindowOptions,
  sides: readonly string[],
  accumulator: SchemaData,
  createFold: CreateFold,
): OperatorFactory {
  const { key, allowedLatenessMs, windows } = options
  // A day of the clocks of a zone is an hour or so longer than one that has passed.
  const sizeMs = windows.type === 'session' ? windows.gapMs : windows.sizeMs
  const lengthMs =
    windows.type === 'tumbling' && windows.timeZone !== undefined ? sizeMs * 2 : sizeMs
  const parts = { key, allowedLatenessMs, lengthMs, sides, createFold }
  if (windows.type === 'session') {
    const create = (): StreamOperator => new SessionWindowOperator(parts, windows.gapMs)
    return { states: [sessionState(accumulator)], create }
  }
  const create = (): StreamOperator => new SliceWindowOperator(parts, slicesOf(windows))
  return { states: sliceStates(accumulator), create }
}
