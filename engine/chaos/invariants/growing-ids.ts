import type { TraceEvent } from '../../faults/trace.ts'
import type { Violation } from '../violation.ts'
import type { Invariant } from './invariant.ts'
import { formatCheckpointId } from '../../checkpoint/layout.ts'

/**
 * I5: a checkpoint that is triggered has an id above all that were, in whatever life; and so has a
 * manifest in its folder. A savepoint keeps its id in the folder that it is brought to.
 */
export const growingIds: Invariant = ({ run }) => {
  const found = [...triggeredAgain(run.trace)]
  const latest = new Map<string, number>()
  for (const { folder, manifest, at } of run.history.manifests) {
    const before = latest.get(folder) ?? 0
    if (manifest.checkpointId <= before) {
      const [now, earlier] = [manifest.checkpointId, before].map(formatCheckpointId)
      const what = `the manifest of ${now} is written after that of ${earlier}`
      found.push({ invariant: 'I5', what, step: at.step })
    }
    latest.set(folder, manifest.checkpointId)
  }
  return found
}

/** Of the trace alone: checkpoints that are triggered, and are not above all before. */
export function triggeredAgain(trace: readonly TraceEvent[]): readonly Violation[] {
  const found: Violation[] = []
  let last = 0
  for (const { point, place, step } of trace) {
    if (point !== 'coordinator.trigger') continue
    const id = place.checkpointId!
    if (id <= last) {
      const what = `checkpoint ${formatCheckpointId(id)} follows ${formatCheckpointId(last)}`
      found.push({ invariant: 'I5', what, step })
    }
    last = id
  }
  return found
}
