import type { ErrorCode } from '../base/errors.ts'
import { StreamError } from '../base/errors.ts'
import type { TargetMarker } from '../operator/sink.ts'
import type { CheckpointId } from '../stream/elements.ts'
import { formatCheckpointId, manifestName } from './layout.ts'
import type { Lineage } from './manifest.ts'

/** What is known when a life opens a sink's target, before anything is published there. */
export interface TargetFacts {
  readonly uid: string
  readonly marker: TargetMarker | undefined
  readonly lineage: Lineage
  /** The checkpoint that this life was restored from; 0: none. */
  readonly restoredId: CheckpointId
  /** Whether the restored checkpoint knows the sink; then its target was claimed before. */
  readonly isKnownSink: boolean
  readonly hasPending: boolean
  /** Lives of this lineage, as the work folder and the restored checkpoint know them. */
  readonly knownInstances: ReadonlySet<string>
}

export type TargetDecision =
  /** Publish what was born after `after`; what is older is there already. */
  | { readonly type: 'commit'; readonly after: CheckpointId }
  /**
   * A fork takes its parent's target over. `overlap`: the parent went on after the fork point, so
   * what it published since will be there twice.
   */
  | { readonly type: 'adopt'; readonly after: CheckpointId; readonly overlap: boolean }
  | {
      readonly type: 'refuse'
      readonly code: ErrorCode
      readonly message: string
      readonly hint: string
    }

/**
 * Whose is the target, and how far did it get? Pure.
 *
 * T1. A target that nobody has published to may be claimed by anybody.
 * T2. A target of our own lineage is ours when a known life marked it, at or below the checkpoint
 *     that was restored. Above it, or by a life nobody here knows, there is a second copy of this
 *     job: going on would publish twice.
 * T3. A fork has no life before it: it may take its parent's target over, at its first start only.
 */
export function decideTarget(facts: TargetFacts): TargetDecision {
  const { marker, lineage, restoredId } = facts
  if (marker === undefined) return decideUnmarked(facts)
  if (marker.checkpointId === 0) return { type: 'commit', after: 0 } // T1.
  if (marker.lineage === lineage.id) return decideOwn(facts, marker)
  if (marker.lineage === lineage.parent && restoredId === lineage.parentCheckpoint) {
    // T3. What the parent published after the fork point is no reason to skip what we restored.
    const overlap = marker.checkpointId > restoredId
    return { type: 'adopt', after: overlap ? restoredId : marker.checkpointId, overlap }
  }
  return {
    type: 'refuse',
    code: 'SINK_FOREIGN',
    message: `the target of "${facts.uid}" holds output of another run of a job`,
    hint: 'Give the sink a target of its own, or go on from a savepoint of that run with --from and --fork.',
  }
}

function decideUnmarked(facts: TargetFacts): TargetDecision {
  const isFork = facts.restoredId === facts.lineage.parentCheckpoint
  // A sink that was there before has claimed its target: a missing marker was removed.
  if (!facts.isKnownSink || !facts.hasPending || isFork) return { type: 'commit', after: 0 }
  return {
    type: 'refuse',
    code: 'SINK_FOREIGN',
    message: `the target of "${facts.uid}" does not say what was published there, though checkpoint ${formatCheckpointId(facts.restoredId)} did`,
    hint: `Put the target back as it was: the marker in "_millrace" of a table tells how far it is. To lose the output that waits to be published, use --drop-state ${facts.uid}.`,
  }
}

/** T2. */
function decideOwn(facts: TargetFacts, marker: TargetMarker): TargetDecision {
  if (marker.checkpointId > facts.restoredId) {
    const restored =
      facts.restoredId === 0
        ? 'the work folder has no checkpoint'
        : `the job is at checkpoint ${formatCheckpointId(facts.restoredId)}`
    const way =
      facts.restoredId === 0
        ? 'or start from the latest savepoint with --from. Or begin anew with --fresh, and another target.'
        : 'or start from the latest savepoint with --from. Or go on from here with --fork, which publishes the difference twice.'
    return {
      type: 'refuse',
      code: 'SINK_AHEAD',
      message: `the target of "${facts.uid}" holds output up to checkpoint ${formatCheckpointId(marker.checkpointId)}, ${restored}`,
      hint: `Bring back "manifests/${manifestName(marker.checkpointId)}" of the work folder if it was lost, ${way}`,
    }
  }
  if (!facts.knownInstances.has(marker.instance)) {
    return {
      type: 'refuse',
      code: 'SINK_FOREIGN',
      message: `the target of "${facts.uid}" was last written by a copy of this job that runs elsewhere`,
      hint: 'Stop that copy and start from its latest savepoint, or start with --fork.',
    }
  }
  return { type: 'commit', after: marker.checkpointId }
}

/**
 * Before each commit of a running life: is the target as this life left it? Returns the id up to
 * which all is published, or throws SINK_FOREIGN: another life has taken the target, for good.
 */
export function ownedUpTo(
  uid: string,
  marker: TargetMarker | undefined,
  own: TargetMarker,
): CheckpointId {
  if (marker?.lineage === own.lineage && marker.instance === own.instance)
    return marker.checkpointId
  throw new StreamError(
    'SINK_FOREIGN',
    marker === undefined
      ? `the target of "${uid}" has lost the mark of this job`
      : `the target of "${uid}" was taken over by another run of a job`,
    { hint: 'Let one job only write to a target; stop the other, or give it a target of its own.' },
  )
}
