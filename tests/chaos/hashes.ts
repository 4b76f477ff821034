import { faultKinds, type FaultKind } from '../../engine/chaos/actions.ts'
import { randomSchedule } from '../../engine/chaos/random-schedule.ts'
import { simulateSchedule } from '../../engine/chaos/simulate-schedule.ts'
import type { Golden } from '../../engine/chaos/subject.ts'
import { isFaultPoint, type FaultPointName } from '../../engine/faults/points.ts'
import { share } from '../share.ts'
import { chaosShapes } from './shapes.ts'

/** Of each shape, besides the one without a fault. */
const SCHEDULES = share(1, 20)
const WORKERS_MAX = 3

/** One run as text: what it was, and the hash of its steps. */
export async function hashes(): Promise<readonly string[]> {
  const found: string[] = []
  const kinds = Object.keys(faultKinds) as FaultKind[]
  for (const shape of chaosShapes) {
    const schedule = { seed: 1, parallelism: 2, faults: [] }
    const faultless = await simulateSchedule({ ...shape, schedule })
    const reached = new Map<FaultPointName, number>()
    for (const { point } of faultless.trace) {
      if (isFaultPoint(point)) reached.set(point, (reached.get(point) ?? 0) + 1)
    }
    found.push(`${shape.name} without faults: ${faultless.hash}`)
    const golden: Golden = { published: {}, checkpoints: 0, steps: 0, durationMs: 0, reached }
    for (let seed = 1; seed <= SCHEDULES; seed += 1) {
      const options = { golden, kinds, parallelismMax: 4, faultsMax: 4 }
      const run = await simulateSchedule({
        ...shape,
        workers: 1 + (seed % WORKERS_MAX),
        stepsMax: 50_000,
        schedule: randomSchedule(seed, options),
      })
      const ends = run.lives.map(({ ended }) => ended.type).join(', ')
      found.push(`${shape.name}, seed ${seed} (${ends}): ${run.hash}`)
    }
  }
  return found
}
