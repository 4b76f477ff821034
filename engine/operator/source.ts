import type { Doors } from '../base/doors.ts'
import type { StreamError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import type { Json } from '../base/json.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import type { SchemaData } from '../stream/schema.ts'

declare const produces: unique symbol
declare const besides: unique symbol

/** Where data comes from, seen from a job: its records, and its side outputs by name. */
export interface Source<out T, out O extends object = {}> {
  readonly kind: string
  readonly [produces]: T
  readonly [besides]: O
}

/** What a source does with a record that it cannot decode. */
export const ON_MALFORMED = ['fail', 'skip', 'dead-letter'] as const
export type OnMalformed = (typeof ON_MALFORMED)[number]

/** The side output of a source that takes the records it could not decode. */
export const MALFORMED_SIDE = 'malformed'

/** A record that a source could not decode, as its side output `malformed` has it. */
export interface DeadLetter {
  /** Uid of the source. */
  readonly source: string
  /** The split, as the source names it: a file, a partition. */
  readonly split: string
  /** Where the record stands in the split, as in errors. */
  readonly offset: number
  readonly code: string
  readonly error: string
  /** The record as it was read. */
  readonly bytes: Uint8Array
}

/** The side outputs of a source that was given `onMalformed`. */
export type MalformedOutput<M extends OnMalformed> = M extends 'dead-letter'
  ? { readonly malformed: DeadLetter }
  : {}

/**
 * What a source is below its type: a description that the plan holds, and the two halves that run.
 * The enumerator runs once, in the engine's main thread; a reader in every subtask.
 */
export interface SourceDefinition {
  readonly kind: string
  /** Plain data for the plan and `explain`; no secret, no function. */
  readonly parameters: Json
  /** Schema of the records where it is declared: lets the plan check field names. */
  readonly schema?: SchemaData
  /** Without a schema: all field names that its records have, where they are known. */
  readonly fields?: readonly string[]
  /** Whether the input has an end. */
  readonly bounded: boolean
  /** With 'dead-letter' a step must read the side output `malformed`. Left out: 'fail'. */
  readonly onMalformed?: OnMalformed
  /** What the offsets of a split count; offsets when left out. */
  offsetUnit?(start: Json): 'line' | 'byte'
  /** Files that it reads, absolute, so that a simulation can have them. */
  inputs?(files: Files): Promise<readonly string[]>
  /**
   * For `millrace check`, and before `--fresh` moves anything: throws when the job could not begin,
   * as far as can be known. What it gives is a doubt, which does not keep the job from running.
   */
  check?(files: Files): Promise<string | undefined>
  /** Whether it would read files that the job itself puts into a folder. */
  wouldRead?(own: OwnFolder, files: Files): Promise<boolean>
  /** It reads from other machines: a simulation reads from a recording of them instead. */
  readonly remote?: RemoteInput
  createEnumerator(context: EnumeratorContext): SplitEnumerator
  createReader(context: ReaderContext): SourceReader
}

/** A folder that the job itself writes to. */
export interface OwnFolder {
  /** Absolute, without links; it need not be there yet. */
  readonly path: string
  /** How the names of the files end that appear in it, at any depth. */
  readonly ending: string
  /** What it is, for messages. */
  readonly what: string
}

/** How a source that reads from other machines is read once, and again without them. */
export interface RemoteInput {
  /**
   * Reads what a run that began now would read, up to an end: where the source has none, up to what
   * is there now. Throws as the source does when it cannot be reached.
   */
  record(doors: Doors, limits: RecordingLimits): Promise<Recording>
  /** From the plain data that a recording has given. Throws CHAOS_UNFIT when it is none. */
  parse(data: Json): RecordedInput
  /** The same source, which reads the recording and ends with it. */
  over(input: RecordedInput): SourceDefinition
}

export interface RecordingLimits {
  /** Of the whole source; each split gets an equal share. */
  readonly recordsMax: number
}

export interface Recording {
  readonly input: RecordedInput
  readonly records: number
  /** What was recorded and what was left out, each a line for people. */
  readonly told: readonly string[]
}

/** What a source read, in a form of the connector's own. Never changes. */
export interface RecordedInput {
  toData(): Json
}

export function sourceDefinition(source: Source<unknown>): SourceDefinition {
  return source as unknown as SourceDefinition
}

export function sourceOf<T, O extends object = {}>(definition: SourceDefinition): Source<T, O> {
  return definition as unknown as Source<T, O>
}

export interface EnumeratorContext {
  readonly uid: string
  readonly doors: Doors
  readonly parallelism: number
  /** What the job itself writes to: files there are no input. */
  readonly own?: readonly OwnFolder[]
}

/** A piece of a source. `start` is where reading begins when no checkpoint says otherwise. */
export interface SourceSplit {
  readonly id: string
  readonly start: Json
  readonly sequence?: SplitSequence | undefined
}

/**
 * Splits of one sequence follow each other in event time, in ascending order of `place`: the one
 * that is read first gives the watermark, and those behind it do not hold it back.
 */
export interface SplitSequence {
  readonly name: string
  readonly place: string
}

export interface SplitEnumerator {
  /**
   * All splits there are now, at least those of `known` (from the checkpoint, or the last call).
   * `complete`: no further call will find more. Throws StreamError when a known split has changed
   * (file replaced, topic made anew) or the source cannot be reached.
   */
  discover(known: readonly SourceSplit[]): Promise<{
    readonly splits: readonly SourceSplit[]
    readonly complete: boolean
  }>
  /** How often to call `discover` again while it is not complete. */
  readonly discoveryIntervalMs?: number
  close(): Promise<void>
}

export interface ReaderContext {
  readonly uid: string
  readonly subtask: number
  readonly parallelism: number
  readonly doors: Doors
  /** Most records that one `poll` may emit, where it is fewer than BATCH_RECORDS_MAX. */
  readonly batchRecords?: number | undefined
  /** Asks for another `poll`: data has arrived. Safe to call from any callback, at any time. */
  kick(): void
  /** Fails the task, from a callback. */
  fail(error: unknown): void
}

export interface AssignedSplit extends SourceSplit {
  /** Number of the split in this job, for batches. */
  readonly index: number
  /** From the checkpoint; undefined: begin at `start`. */
  readonly position: Json | undefined
}

/** By name of the sequence. */
export type SequencePlaces = Readonly<Record<string, string>>

export interface SplitPosition {
  readonly id: string
  /** Where the next record is read. */
  readonly position: Json
  readonly finished: boolean
}

/** A record that the source passes over, as it was told to. */
export interface MalformedRecord {
  /** Index of its split. */
  readonly split: number
  readonly offset: number
  readonly error: StreamError
  /** As it was read. Valid during the call only. */
  readonly bytes: Uint8Array
}

export interface SourceOutput {
  /** At most BATCH_RECORDS_MAX a poll, each before a batch that has later records of its split. */
  malformed(record: MalformedRecord): void
  /**
   * Records of one split, in order, with `splits` its index and `offsets` set. At most
   * BATCH_RECORDS_MAX of them. `bytes`: as they were read, where that is known.
   */
  emit(batch: RecordBatch, bytes?: number): void
  /** The split has ended; called once, after its last record. */
  finishSplit(index: number): void
  /**
   * `resting`: nothing more is expected of the split for now, and it holds no watermark back. False:
   * more has come after all, perhaps behind others that are read first.
   */
  restSplit?(index: number, resting: boolean): void
  /** Readers that read in turn: the split is far ahead of others, nothing is to be emitted of it. */
  isPaused?(index: number): boolean
}

/**
 * Reads the splits of one subtask. `poll` is synchronous: it hands out what is already here, and
 * I/O goes on in the background, bounded, calling `kick`.
 */
export interface SourceReader {
  addSplits(splits: readonly AssignedSplit[]): void
  /** No further `addSplits` will come. */
  noMoreSplits(): void
  /** The greatest `place` of each sequence of the source, also of splits that others read. */
  sequencesGrew?(places: SequencePlaces): void
  /**
   * It reads its splits in turn, and asks `isPaused` before it emits records of one. Other readers
   * are not polled while all that they read is far ahead.
   */
  readonly readsInTurn?: boolean
  /** Whether an assigned split waits for others to be read first. It is not silent then. */
  isQueued?(index: number): boolean
  /**
   * Emits at most one batch. 'more': call again soon. 'waiting': nothing here, call after a kick.
   * 'finished': every split has ended and no more come.
   */
  poll(output: SourceOutput): 'more' | 'waiting' | 'finished'
  /** Positions of all assigned splits, after the last record that `poll` emitted. */
  snapshot(): readonly SplitPosition[]
  /** The checkpoint that holds these positions is complete. A hint; may be missed. */
  checkpointCompleted?(positions: readonly SplitPosition[]): void
  close(): Promise<void>
}
