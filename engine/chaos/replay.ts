import type { TraceEvent } from '../faults/trace.ts'
import type { ChaosBundle } from './bundle.ts'
import type { Examined } from './examine.ts'
import type { Golden, Subject } from './subject.ts'
import { jobDefinition } from '../graph/job-definition.ts'
import { examine } from './examine.ts'
import { resized } from './shrink.ts'
import { goldenRun } from './subject.ts'

/** A bundle's schedule, run again. */
export interface Replay {
  readonly subject: Subject
  readonly golden: Golden
  readonly examined: Examined
  /** Step for step what the bundle tells. */
  readonly isSame: boolean
  /** What is not as it was when the bundle was made: the job, a version. */
  readonly changes: readonly string[]
  /** Where the run first differs from what the bundle tells. */
  readonly difference?: string
}

export interface ReplayOptions {
  /** Of the bundled script as it is now. */
  readonly jobHash?: string
  /** Version of this package. */
  readonly millrace?: string
}

/** Runs the schedule of a bundle on a job: in simulation, whatever the mode it comes from. */
export async function replayBundle(
  subject: Subject,
  bundle: ChaosBundle,
  options: ReplayOptions = {},
): Promise<Replay> {
  const { settings, recordsMax, schedule, goldenSteps } = bundle
  const { name, job, parameters, prepare, orders, recorded } = subject
  const whole = {
    ...{ name, job, parameters, ...settings },
    ...(prepare === undefined ? {} : { prepare }),
    ...(orders === undefined ? {} : { orders }),
    ...(recorded === undefined ? {} : { recorded }),
  }
  const sized = resized(whole, recordsMax)
  const golden = {
    ...(await goldenRun(sized, schedule.parallelism)),
    ...(bundle.mode === 'sim' ? { steps: goldenSteps } : {}),
  }
  const examined = await examine(sized, golden, schedule)
  const difference = firstDifference(bundle.trace, examined.run.trace)
  return {
    subject: sized,
    golden,
    examined,
    isSame: examined.run.hash === bundle.hash,
    changes: changesSince(bundle, subject, options),
    ...(difference === undefined ? {} : { difference }),
  }
}

function changesSince(
  { job, mode, versions }: ChaosBundle,
  subject: Subject,
  { jobHash, millrace }: ReplayOptions,
): readonly string[] {
  const changes: string[] = []
  const { name } = jobDefinition(subject.job)
  if (name !== job.name) changes.push(`the job is "${name}", it was "${job.name}"`)
  else if (jobHash !== undefined && job.hash !== undefined && jobHash !== job.hash) {
    changes.push('the job has changed since')
  }
  if (mode !== 'sim') changes.push(`the run was in mode "${mode}", this is a simulation`)
  if (millrace !== undefined && millrace !== versions.millrace) {
    changes.push(`this is millrace ${millrace}, it was ${versions.millrace}`)
  }
  return changes
}

function firstDifference(
  before: readonly TraceEvent[],
  now: readonly TraceEvent[],
): string | undefined {
  for (let index = 0; index < Math.max(before.length, now.length); index += 1) {
    const [was, is] = [before[index], now[index]].map(toText)
    if (was !== is) return `event ${index + 1} was ${was!}, is ${is!}`
  }
  return undefined
}

/** As `traceHash` sees it. */
function toText(event: TraceEvent | undefined): string {
  if (event === undefined) return 'none'
  const { step, atMs, life, point, place, fault } = event
  const struck = fault === undefined ? '' : ` ✖ ${JSON.stringify(fault)}`
  return `${point} ${JSON.stringify(place)} at step ${step}, ${atMs} ms, life ${life}${struck}`
}
