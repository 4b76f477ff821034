/** The streams of a job, as its author and the compiler see them. */
import type { Aggregates, KeyColumns, Results } from './aggregates.ts'
import type { Expression, Predicate } from './expressions.ts'
import type {
  BroadcastProcess,
  CoProcess,
  KeyedProcess,
  LateSide,
  Order,
  Process,
  Sides,
  WindowProcess,
} from './process.ts'
import type { KeyedProcessFunction } from './process-function.ts'
import type { States } from './states.ts'
import type {
  FieldName,
  FieldOf,
  Fields,
  KeyField,
  KeyFields,
  KeyFrom,
  Numeric,
  RowOf,
  Simplify,
  TimeField,
  ValueOf,
} from './types.ts'
import type { WatermarkStrategy } from './watermarks.ts'
import type { WindowBounds, Windows } from './windows.ts'
import type { Sink } from '../engine/operator/sink.ts'
import type { Key } from '../engine/stream/keys.ts'
import type { Duration } from '../engine/time/duration.ts'

declare const recordOf: unique symbol
declare const keyOf: unique symbol
declare const broadcasted: unique symbol

/** A sink takes every field: one without a column does not compile. */
type EveryFieldHasAColumn<T, S> =
  S extends Sink<infer R>
    ? unknown extends R
      ? unknown
      : [Exclude<FieldName<T>, FieldName<R>>] extends [never]
        ? unknown
        : FieldsWithoutColumn<Exclude<FieldName<T>, FieldName<R>>>
    : never
interface FieldsWithoutColumn<F> {
  readonly 'the record has fields that the schema does not: add them, or drop them with pick(…)': F
}

type TopN<T> = [T] extends [WindowBounds]
  ? {
      readonly n: number
      readonly by: FieldOf<T, Numeric>
      readonly order?: 'descending' | 'ascending'
    }
  : OnlyOnTheResultOfAWindow
interface OnlyOnTheResultOfAWindow {
  readonly windowStart: never
}

interface ReturnsAPromise {
  readonly 'a step is synchronous: its function must not return a promise': never
}
type Synchronous<U> = U extends PromiseLike<unknown> ? ReturnsAPromise : U

/** What other streams may ask of a stream: the small, covariant face. */
export interface Stream<out T> {
  readonly [recordOf]: T
}

export interface Keyed<out T, K> extends Stream<T> {
  [keyOf](key: K): void
}

export interface DataStream<T, O extends Sides = {}> extends Stream<T> {
  map<U>(step: (record: T) => Synchronous<U>): DataStream<U>
  flatMap<U>(step: (record: T) => Iterable<U>): DataStream<U>
  filter<U extends T>(step: (record: T) => record is U): DataStream<U>
  filter(step: (record: T) => boolean): DataStream<T>
  /** As `filter`, declared: runs on columns, with no row made. */
  where(predicate: Predicate<T>): DataStream<T>
  /** A record of these columns, declared. */
  select<const E extends Readonly<Record<string, Expression<T>>>>(
    columns: E,
  ): DataStream<Simplify<{ readonly [N in keyof E]: ValueOf<T, E[N]> }>>
  asyncMap<U>(
    uid: string,
    step: (record: T, signal: AbortSignal) => Promise<U>,
    options?: {
      readonly inFlightMax?: number
      readonly timeoutMs?: number
      readonly ordered?: boolean
    },
  ): DataStream<U>
  union(...others: readonly Stream<T>[]): DataStream<T>
  /** The next step gets the records round robin. */
  rebalance(): DataStream<T>
  /** The next step gets every record in its subtask 0. */
  global(): DataStream<T>
  /** For `connect` of a keyed stream: every subtask gets every record. */
  broadcast(): BroadcastStream<T>
  assignTimestampsAndWatermarks(
    time: TimeField<T> | ((record: T) => number),
    strategy: WatermarkStrategy,
  ): DataStream<T>
  keyBy<
    S extends
      | { [F in FieldName<T>]: T[F] extends Key ? F : never }[FieldName<T>]
      | ((record: T) => Key)
      | readonly [KeyField<T>, ...KeyField<T>[]],
  >(
    key: S,
  ): KeyedStream<T, KeyFrom<T, S>, KeyFields<S>>
  process<Out, const P extends Fields = {}>(
    uid: string,
    definition: Process<T, Out, P>,
  ): DataStream<Out, RowOf<P>>
  sideOutput<N extends Extract<keyof O, string>>(name: N): DataStream<O[N]>
  topN(uid: string, options: TopN<T>): DataStream<Simplify<T & { readonly rank: number }>>
  /** The record with these fields only. */
  pick<F extends FieldName<T>>(...fields: readonly F[]): DataStream<Simplify<Pick<T, F>>>
  sinkTo<S extends Sink<T>>(uid: string, sink: S & EveryFieldHasAColumn<T, S>): void
  /** The name that people see for the step before, where it has no uid. */
  named(name: string): this
  /** How many subtasks the step before has. */
  parallelism(subtasks: number): this
}

export interface BroadcastStream<out T> {
  readonly [broadcasted]: T
}

export interface KeyedStream<T, K, F extends string> extends Keyed<T, K> {
  aggregate<const G extends Aggregates<T>>(
    uid: string,
    aggregates: G,
  ): DataStream<Simplify<KeyColumns<T, K, F> & Results<T, G>>>
  reduce(uid: string, step: (left: T, right: T) => T): DataStream<T>
  window(windows: Windows): WindowedStream<T, K, F>
  process<
    Out,
    const S extends States = {},
    const P extends Fields = {},
    C extends Sides = {},
    D extends Order = 'arrival',
  >(
    uid: string,
    definition:
      | KeyedProcess<T, K, Out, S, P, D>
      | (() => KeyedProcessFunction<K, T, Out, C> & { readonly order?: D }),
  ): DataStream<Out, RowOf<P> & C & LateSide<D, T>>
  connect<C extends Keyed<unknown, K> | BroadcastStream<unknown>>(other: C): Connected<T, C, K>
  intervalJoin<U, Out>(
    uid: string,
    other: Keyed<U, K>,
    bounds: { readonly lower: Duration; readonly upper: Duration },
    join: (left: T, right: U) => Synchronous<Out>,
  ): DataStream<Out, { readonly late: T | U }>
}

type Connected<T, C, K> =
  C extends BroadcastStream<infer U>
    ? BroadcastConnectedStream<T, U, K>
    : C extends Stream<infer U>
      ? ConnectedStreams<T, U, K>
      : never

export interface WindowedStream<T, K, F extends string> {
  /** A window is kept this long behind the watermark; a late record fires it again. */
  allowedLateness(duration: Duration): WindowedStream<T, K, F>
  aggregate<const G extends Aggregates<T>>(
    uid: string,
    aggregates: G,
  ): DataStream<Simplify<KeyColumns<T, K, F> & Results<T, G> & WindowBounds>, { readonly late: T }>
  reduce(uid: string, step: (left: T, right: T) => T): DataStream<T, { readonly late: T }>
  process<Out, const P extends Fields = {}>(
    uid: string,
    definition: WindowProcess<T, K, Out, P>,
  ): DataStream<Out, RowOf<P> & { readonly late: T }>
}

export interface ConnectedStreams<L, R, K> {
  process<
    Out,
    const S extends States = {},
    const P extends Fields = {},
    D extends Order = 'arrival',
  >(
    uid: string,
    definition: CoProcess<L, R, K, Out, S, P, D>,
  ): DataStream<Out, RowOf<P> & LateSide<D, L | R>>
}

export interface BroadcastConnectedStream<T, U, K> {
  process<
    Out,
    const B extends States,
    const S extends States = {},
    const P extends Fields = {},
    D extends Order = 'arrival',
  >(
    uid: string,
    definition: BroadcastProcess<T, U, K, Out, S, B, P, D>,
  ): DataStream<Out, RowOf<P> & LateSide<D, T | U>>
}
