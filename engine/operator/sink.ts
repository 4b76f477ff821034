import type { Doors } from '../base/doors.ts'
import type { Files } from '../base/files.ts'
import type { Json } from '../base/json.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import type { SchemaData } from '../stream/schema.ts'
import type { CheckpointId } from '../stream/elements.ts'

declare const accepts: unique symbol

/** Where results go, seen from a job. */
export interface Sink<in T> {
  readonly kind: string
  readonly [accepts]: (record: T) => void
}

/**
 * What a sink is below its type. Writers run in the subtasks, the one committer in the main thread.
 */
export interface SinkDefinition {
  readonly kind: string
  readonly parameters: Json
  readonly schema?: SchemaData
  /**
   * The folder that it publishes into, where it is one, and how the names of its files end: the
   * work folder must lie elsewhere, and no source of the job may read them.
   */
  readonly publishes?: { readonly folder: string; readonly ending: string }
  createWriter(context: WriterContext): SinkWriter
  /** Undefined: the sink does not commit (print); it is at-least-once and says so in `explain`. */
  createCommitter?(context: CommitterContext): Committer
  /**
   * Loads the code that it needs when it is opened, so that opening takes no time of the machine's.
   * Only simulations call it: theirs is another time.
   */
  load?(): Promise<void>
  /**
   * For `millrace check`, and before `--fresh` moves anything: throws when the job could not begin,
   * as far as can be known without touching the target.
   */
  check?(uid: string, files: Files): Promise<void>
  /**
   * Every row that a reader of the target sees now, each as one text that no other row has: rows
   * of an order in which they were published come in it. So that what a run has published can be
   * held against what another has.
   */
  published?(doors: Doors): Promise<readonly string[]>
}

export function sinkDefinition(sink: Sink<never>): SinkDefinition {
  return sink as unknown as SinkDefinition
}

export function sinkOf<T>(definition: SinkDefinition): Sink<T> {
  return definition as unknown as Sink<T>
}

export interface WriterContext {
  readonly uid: string
  readonly subtask: number
  readonly parallelism: number
  readonly doors: Doors
  /**
   * A name for a staged file that no other life, subtask or sink ever uses:
   * `<uid hash>-<subtask>-<id>-<sequence>`, each call a new one.
   */
  uniqueName(): string
  /** Set before a record of the batch at hand is refused: its index, for error messages. */
  recordIndex?: number
  kick(): void
  fail(error: unknown): void
}

/** Writes pending data. Stage first, publish after: nothing that it does can a reader see. */
export interface SinkWriter {
  /**
   * Finds and makes what it needs (staging folder on the same file system). Awaited before records.
   */
  open?(): Promise<void>
  write(batch: RecordBatch): void
  /** False while too much is in flight: `write` is not called until after a `kick`. */
  ready(): boolean
  /**
   * At a barrier. The synchronous part cuts: what is written later belongs to the next checkpoint.
   * The promise makes all before durable (fsync of files and folders) and gives the effects to
   * commit: plain data, empty when there was nothing. Called for every checkpoint, in order; the
   * next may come before the last promise has settled. A rejection fails the checkpoint and the
   * job.
   */
  prepareCommit(checkpointId: CheckpointId): Promise<readonly Json[]>
  close(): Promise<void>
}

/** An effect to be made visible once; its identity is the first four (architecture A10). */
export interface Committable {
  readonly uid: string
  readonly bornAt: CheckpointId
  readonly subtask: number
  readonly sequence: number
  readonly effect: Json
}

/** What a target knows of us: kept with the target, durable. */
export interface TargetMarker {
  readonly lineage: string
  /** Random id of the life (epoch) that wrote it. */
  readonly instance: string
  readonly checkpointId: CheckpointId
}

export interface CommitterContext {
  readonly uid: string
  readonly job: string
  readonly doors: Doors
}

/**
 * Makes committables visible, idempotently, in order. One a sink, in the engine's main thread.
 * What to commit and whether the target is ours is decided by the engine; a committer only acts.
 */
export interface Committer {
  /** Where the marker lies, as a path, if it is a file: checkpoints name it. */
  readonly markerFile?: string
  /** The target's marker, or undefined when there is none. */
  readMarker(): Promise<TargetMarker | undefined>
  /**
   * Publishes each effect, then makes `marker` durable at the target. An effect that is already
   * there (same file) is done. One that is missing throws STAGED_FILE_MISSING with its name; a
   * target taken by something else throws SINK_TARGET_CONFLICT. Transient trouble throws
   * SINK_COMMIT_FAILED and is called again with the same arguments.
   */
  commit(committables: readonly Committable[], marker: TargetMarker): Promise<void>
  /** After a restore and its commits: removes staged leftovers of lost lives, except `keep`. */
  sweep(keep: readonly Committable[]): Promise<void>
  /** For a savepoint: the staged files that `committables` name, to be copied. */
  stagedFiles(committables: readonly Committable[]): readonly string[]
  /**
   * The sink is called `uid` from now on: durable, and until this sink commits again `readMarker`
   * gives the marker of that one, so that an older checkpoint is still known to be behind.
   */
  handOver?(uid: string): Promise<void>
  close(): Promise<void>
}
