/**
 * The steps of a job as the plan asks for them: each function is called once a plan, with plain
 * data and the user's functions, and its `create` once a subtask.
 *
 * `states` are the keyed states that the operator declares in `open`, exactly; what the user has
 * declared is among the options, what the operator needs besides is its own.
 */
import type { AggregateData } from '../aggregates.ts'
import type { ExpressionData, PredicateData } from '../expressions.ts'
import type { AnyProcessFunction } from '../process-function.ts'
import type { WindowData } from '../windows.ts'
import type { StreamOperator } from '../../engine/operator/operator.ts'
import type { StateDescriptor } from '../../engine/state/state.ts'
import type { KeySelector } from '../../engine/stream/keys.ts'
import type { SchemaData } from '../../engine/stream/schema.ts'
import type { WatermarkStrategyData } from '../../engine/time/watermark-strategy.ts'
import type { SelectColumn } from './declared-steps.ts'
import type { CreateFold } from './window-fold.ts'
import { SessionWindowOperator, sessionState } from './session-window.ts'
import { sliceStates } from './slice-table.ts'
import { SliceWindowOperator } from './slice-window.ts'
import { aggregateCode, AggregateFold, ProcessFold, ReduceFold } from './window-fold.ts'
import { slicesOf } from './window-slices.ts'
import { AssignWatermarksOperator } from './assign-watermarks.ts'
import { SelectOperator, WhereOperator } from './declared-steps.ts'
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

export interface OperatorFactory {
  readonly states: readonly StateDescriptor[]
  create(): StreamOperator
}

/** A user's function or definition; its types were checked where the job was written. */
export type UserFunction = (...given: never[]) => unknown
export type UserDefinition = Readonly<Record<string, unknown>>

export interface FunctionOptions {
  readonly step: UserFunction
}

export interface WhereOptions {
  readonly predicate: PredicateData
  /** Of the records that come in, where it is known. */
  readonly schema: SchemaData | undefined
}

export interface SelectOptions {
  /** In the order of the result's fields. */
  readonly columns: readonly { readonly name: string; readonly of: ExpressionData }[]
  readonly schema: SchemaData | undefined
  /** Schema of the result, where it is known. */
  readonly result: SchemaData | undefined
}

export interface PickOptions {
  readonly fields: readonly string[]
  readonly schema: SchemaData | undefined
}

export interface WatermarkOptions {
  readonly time:
    | { readonly type: 'field'; readonly field: string }
    | { readonly type: 'function'; readonly select: (record: never) => number }
  readonly strategy: WatermarkStrategyData
}

export interface KeyedOptions {
  readonly key: KeySelector
  /** Of the records that come in, where it is known. */
  readonly schema: SchemaData | undefined
}

export interface ReduceOptions extends KeyedOptions {
  readonly step: UserFunction
}

export interface AggregateOptions extends KeyedOptions {
  /**
   * Names of the key's columns in the result: the fields of the key, in order, or `['key']` for the
   * key that a function gives. They stand first, then the aggregates, then windowStart, windowEnd.
   */
  readonly keyColumns: readonly string[]
  readonly aggregates: readonly { readonly name: string; readonly aggregate: AggregateData }[]
  /** Schema of the result, where it is known. */
  readonly result: SchemaData | undefined
}

export interface WindowOptions {
  readonly windows: WindowData
  readonly allowedLatenessMs: number
}

/** Records too late for every window they belong to go to the side output `late`, as they came. */
export interface WindowAggregateOptions extends AggregateOptions, WindowOptions {}
export interface WindowReduceOptions extends ReduceOptions, WindowOptions {}

export interface WindowProcessOptions extends KeyedOptions, WindowOptions {
  /** Has `onWindow(records, context)`. */
  readonly definition: UserDefinition
  readonly sides: readonly string[]
}

export interface ProcessOptions {
  /** Has `onRecord(record, context)`. */
  readonly definition: UserDefinition
  /** Names of the side outputs that `emitTo` may name. */
  readonly sides: readonly string[]
}

export interface KeyedProcessOptions extends KeyedOptions {
  readonly form:
    | {
        readonly type: 'object'
        /** Has `onRecord` and perhaps `onTimer`. */
        readonly definition: UserDefinition
        readonly states: Readonly<Record<string, StateDescriptor>>
        readonly sides: readonly string[]
      }
    | {
        readonly type: 'class'
        /** `declaredStates` of the instance made for the plan. Any side output may be named. */
        readonly states: readonly StateDescriptor[]
        create(): AnyProcessFunction
      }
}

export interface CoProcessOptions {
  readonly keys: readonly [KeySelector, KeySelector]
  readonly schemas: readonly [SchemaData | undefined, SchemaData | undefined]
  /** Has `onLeft`, `onRight` and perhaps `onTimer`. Left is input 0. */
  readonly definition: UserDefinition
  readonly states: Readonly<Record<string, StateDescriptor>>
  readonly sides: readonly string[]
}

export interface BroadcastProcessOptions extends KeyedOptions {
  /** Has `onRecord`, `onBroadcast` and perhaps `onTimer`. The broadcast stream is input 1. */
  readonly definition: UserDefinition
  readonly states: Readonly<Record<string, StateDescriptor>>
  /** Broadcast states; all of type 'map'. Not among the factory's `states`. */
  readonly broadcast: Readonly<Record<string, Extract<StateDescriptor, { type: 'map' }>>>
  readonly sides: readonly string[]
}

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
  const states = options.form.states
  return {
    states: Array.isArray(states) ? (states as readonly StateDescriptor[]) : Object.values(states),
    create: () => new ProcessOperator(() => keyedProcessLogic(options)),
  }
}

export function createCoProcess(options: CoProcessOptions): OperatorFactory {
  return {
    states: Object.values(options.states),
    create: () => new ProcessOperator(() => coProcessLogic(options)),
  }
}

export function createBroadcastProcess(options: BroadcastProcessOptions): OperatorFactory {
  return {
    states: Object.values(options.states),
    create: () => new ProcessOperator(() => broadcastProcessLogic(options)),
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
  const parts = { key, allowedLatenessMs, sides, createFold }
  if (windows.type === 'session') {
    const create = (): StreamOperator => new SessionWindowOperator(parts, windows.gapMs)
    return { states: [sessionState(accumulator)], create }
  }
  const create = (): StreamOperator => new SliceWindowOperator(parts, slicesOf(windows))
  return { states: sliceStates(accumulator), create }
}
