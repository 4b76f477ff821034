import type { TraceEvent } from '../../faults/trace.ts'
import type { Violation } from '../violation.ts'
import type { Invariant, RunFacts } from './invariant.ts'

/**
 * I8, of watermarks: those that a subtask takes never go back while it lives, nor do those that one
 * life's checkpoints hold.
 */
export const eventTime: Invariant = (facts) => [
  ...watermarksTaken(facts.run.trace),
  ...watermarksKept(facts),
]

function watermarksTaken(trace: readonly TraceEvent[]): readonly Violation[] {
  const found: Violation[] = []
  const reached = new Map<string, number>()
  for (const { point, place, life, step } of trace) {
    if (point !== 'task.open' && point !== 'task.watermark') continue
    const { uid, subtask, ms } = place
    const key = `${life} ${uid}-${subtask}`
    const before = reached.get(key)
    if (point === 'task.open' || ms === undefined) {
      // A twin that takes over opens its subtasks within the same life.
      reached.delete(key)
      continue
    }
    if (before !== undefined && ms < before) {
      const what = `the watermark of "${uid}", subtask ${subtask}, goes from ${before} back to ${ms}`
      found.push({ invariant: 'I8', what, step })
    }
    reached.set(key, ms)
  }
  return found
}

function watermarksKept({ run }: RunFacts): readonly Violation[] {
  const found: Violation[] = []
  const kept = new Map<string, number>()
  for (const { at, folder, manifest } of run.history.manifests) {
    for (const { uid, subtasks } of manifest.operators) {
      for (const [subtask, { watermarkMs }] of subtasks.entries()) {
        const key = `${folder} ${manifest.instance} ${uid}-${subtask}`
        const before = kept.get(key) ?? -Infinity
        if (watermarkMs < before) {
          const what = `a checkpoint has "${uid}", subtask ${subtask}, at ${watermarkMs}, one before at ${before}`
          found.push({ invariant: 'I8', what, step: at.step })
        }
        kept.set(key, watermarkMs)
      }
    }
  }
  return found
}
