import type { Json } from '../base/json.ts'
import type { ErrorData } from '../base/errors.ts'
import type { ParameterValue } from '../graph/parameters.ts'
import type { PlanData } from '../graph/plan.ts'
import type {
  OperatorSubtaskState,
  FileReference,
  SubtaskSnapshot,
} from '../checkpoint/snapshot.ts'
import type { AssignedSplit, SequencePlaces } from '../operator/source.ts'
import type { LowestSplit } from '../operator/operator.ts'
import type { AlignedSubtask } from '../task/alignment-board.ts'
import type { StateDescriptor } from '../state/state.ts'
import type { StateChange } from '../state/state-changes.ts'
import type { CheckpointId } from '../stream/elements.ts'

/**
 * What the job master and a worker say to each other. Plain data only; large things lie in files
 * or in shared memory. Order is kept in each direction.
 *
 *     master                worker
 *       deploy     →                      once, first
 *                  ←  deployed            its tasks are open and restored
 *       expect     →                      later splits: to each subtask that will get some
 *                  ←  expecting           everyone downstream knows that it is not idle
 *       splits     →                      before start, and whenever new ones are found
 *       start      →                      records flow
 *       trigger    →                      to subtasks of sources
 *                  ←  acknowledged | declined
 *       confirmed  →                      what is committed up to that checkpoint
 *                  ←  ended               a subtask has reached the end of its input
 *       close      →
 *                  ←  closed
 *                  ←  failed              at any time, once; nothing of this worker counts after it
 */
export type ToWorker =
  | { readonly type: 'deploy'; readonly deployment: Deployment }
  | { readonly type: 'start' }
  | { readonly type: 'expect'; readonly vertex: number; readonly subtask: number }
  | {
      readonly type: 'splits'
      readonly vertex: number
      readonly subtask: number
      readonly splits: readonly RestoredSplit[]
      readonly complete: boolean
      readonly places: SequencePlaces
    }
  | { readonly type: 'trigger'; readonly checkpointId: CheckpointId; readonly stop: boolean }
  | { readonly type: 'confirmed'; readonly checkpointId: CheckpointId }
  | { readonly type: 'completed'; readonly checkpointId: CheckpointId }
  /** Sources end their input here, as if there were no more (`--drain`). */
  | { readonly type: 'drain' }
  | { readonly type: 'close' }

export type FromWorker =
  | { readonly type: 'deployed'; readonly worker: number }
  | { readonly type: 'acknowledged'; readonly snapshot: SubtaskSnapshot }
  | {
      readonly type: 'declined'
      readonly checkpointId: CheckpointId
      readonly error: ErrorData
    }
  | { readonly type: 'expecting'; readonly vertex: number; readonly subtask: number }
  | { readonly type: 'ended'; readonly vertex: number; readonly subtask: number }
  | {
      readonly type: 'metrics'
      readonly worker: number
      readonly subtasks: readonly SubtaskMetrics[]
    }
  | { readonly type: 'failed'; readonly worker: number; readonly error: ErrorData }
  | { readonly type: 'closed'; readonly worker: number }
  | {
      readonly type: 'log'
      readonly level: 'error' | 'warn' | 'info' | 'debug'
      readonly fields: Readonly<Record<string, unknown>>
      readonly message: string
    }

export interface RestoredSplit extends AssignedSplit {
  readonly watermarkMs: number | undefined
  readonly generator?: Json | undefined
  readonly finished: boolean
}

/** All that one worker needs to build and restore its tasks. */
export interface Deployment {
  readonly worker: number
  readonly workers: number
  readonly parallelism: number
  /** URL of the job's bundle; undefined when the worker shares the master's thread. */
  readonly bundle: string | undefined
  readonly parameters: Readonly<Record<string, ParameterValue>>
  /** The master's plan: a worker that builds another refuses to start. */
  readonly plan: PlanData
  readonly epoch: number
  /** Absolute path of the work folder. */
  readonly workDir: string
  /** For each store of keyed state. */
  readonly stateCacheBytes: number
  readonly rings: readonly RingDescription[]
  /** One flag a worker: 1 while it is parked. Undefined in one thread. */
  readonly parking: SharedArrayBuffer | undefined
  /** How far the aligned sources are: an AlignmentBoard. */
  readonly alignment: SharedArrayBuffer
  /** By `vertex:uid`, for operators that had state in the checkpoint. */
  readonly restore: Readonly<Record<string, OperatorRestore>>
  /** By vertex and subtask: the combined watermark to go on from. */
  readonly watermarks: Readonly<Record<number, readonly number[]>>
}

export interface RingDescription {
  readonly edge: number
  readonly from: number
  readonly to: number
  readonly buffer: SharedArrayBuffer
}

/** State of one operator, over all subtasks of the checkpoint: each new subtask takes its part. */
export interface OperatorRestore {
  readonly parallelism: number
  readonly maxParallelism: number
  readonly descriptors: readonly StateDescriptor[]
  /** What the job has renamed and dropped: files still have it as it was. */
  readonly changes: readonly StateChange[]
  readonly subtasks: readonly OperatorSubtaskState[]
  readonly broadcast: FileReference | undefined
}

export interface SubtaskMetrics {
  readonly vertex: number
  readonly subtask: number
  /** By position in the chain. */
  readonly recordsIn: readonly number[]
  readonly recordsOut: readonly number[]
  /** Of a source: records that it could not decode. */
  readonly malformed: number
  /** By position in the chain: records behind the watermark that nobody reads. */
  readonly late: readonly number[]
  readonly watermarkMs: number
  /** By position in the chain, for people. */
  readonly watermarksMs: readonly number[]
  /** Where the watermark of a chain that assigns times comes from. */
  readonly lowestSplit?: LowestSplit | undefined
  /** Of a source that is, or just was, paused: whom it waits for. */
  readonly waitsFor?: Pick<AlignedSubtask, 'vertex' | 'subtask'> | undefined
  /** Parts of the time since the last report, 0..1. */
  readonly busy: number
  readonly backPressured: number
}
