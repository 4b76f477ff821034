import type { FaultPointName } from '../faults/points.ts'
import type { Fault, FaultAction, FaultSchedule } from '../faults/schedule.ts'
import type { FaultKind } from './actions.ts'
import type { Golden, Subject } from './subject.ts'
import { isFaultPoint } from '../faults/points.ts'
import { actionsAt, faultKinds } from './actions.ts'
import { simulateSchedule } from './simulate-schedule.ts'

/** Of each point, so many occurrences are tried. */
export const OCCURRENCES = 3

export interface ExhaustOptions {
  readonly seed: number
  readonly parallelism: number
  readonly kinds: readonly FaultKind[]
}

/** Every single fault: each point that the job reaches × occurrence × action. */
export function* singleFaults(golden: Golden, options: ExhaustOptions): Generator<FaultSchedule> {
  const { seed, parallelism } = options
  for (const [point, often] of golden.reached) {
    for (let nth = 1; nth <= Math.min(often, OCCURRENCES); nth += 1) {
      for (const action of allowedAt(point, options.kinds)) {
        yield { seed, parallelism, faults: [{ point, nth, action }] }
      }
    }
  }
}

/**
 * Every ordered pair of points, the second during the recovery from the first: the first ends a
 * life, the second strikes in the next one before its first checkpoint is committed.
 */
export async function* faultPairs(
  subject: Subject,
  golden: Golden,
  options: ExhaustOptions,
): AsyncGenerator<FaultSchedule> {
  const { seed, parallelism } = options
  for (const [point, often] of golden.reached) {
    // The middle of a run has a checkpoint to go back to.
    const first: Fault = { point, nth: Math.ceil(often / 2), life: 1, action: { type: 'crash' } }
    const run = await simulateSchedule({
      ...subject,
      schedule: { seed, parallelism, faults: [first] },
    })
    const recovered = new Set<FaultPointName>()
    for (const { life, point: reached } of run.trace) {
      if (life !== 2 || !isFaultPoint(reached)) continue
      recovered.add(reached)
      if (reached === 'coordinator.committed') break
    }
    for (const second of recovered) {
      yield {
        seed,
        parallelism,
        faults: [first, { point: second, nth: 1, life: 2, action: endingAt(second) }],
      }
    }
  }
}

/** The harshest end that a point allows. */
function endingAt(point: FaultPointName): FaultAction {
  const types = actionsAt(point)
  return types.find(({ type }) => type === 'power-loss') ?? { type: 'crash' }
}

function allowedAt(point: FaultPointName, kinds: readonly FaultKind[]): readonly FaultAction[] {
  const allowed = new Set<string>(kinds.flatMap((kind) => faultKinds[kind]))
  return actionsAt(point).filter(({ type }) => allowed.has(type))
}
