/** What the plan tells each step, as plain data and the user's functions; and what it gets back. */
import type { AggregateData } from '../aggregates.ts'
import type { ExpressionData, PredicateData } from '../expressions.ts'
import type { Order } from '../process.ts'
import type { AnyProcessFunction } from '../process-function.ts'
import type { WindowData } from '../windows.ts'
import type { StreamOperator } from '../../engine/operator/operator.ts'
import type { StateDescriptor } from '../../engine/state/state.ts'
import type { KeySelector } from '../../engine/stream/keys.ts'
import type { SchemaData } from '../../engine/stream/schema.ts'
import type { WatermarkStrategyData } from '../../engine/time/watermark-strategy.ts'

export interface OperatorFactory {
  readonly states: readonly StateDescriptor[]
  /** States of a broadcast input. */
  readonly broadcast?: readonly StateDescriptor[]
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
  readonly order: Order
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
  readonly order: Order
  readonly keys: readonly [KeySelector, KeySelector]
  readonly schemas: readonly [SchemaData | undefined, SchemaData | undefined]
  /** Has `onLeft`, `onRight` and perhaps `onTimer`. Left is input 0. */
  readonly definition: UserDefinition
  readonly states: Readonly<Record<string, StateDescriptor>>
  readonly sides: readonly string[]
}

export interface BroadcastProcessOptions extends KeyedOptions {
  readonly order: Order
  /** Of the records of the broadcast stream, where it is known. */
  readonly broadcastSchema: SchemaData | undefined
  /** Has `onRecord`, `onBroadcast` and perhaps `onTimer`. The broadcast stream is input 1. */
  readonly definition: UserDefinition
  readonly states: Readonly<Record<string, StateDescriptor>>
  /** Broadcast states; all of type 'map'. Not among the factory's `states`. */
  readonly broadcast: Readonly<Record<string, Extract<StateDescriptor, { type: 'map' }>>>
  readonly sides: readonly string[]
}
