import type { FaultSchedule } from '../faults/schedule.ts'
import type { ScheduleRun, SimulateOptions } from './schedule-run.ts'
import type { Golden, Subject } from './subject.ts'
import type { InvariantId, Violation } from './violation.ts'
import { judge, type CloseFacts, type LifeEnd } from './invariants/index.ts'
import { simulateSchedule } from './simulate-schedule.ts'
import { checkSame, goldenOf, publishedBy } from './subject.ts'

/** A run, and what it broke. */
export interface Examined {
  readonly run: ScheduleRun
  readonly violations: readonly Violation[]
}

export interface ExamineOptions {
  /**
   * `quick`: what costs next to nothing. `full`: run once more, each checkpoint restored, and every
   * moment at which the power could fail looked at. Without it one seed in so many is looked at
   * closely, and so is a run that broke something.
   */
  readonly depth?: 'quick' | 'full'
  /** The world made worse, for tests of the invariants. */
  readonly world?: Pick<SimulateOptions, 'doors' | 'processes'>
}

/** How closely a run must be looked at to see whether an invariant holds. */
export function depthFor(invariant: InvariantId): 'quick' | 'full' {
  return invariant === 'I2' || invariant === 'I6' || invariant === 'I13' ? 'full' : 'quick'
}

/** Without a depth, one schedule in so many is looked at closely. */
const CLOSE_EVERY = 50

/** Runs one schedule in simulation and judges it. */
export async function examine(
  subject: Subject,
  golden: Golden,
  schedule: FaultSchedule,
  { depth, world }: ExamineOptions = {},
): Promise<Examined> {
  const options = { ...subject, ...world, schedule, stepsMax: stepsMax(golden) }
  const run = await simulateSchedule(options)
  const facts = { subject, golden, run, published: await publishedBy(run) }
  const violations = await judge(facts)
  const { seed, parallelism, flow } = schedule
  if (violations.length > 0 && flow !== undefined) {
    // A job whose answer depends on the flow of its records breaks no promise.
    const way = { seed, parallelism, flow }
    const { published } = await goldenOf(subject, way)
    await checkSame(subject, golden, { seed, parallelism }, way, published)
  }
  const isClose =
    depth === undefined
      ? violations.length > 0 || schedule.seed % CLOSE_EVERY === 0
      : depth === 'full'
  if (!isClose) return { run, violations }
  const close = await lookedAt(options)
  return { run, violations: await judge({ ...facts, run: withAudits(run, close), close }) }
}

async function lookedAt(options: SimulateOptions): Promise<CloseFacts> {
  const ends: LifeEnd[] = []
  const again = await simulateSchedule({
    ...options,
    auditEvery: 1,
    onLifeEnd: (disk, life) => {
      ends.push({ life, disk: disk.clone() })
      return Promise.resolve()
    },
  })
  return { again, ends }
}

/** The second run has looked at more moments. */
function withAudits(run: ScheduleRun, { again }: CloseFacts): ScheduleRun {
  return { ...run, history: again.history }
}

/** A life that takes many times what the whole job takes without a fault stands still. */
function stepsMax(golden: Golden): number {
  return 20_000 + golden.steps * 20
}
