import type { Committable } from '../operator/sink.ts'
import type { CheckpointId } from '../stream/elements.ts'

/** Pure: what a checkpoint declares, what is still to be committed, and in what order. */

/** The order in which a sink's committables are committed: (bornAt, subtask, sequence). */
export function compareCommittables(left: Committable, right: Committable): number {
  return (
    left.bornAt - right.bornAt || left.subtask - right.subtask || left.sequence - right.sequence
  )
}

/** In order of commit, without what is published: all up to `after`. */
export function bornAfter(
  committables: readonly Committable[],
  after: CheckpointId,
): readonly Committable[] {
  return committables.filter(({ bornAt }) => bornAt > after).sort(compareCommittables)
}

/** What a writer declares at a checkpoint: all that it has cut up to there, unless confirmed. */
export function declaredAt(
  unconfirmed: readonly Committable[],
  id: CheckpointId,
): readonly Committable[] {
  return unconfirmed.filter(({ bornAt }) => bornAt <= id)
}

/** What a writer keeps to declare when all up to a checkpoint is committed. */
export function unconfirmedAfter(
  unconfirmed: readonly Committable[],
  id: CheckpointId,
): readonly Committable[] {
  return unconfirmed.filter(({ bornAt }) => bornAt > id)
}
