/**
 * Jobs of many shapes in one thread, in an order of events that a seed decides: crashed, cut off
 * from power, stopped, with a disk that fails, at another parallelism, on several workers, with too
 * small a cache. What they publish is complete, each row once, each key in its order.
 */
import { expect, test } from 'vitest'
import { seededRandom } from '../../engine/base/random.ts'
import { simulateJob, type SimulationReport } from '../../engine/simulation/simulation.ts'
import { figures, firstSeed, share } from '../share.ts'
import { violations, type ChaosShape } from './shape.ts'
import { chaosShapes } from './shapes.ts'

/** Of each shape. */
const SCHEDULES = share(80, 600)

interface Counts {
  schedules: number
  lives: number
  crashes: number
  powerLosses: number
  checkpoints: number
  steps: number
}

const total: Counts = {
  schedules: 0,
  lives: 0,
  crashes: 0,
  powerLosses: 0,
  checkpoints: 0,
  steps: 0,
}

for (const shape of chaosShapes) {
  test(`${shape.name}: complete, each row once, in order`, async () => {
    const first = firstSeed()
    for (let seed = first; seed < first + SCHEDULES; seed += 1) {
      const report = await simulated(shape, seed)
      const found = await violations(shape, report.disk.files())
      expect(found.slice(0, 10), said(shape, seed, report)).toEqual([])
      add(total, report)
    }
  }, 3_600_000)
}

test('figures', () => {
  figures('simulation', { shapes: chaosShapes.length, ...total })
  expect(total.crashes > 0 && total.powerLosses > 0).toBe(true)
})

test('the same seed gives the same run', async () => {
  for (const shape of chaosShapes) {
    const [first, second] = [await simulated(shape, 1), await simulated(shape, 1)]
    expect(second.history, shape.name).toEqual(first.history)
    expect(second.steps, shape.name).toBe(first.steps)
    expect(second.disk.operations, shape.name).toBe(first.disk.operations)
  }
})

async function simulated(shape: ChaosShape, seed: number): Promise<SimulationReport> {
  const random = seededRandom(seed * 31 + shape.name.length)
  const lives = 2 + random.int(3)
  const options = {
    job: shape.job,
    parameters: shape.parameters,
    parallelisms: Array.from({ length: lives }, () => 1 + random.int(4)),
    seed,
    stepsMax: [250, 600, 1_200][random.int(3)]!,
    stops: random.int(3) === 0,
    faults: random.int(2) === 0,
    workers: 1 + random.int(3),
    ...(random.int(3) === 0 ? { stateCacheMb: 0.02 } : {}),
    ...(shape.prepare === undefined ? {} : { prepare: shape.prepare.bind(shape) }),
  }
  try {
    return await simulateJob(options)
  } catch (error) {
    throw new Error(`${shape.name}, seed ${seed}, ${JSON.stringify(options)}`, { cause: error })
  }
}

function said(shape: ChaosShape, seed: number, { history, summary }: SimulationReport): string {
  return `${shape.name}, seed ${seed}, ${summary.status}\n${history.join('\n')}`
}

function add(counts: Counts, { history, summary, steps }: SimulationReport): void {
  counts.schedules += 1
  counts.lives += history.length + 1
  counts.crashes += history.filter((line) => line.includes('crash')).length
  counts.powerLosses += history.filter((line) => line.includes('power loss')).length
  counts.checkpoints += summary.checkpoints
  counts.steps += steps
}
