import type { ErrorCode } from '../base/errors.ts'
import type { Epoch } from './epochs.ts'
import { formatCheckpointId } from './layout.ts'
import type { CheckpointManifest, Lineage } from './manifest.ts'

/** What a start finds, before anything is changed. */
export interface RecoveryFacts {
  readonly job: string
  /** The job's name before, when it has been renamed. */
  readonly jobWas?: string | undefined
  /** The latest complete checkpoint of the work folder. */
  readonly latest: CheckpointManifest | undefined
  /** The last start on record in the work folder. */
  readonly lastEpoch: Epoch | undefined
  /** What `--from` names. */
  readonly from: CheckpointManifest | undefined
  readonly fork: boolean
  /** Random: the id of a lineage that begins now, if one does. */
  readonly newLineage: string
}

export type RecoveryDecision =
  | { readonly type: 'start-fresh'; readonly lineage: Lineage }
  /** Restore it; before a record flows, publish what it has pending. */
  | {
      readonly type: 'restore-and-recommit'
      readonly manifest: CheckpointManifest
      readonly origin: 'work-folder' | 'savepoint'
      readonly lineage: Lineage
    }
  /** Nothing is left to be read: publish what it has pending, and say so. */
  | { readonly type: 'finished'; readonly manifest: CheckpointManifest; readonly lineage: Lineage }
  | {
      readonly type: 'refuse'
      readonly code: ErrorCode
      readonly message: string
      readonly hint: string
    }

/**
 * Where does this life begin? Pure.
 *
 * D1. The folder's own latest checkpoint wins over an older or equal `--from`, so that a supervisor
 *     may repeat the same command.
 * D2. A lineage goes on through every restart. `--fork` begins a new one, once: a start that is
 *     repeated after a crash goes on with the fork it has begun.
 * D3. Lives that never completed a checkpoint leave their lineage to the next: targets may be
 *     claimed under it.
 * D4. There is no way back to an older checkpoint: what was committed since would be committed
 *     twice.
 * D5. A job that was renamed (`--job-was`) goes on with the folder and savepoints of its old name.
 */
export function decideRecovery(facts: RecoveryFacts): RecoveryDecision {
  const { latest, from } = facts
  const foreign = otherJob(facts)
  if (foreign !== undefined) return foreign
  if (latest !== undefined) {
    if (from === undefined || isOlderOrEqual(from, latest)) return resume(facts, latest)
    if (!isRelated(from, latest)) return unrelated(from, latest)
  }
  if (from !== undefined) return restoreSavepoint(facts, from)
  return { type: 'start-fresh', lineage: lineageOfFreshStart(facts) }
}

function resume(facts: RecoveryFacts, latest: CheckpointManifest): RecoveryDecision {
  const isForkOfFrom = facts.from !== undefined && isForkOf(latest.lineage, facts.from)
  const lineage = lineageAfter(facts, latest, facts.fork && !isForkOfFrom)
  if (latest.final || latest.drained) return { type: 'finished', manifest: latest, lineage }
  return { type: 'restore-and-recommit', manifest: latest, origin: 'work-folder', lineage }
}

function restoreSavepoint(facts: RecoveryFacts, from: CheckpointManifest): RecoveryDecision {
  if (from.drained || from.final) {
    return {
      type: 'refuse',
      code: 'SAVEPOINT_DRAINED',
      message: `the savepoint of checkpoint ${formatCheckpointId(from.checkpointId)} was taken after the input had ended`,
      hint: 'Its windows have fired already. Start from a savepoint that was taken without --drain.',
    }
  }
  const lineage = lineageAfter(facts, from, facts.fork)
  return { type: 'restore-and-recommit', manifest: from, origin: 'savepoint', lineage }
}

/** D2. */
function lineageAfter(facts: RecoveryFacts, from: CheckpointManifest, forks: boolean): Lineage {
  const begun = facts.lastEpoch?.lineage
  if (begun !== undefined && isForkOf(begun, from)) return begun
  if (!forks) return from.lineage
  return { id: facts.newLineage, parent: from.lineage.id, parentCheckpoint: from.checkpointId }
}

/** D3. A fork that has lost what it was made from is no lineage to go on with. */
function lineageOfFreshStart(facts: RecoveryFacts): Lineage {
  const begun = facts.lastEpoch?.lineage
  if (begun?.parent === null) return begun
  return { id: facts.newLineage, parent: null, parentCheckpoint: null }
}

function isForkOf(lineage: Lineage, manifest: CheckpointManifest): boolean {
  return (
    lineage.parent === manifest.lineage.id && lineage.parentCheckpoint === manifest.checkpointId
  )
}

/** Whether the folder's checkpoint descends from the savepoint, or was before it in one line. */
function isRelated(from: CheckpointManifest, latest: CheckpointManifest): boolean {
  return from.lineage.id === latest.lineage.id || from.lineage.id === latest.lineage.parent
}

/** Ids grow over all lives of a lineage, and a fork's begin above its parent's. */
function isOlderOrEqual(from: CheckpointManifest, latest: CheckpointManifest): boolean {
  return isRelated(from, latest) && from.checkpointId <= latest.checkpointId
}

function unrelated(from: CheckpointManifest, latest: CheckpointManifest): RecoveryDecision {
  const [savepoint, own] = [from.checkpointId, latest.checkpointId].map(formatCheckpointId)
  return {
    type: 'refuse',
    code: 'WORK_DIR_FOREIGN',
    message: `the work folder is at checkpoint ${own} of another run than the savepoint of checkpoint ${savepoint}`,
    hint: 'Use another --work-dir for the savepoint, or --fresh to set this one aside.',
  }
}

/** D5. */
function otherJob(facts: RecoveryFacts): RecoveryDecision | undefined {
  const { job, jobWas, from } = facts
  const owner = facts.latest?.job ?? facts.lastEpoch?.job ?? job
  if (owner !== job && owner !== jobWas) {
    return {
      type: 'refuse',
      code: 'WORK_DIR_FOREIGN',
      message: `the work folder belongs to job "${owner}", this is job "${job}"`,
      hint: `If the job has been renamed, start it with --job-was ${owner}. Else use another --work-dir, or --fresh to set this one aside.`,
    }
  }
  if (from !== undefined && from.job !== job && from.job !== jobWas && !facts.fork) {
    return {
      type: 'refuse',
      code: 'WORK_DIR_FOREIGN',
      message: `the savepoint is of job "${from.job}", this is job "${job}"`,
      hint: `If the job has been renamed, start it with --job-was ${from.job}. To go on as another job beside it, use --fork.`,
    }
  }
  return undefined
}
