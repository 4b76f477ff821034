import type { Committable } from '../operator/sink.ts'

/** The order in which a sink's committables are committed: (bornAt, subtask, sequence). */
export function compareCommittables(left: Committable, right: Committable): number {
  return (
    left.bornAt - right.bornAt || left.subtask - right.subtask || left.sequence - right.sequence
  )
}
