import type { Doors } from '../base/doors.ts'
import type { AssembledState } from '../checkpoint/assemble.ts'
import type { CheckpointManifest } from '../checkpoint/manifest.ts'
import type { CheckpointId } from '../stream/elements.ts'
import type { SpawnWorkers } from '../worker/worker-handle.ts'
import type { DeploymentOptions } from './deployment.ts'
import type { JobPlan } from './job-plan.ts'
import type { SourceCoordinator } from './source-coordinator.ts'

/** What the master needs of the disk and of the targets; it decides nothing about them. */
export interface CheckpointKeeper {
  /** Makes a checkpoint exist. CHECKPOINT_IN_DOUBT: nobody knows whether it does. */
  write(checkpoint: CheckpointContent): Promise<CheckpointManifest>
  /** Publishes what the checkpoint holds, at every sink. Resolves when all of it is visible. */
  commit(manifest: CheckpointManifest): Promise<void>
  /** A self-contained copy; resolves to its folder. */
  savepoint(manifest: CheckpointManifest, target: string | undefined): Promise<string>
}

export interface CheckpointContent extends AssembledState {
  readonly checkpointId: CheckpointId
  readonly final: boolean
  readonly drained: boolean
  readonly counters: Readonly<Record<string, number>>
}

export interface MasterParts {
  readonly doors: Doors
  readonly plan: JobPlan
  readonly deployment: Omit<DeploymentOptions, 'plan'>
  readonly spawn: SpawnWorkers
  readonly sources: readonly SourceCoordinator[]
  readonly keeper: CheckpointKeeper
}

export interface MasterResult {
  readonly status: 'finished' | 'stopped'
  readonly checkpointId: CheckpointId
  readonly savepoint: string | undefined
  readonly checkpoints: number
  /** Since the job's first start. */
  readonly recordsIn: number
  readonly recordsOut: number
  readonly malformed: number
  readonly late: number
}
