import type { Json } from '../base/json.ts'
import type { CheckpointId } from '../stream/elements.ts'
import type { Committable } from '../operator/sink.ts'
import type { StateDescriptor } from '../state/state.ts'

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
  /** Broadcast state: subtask 0's file, and everybody's content hash. */
  readonly broadcast?: { readonly file?: FileReference; readonly hash: string }
}

export interface SplitState {
  readonly id: string
  readonly position: Json
  readonly finished: boolean
  readonly watermarkMs: number
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
  readonly subtasks: readonly OperatorSubtaskState[]
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
  /** All that is not known to be committed, in order of (bornAt, subtask, sequence). */
  readonly committables: readonly Committable[]
}
