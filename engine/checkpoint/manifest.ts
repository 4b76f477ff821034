import type { Json } from '../base/json.ts'
import type { CheckpointId } from '../stream/elements.ts'
import type { FileReference, OperatorState, SinkState, SourceState } from './snapshot.ts'

/** One complete checkpoint: everything that a restore needs, or where it lies. */
export interface CheckpointManifest {
  readonly format: typeof MANIFEST_FORMAT
  readonly job: string
  readonly lineage: Lineage
  readonly checkpointId: CheckpointId
  /** Random id of the life that took it. */
  readonly instance: string
  readonly createdAtMs: number
  /** Informs only: state that does not fit is found by uid. */
  readonly planHash: string
  /** The job's parameters that are not secret. */
  readonly parameters: Readonly<Record<string, Json>>
  /** Every input has ended: nothing is left to be read. */
  readonly final: boolean
  /** The sources were told to end, so windows fired before their time: never resumed from. */
  readonly drained: boolean
  /** Totals since the job's first start, such as records in; nothing depends on them. */
  readonly counters: Readonly<Record<string, number>>
  readonly operators: readonly OperatorState[]
  readonly sources: readonly SourceState[]
  readonly sinks: readonly SinkState[]
  /** In a savepoint: copies of staged files that its committables name. */
  readonly staged: readonly StagedCopy[]
}

export const MANIFEST_FORMAT = 1

/** One line of lives that may follow each other. A fork begins a new one. */
export interface Lineage {
  readonly id: string
  readonly parent: string | null
  /** The parent's checkpoint that the fork began with. */
  readonly parentCheckpoint: CheckpointId | null
}

export interface StagedCopy {
  /** Where the committer looks for it. */
  readonly original: string
  readonly file: FileReference
}

/** Every file a manifest names, relative to its folder, each once, in order of path. */
export function manifestFiles(manifest: CheckpointManifest): readonly FileReference[] {
  const files = new Map<string, FileReference>()
  const add = (file: FileReference): void => {
    files.set(file.path, file)
  }
  for (const operator of manifest.operators) {
    for (const subtask of operator.subtasks) {
      subtask.chain.forEach(add)
      if (subtask.broadcast?.file !== undefined) add(subtask.broadcast.file)
    }
  }
  for (const { file } of manifest.staged) add(file)
  return [...files.values()].sort((left, right) => (left.path < right.path ? -1 : 1))
}
