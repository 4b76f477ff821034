/** All that a job's author imports from `millrace`. */
export { aggregateFunction, average, count, countDistinct, max, min, sum } from './aggregates.ts'
export type { Aggregate, AggregateFunction } from './aggregates.ts'
export { DeadLetter } from './dead-letter.ts'
export { days, hours, millis, minutes, seconds } from './durations.ts'
export type { Duration } from './durations.ts'
export type { CheckpointingOptions, RestartOptions, StreamEnvironment } from './environment.ts'
export { field } from './expressions.ts'
export type { Expression, FieldExpression, NumberExpression, Predicate } from './expressions.ts'
export { defineJob } from './job.ts'
export type { Job } from './job.ts'
export { parameter } from './parameters.ts'
export type { Parameter } from './parameters.ts'
export type {
  BroadcastProcess,
  CoProcess,
  KeyedContext,
  KeyedProcess,
  Order,
  Process,
  ProcessContext,
  WindowProcess,
  WithState,
} from './process.ts'
export { KeyedProcessFunction } from './process-function.ts'
export {
  binary,
  bool,
  date,
  decimal,
  float64,
  int32,
  int64,
  list,
  nullable,
  packed,
  struct,
  timestamp,
  utf8,
} from './schemas.ts'
export type { Infer, Schema, StructSchema } from './schemas.ts'
export { listState, mapState, valueState } from './states.ts'
export type {
  ListState,
  MapState,
  ReadonlyMapState,
  StateDeclaration,
  ValueState,
} from './states.ts'
export type {
  BroadcastConnectedStream,
  BroadcastStream,
  ConnectedStreams,
  DataStream,
  Keyed,
  KeyedStream,
  Stream,
  WindowedStream,
} from './streams.ts'
export { boundedOutOfOrderness, monotonous, watermarkGenerator } from './watermarks.ts'
export type { WatermarkAlignment, WatermarkGenerator, WatermarkStrategy } from './watermarks.ts'
export { session, sliding, tumbling } from './windows.ts'
export type { WindowBounds, Windows } from './windows.ts'
export { StreamError } from '../engine/base/errors.ts'
export type { Secret } from '../engine/base/secret.ts'
export type { Sink } from '../engine/operator/sink.ts'
export type { OnMalformed, Source } from '../engine/operator/source.ts'
export type { Change, RowKind } from '../engine/stream/change.ts'
export type { Key } from '../engine/stream/keys.ts'
export type { TimerService } from '../engine/time/timer-service.ts'
