/** What connectors build on: the contracts of the engine, and nothing that runs it. */
export { assert } from './base/assert.ts'
export { systemClock } from './base/clock.ts'
export type { Clock, Timer } from './base/clock.ts'
export { systemDoors } from './base/doors.ts'
export type { Doors, Gunzip, Unpacked } from './base/doors.ts'
export { asStreamError, refusedOr, messageOf, StreamError } from './base/errors.ts'
export type { ErrorCode, ErrorPlace } from './base/errors.ts'
export {
  errnoOf,
  exists,
  makeDirectories,
  readWholeFile,
  realPlace,
  systemFiles,
  writeDurably,
} from './base/files.ts'
export type { FileHandle, FileInfo, Files } from './base/files.ts'
export type { Json } from './base/json.ts'
export { BATCH_BYTES_MAX, BATCH_RECORDS_MAX } from './base/limits.ts'
export { silentLogger } from './base/logger.ts'
export type { Logger } from './base/logger.ts'
export { seededRandom } from './base/random.ts'
export type { Random } from './base/random.ts'
export type { Secret } from './base/secret.ts'
export type { FaultPlace } from './faults/place.ts'
export type { FaultProbe } from './faults/probe.ts'
export { ASYNC_HINT, isAsyncFunction, isPromiseLike } from './operator/user-error.ts'
export { sinkDefinition, sinkOf } from './operator/sink.ts'
export type {
  Committable,
  Committer,
  CommitterContext,
  Sink,
  SinkDefinition,
  SinkWriter,
  TargetMarker,
  WriterContext,
} from './operator/sink.ts'
export { ON_MALFORMED, sourceDefinition, sourceOf } from './operator/source.ts'
export type {
  AssignedSplit,
  EnumeratorContext,
  MalformedOutput,
  MalformedRecord,
  OnMalformed,
  OwnFolder,
  ReaderContext,
  RecordedInput,
  Recording,
  RecordingLimits,
  RemoteInput,
  SequencePlaces,
  Source,
  SourceDefinition,
  SourceOutput,
  SourceReader,
  SourceSplit,
  SplitEnumerator,
  SplitPosition,
  SplitSequence,
} from './operator/source.ts'
export type { Change } from './stream/change.ts'
export { isValid } from './stream/columns.ts'
export type { Column, ColumnSet } from './stream/columns.ts'
export { formatDay, isDay, parseDay } from './stream/day.ts'
export type { CheckpointId } from './stream/elements.ts'
export { RecordBatch } from './stream/record-batch.ts'
export { schemaData, schemaOf } from './stream/schema.ts'
export type { FieldData, Schema, SchemaData, StructData, StructSchema } from './stream/schema.ts'
export { isTime, TIME_MS_MAX } from './stream/value-fit.ts'
export type { Duration } from './time/duration.ts'
