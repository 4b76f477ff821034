import type { Json } from '../base/json.ts'
import type { CheckpointId } from '../stream/elements.ts'
import type { Committable } from '../operator/sink.ts'
import type { FieldKinds } from '../stream/keys.ts'
import type { StateDescriptor } from '../state/state.ts'
import type { StateChange } from '../state/state-changes.ts'

/** A file that a checkpoint holds. The path is relative to the work folder, with `/`. */
export interface FileReference {
  readonly path: string
  readonly bytes: number
  /** SHA-256 of the whole file, lower-case hex. */
  readonly sha256: string
}

/** What one subtask of one operator contributes to a checkpoint. */
export interface OperatorSubtaskState {
  /** Keyed state: one base and its deltas, oldest first; all of them, at every checkpoint. */
  readonly chain: readonly FileReference[]
  /** The combined input watermark at the barrier. */
  readonly watermarkMs: number
  /**
   * Broadcast state: everybody's content hash, and subtask 0's file. In a step in event-time order
   * each subtask has a file, and copies of one watermark are equal.
   */
  readonly broadcast?: { readonly file?: FileReference; readonly hash: string }
}

export interface SplitState {
  readonly id: string
  readonly position: Json
  readonly finished: boolean
  readonly watermarkMs: number
  /** Snapshot of the split's own watermark generator, where it gives one. */
  readonly generator?: Json
}

/** An acknowledgement: everything of one subtask of one vertex, by uid. */
export interface SubtaskSnapshot {
  readonly checkpointId: CheckpointId
  readonly vertex: number
  readonly subtask: number
  readonly operators: Readonly<Record<string, OperatorSubtaskState>>
  readonly splits: Readonly<Record<string, readonly SplitState[]>>
  readonly committables: readonly Committable[]
  /** What a source has read, and what has arrived at sinks, in this life up to the barrier. */
  readonly recordsRead: number
  readonly recordsWritten: number
  /** What a source could not decode, likewise. */
  readonly recordsMalformed: number
  /** Records behind the watermark that nobody read. */
  readonly recordsLate: number
  /** For metrics: how long alignment and the synchronous part took, bytes newly written. */
  readonly alignmentMs: number
  readonly syncMs: number
  readonly bytesWritten: number
}

/** One operator in a manifest: what it was, and each subtask's part. */
export interface OperatorState {
  readonly uid: string
  readonly kind: string
  readonly parallelism: number
  readonly maxParallelism: number
  readonly descriptors: readonly StateDescriptor[]
  readonly codecVersion: number
  /** The first versions did not write it. */
  readonly declared?: StepDeclaration
  readonly subtasks: readonly OperatorSubtaskState[]
  /** Never on disk: what the job that restores it renames and drops. */
  readonly changes?: readonly StateChange[]
}

/** What decides the meaning of a step's state, besides the states that it declares. */
export interface StepDeclaration {
  /** By input; null for one without a key. */
  readonly keys: readonly (KeyDeclaration | null)[]
  /** States of a broadcast input. */
  readonly broadcast: readonly StateDescriptor[]
  /** Windows, aggregates, bounds and the like, as they stand in the plan. */
  readonly settings: Readonly<Record<string, Json>>
}

/** The fields that are the key, in order; or a function, of which nothing is known. */
export interface KeyDeclaration {
  readonly type: 'field' | 'fields' | 'function'
  readonly fields: readonly string[]
  readonly kinds: FieldKinds
}

export interface EnumeratorSplit {
  readonly id: string
  readonly index: number
  readonly start: Json
}

export interface SourceState {
  readonly uid: string
  readonly kind: string
  readonly complete: boolean
  readonly enumerated: readonly EnumeratorSplit[]
  readonly splits: readonly SplitState[]
}

export interface SinkState {
  readonly uid: string
  readonly kind: string
  /** Never on disk: its uid in the checkpoint, when the job has renamed it. */
  readonly was?: string
  /** Where the target's marker lies, when that is a file. The first versions did not write it. */
  readonly marker?: string
  /** All that is not known to be committed, in order of (bornAt, subtask, sequence). */
  readonly committables: readonly Committable[]
}
