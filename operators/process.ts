/** Process functions as objects: what `process(uid, { … })` takes. */
import type { Handles, MapState, ReadonlyMapState, StateDeclaration, States } from './states.ts'
import type { Fields, RowOf } from './types.ts'
import type { Schema } from '../engine/stream/schema.ts'
import type { TimerService } from '../engine/time/timer-service.ts'

/** Side outputs by name, each with the type of its records. */
export type Sides = object

/**
 * In which order a keyed process function gets its records and timers. 'arrival' (the default): as
 * they come, at once. 'event-time': by their times, when the watermark has passed them, so that the
 * answer for records that are on time does not depend on parallelism or speed.
 */
export type Order = 'arrival' | 'event-time'

/** In event-time order records that come behind the watermark go to the side output `late`. */
export type LateSide<D extends Order, T> = [D] extends ['event-time'] ? { readonly late: T } : {}

/** What a callback returns: nothing. A promise does not fit, as it would into `void` alone. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- so a promise is refused
export type Nothing = void | undefined

/** What a process function may do with the record at hand. Its functions are bound. */
export interface ProcessContext<Out, O extends Sides = {}> {
  /** Event time of the record at hand; NaN where none was assigned. */
  readonly timestampMs: number
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- says that it is bound
  emit(this: void, record: Out): void
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- says that it is bound
  emitTo<N extends keyof O>(this: void, side: N, record: O[N]): void
}

export interface KeyedContext<K, Out, O extends Sides = {}> extends ProcessContext<Out, O> {
  readonly key: K
  readonly timers: TimerService
}

export interface WithState<S extends States> {
  readonly state: Handles<S>
}

/** `emits` and `state` stand first: TypeScript reads them before the functions below. */
export interface Process<T, Out, O extends Fields> {
  readonly emits: Schema<Out>
  readonly sides?: O
  onRecord(record: T, context: ProcessContext<Out, RowOf<O>>): Nothing
}

export interface KeyedProcess<T, K, Out, S extends States, O extends Fields, D extends Order> {
  readonly emits: Schema<Out>
  readonly order?: D
  readonly state?: S
  readonly sides?: O
  onRecord(record: T, context: KeyedContext<K, Out, RowOf<O>> & WithState<S>): Nothing
  onTimer?(atMs: number, context: KeyedContext<K, Out, RowOf<O>> & WithState<S>): Nothing
}

export interface CoProcess<L, R, K, Out, S extends States, O extends Fields, D extends Order> {
  readonly emits: Schema<Out>
  readonly order?: D
  readonly state?: S
  readonly sides?: O
  onLeft(record: L, context: KeyedContext<K, Out, RowOf<O>> & WithState<S>): Nothing
  onRight(record: R, context: KeyedContext<K, Out, RowOf<O>> & WithState<S>): Nothing
  onTimer?(atMs: number, context: KeyedContext<K, Out, RowOf<O>> & WithState<S>): Nothing
}

export type ReadonlyHandles<B extends States> = {
  readonly [N in keyof B]: B[N] extends StateDeclaration<MapState<infer K, infer V>>
    ? ReadonlyMapState<K, V>
    : never
}

export interface BroadcastProcess<
  T,
  U,
  K,
  Out,
  S extends States,
  B extends States,
  O extends Fields,
  D extends Order,
> {
  readonly emits: Schema<Out>
  readonly order?: D
  readonly broadcast: B
  readonly state?: S
  readonly sides?: O
  onRecord(
    record: T,
    context: KeyedContext<K, Out, RowOf<O>> &
      WithState<S> & { readonly broadcast: ReadonlyHandles<B> },
  ): Nothing
  onBroadcast(record: U, context: { readonly broadcast: Handles<B> }): Nothing
  onTimer?(
    atMs: number,
    context: KeyedContext<K, Out, RowOf<O>> &
      WithState<S> & { readonly broadcast: ReadonlyHandles<B> },
  ): Nothing
}

/** A function over all records of a window, when it fires. */
export interface WindowProcess<T, K, Out, O extends Fields> {
  readonly emits: Schema<Out>
  readonly sides?: O
  onWindow(
    records: readonly T[],
    context: ProcessContext<Out, RowOf<O>> & {
      readonly key: K
      readonly window: { readonly start: number; readonly end: number }
    },
  ): Nothing
}
