import type { FaultSchedule } from './schedule.ts'
import type { ScheduleRun } from './schedule-run.ts'
import type { Golden, Subject } from './subject.ts'
import type { Violation } from './violation.ts'
import { judge } from './invariants/index.ts'
import { simulateSchedule } from './simulate-schedule.ts'
import { publishedBy } from './subject.ts'

/** A run, and what it broke. */
export interface Examined {
  readonly run: ScheduleRun
  readonly violations: readonly Violation[]
}

/** Runs one schedule in simulation and judges it. */
export async function examine(
  subject: Subject,
  golden: Golden,
  schedule: FaultSchedule,
): Promise<Examined> {
  const run = await simulateSchedule({ ...subject, schedule, stepsMax: stepsMax(golden) })
  const published = await publishedBy(subject, run.disk)
  return { run, violations: await judge({ subject, golden, run, published }) }
}

/** A life that takes many times what the whole job takes without a fault stands still. */
function stepsMax(golden: Golden): number {
  return 20_000 + golden.steps * 20
}
