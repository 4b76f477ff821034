import { resolve } from 'node:path'
import type { Files } from '../../engine/base/files.ts'
import type { ChaosMode } from '../../engine/chaos/actions.ts'
import type { Golden, Published, Subject } from '../../engine/chaos/subject.ts'
import type { FaultSchedule } from '../../engine/faults/schedule.ts'
import type { Violation } from '../../engine/chaos/violation.ts'
import type { StreamGraph } from '../../engine/graph/stream-graph.ts'
import type { RunFlags } from '../run-options.ts'
import type { Search } from './watch.ts'
import { StreamError } from '../../engine/base/errors.ts'
import { systemClock } from '../../engine/base/clock.ts'
import { systemFiles } from '../../engine/base/files.ts'
import { randomSchedule } from '../../engine/chaos/random-schedule.ts'
import { firstDifference } from '../../engine/chaos/row-difference.ts'
import { publishedIn, reachedIn } from '../../engine/chaos/subject.ts'
import { DEADLINE_MS, runInProcesses, runInThreads, type RealRun } from './process.ts'
import { brokenInPassing } from './judge.ts'
import { BUNDLES } from './failure.ts'
import { keepRealFailure, pictureOfReal, type RealFailureOptions } from './real-failure.ts'
import { outputsOf, removeSandbox } from './sandbox.ts'
import { checkpointsIn, earlyIn, StruckTally } from './real-tally.ts'
import { EXIT_CUT } from './watch.ts'
import { loadJobFile } from './subject.ts'

/** A search with real processes or threads, and what decides its schedules. */
export interface RealCampaign {
  readonly mode: Exclude<ChaosMode, 'sim'>
  readonly seed: number
  readonly schedules: number
  readonly budgetMs: number
  readonly search: Search
  readonly scheduleOptions: (golden: Golden) => Parameters<typeof randomSchedule>[1]
}

const FAILURES_MAX = 3

/**
 * Runs the job as it is, with real workers, LevelDB and files, in a folder of its own, under
 * schedules by chance, compares what it publishes with a run without faults, and looks at what each
 * run leaves: ids, checkpoints, files, what it said. Exit code 1 when something is broken, 124 when
 * time was up before anything was tried. A run that the budget cuts off is not counted.
 */
export async function realCampaign(
  jobPath: string,
  flags: RunFlags & { readonly out?: string; readonly picture?: string },
  campaign: RealCampaign,
): Promise<number> {
  const { mode, seed, schedules, budgetMs, search } = campaign
  const { signal } = search
  const isEnded = (): boolean => signal.aborted
  // A run without a fault is ended from here, with its processes and its folder.
  search.doing('searching', 'a run without a fault')
  const loaded = await loadJobFile(jobPath, flags)
  const { subject, graph, parallelism, set } = loaded
  checkEnds(graph)
  // The job is the same in every run: it is bundled and planned for this once.
  const outputs = await outputsOf(jobPath, { set })
  const run = (schedule: FaultSchedule, leftMs: number): Promise<RealRun> => {
    const deadlineMs = Math.min(DEADLINE_MS, leftMs)
    return realRunOf(mode)(jobPath, schedule, { set, outputs, deadlineMs, signal })
  }
  const faultless = await run({ seed, parallelism, faults: [] }, budgetMs)
  if (isEnded()) {
    removeSandbox(faultless.sandbox)
    return EXIT_CUT
  }
  const golden = await goldenOf(subject, faultless)
  const options = { ...campaign.scheduleOptions(golden), early: earlyIn(faultless.trace) }
  const startedMs = systemClock.monotonicMs()
  const leftMs = (): number => startedMs + budgetMs - systemClock.monotonicMs()
  const tally = { schedules: 0, failing: 0 }
  const struck = new StruckTally()
  for (let index = 0; index < schedules && tally.failing < FAILURES_MAX; index += 1) {
    const schedule = randomSchedule(seed + index, options)
    search.doing('searching', `seed ${schedule.seed}`)
    const real = await run(schedule, Math.max(0, leftMs()))
    if (real.exitCode === undefined && (isEnded() || leftMs() <= 0)) {
      removeSandbox(real.sandbox)
      break
    }
    tally.schedules += 1
    struck.add(real)
    const found = await brokenBy(subject, golden, real)
    if (found.length === 0) {
      removeSandbox(real.sandbox)
      continue
    }
    tally.failing += 1
    const text = await keepRealFailure(loaded, real, found, {
      jobPath,
      folder: flags.out ?? BUNDLES,
      color: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
      ...(flags.picture === undefined ? {} : { picture: flags.picture }),
    })
    process.stdout.write(`${text}\n\n`)
  }
  const seconds = ((systemClock.monotonicMs() - startedMs) / 1_000).toFixed(1)
  process.stdout.write(
    [
      `mode        ${mode}`,
      `schedules   ${tally.schedules} of ${schedules} in ${seconds} s`,
      ...(tally.schedules === schedules ? [] : [`ended       ${endWords(tally.failing, signal)}`]),
      ...struck.rows().map(([name, text]) => `${name.padEnd(11)} ${text}`),
      `violations  ${violationsOf(tally)}`,
      '',
    ].join('\n'),
  )
  if (tally.failing > 0) return 1
  return tally.schedules === 0 ? EXIT_CUT : 0
}

function endWords(failing: number, { aborted }: AbortSignal): string {
  if (aborted) return 'by a signal'
  return failing >= FAILURES_MAX ? `after ${failing} failures` : 'by its budget'
}

function violationsOf({ schedules, failing }: Record<'schedules' | 'failing', number>): string {
  if (schedules === 0) return 'nothing was tried'
  return failing === 0 ? 'none' : `in ${failing} schedules`
}

/** A real run is waited for: for one that cannot end, long. */
function checkEnds({ nodes }: StreamGraph): void {
  for (const { uid, name, runtime } of nodes) {
    if (runtime.type !== 'source' || runtime.source.bounded) continue
    throw new StreamError('CHAOS_UNFIT', `source "${uid ?? name}" never ends`, {
      hint: 'Give it an end (records, untilMs, `to`) while it is tried.',
    })
  }
}

/**
 * A bundle of a real run, for real once more: the same schedule, though no two real runs take the
 * same steps. What it breaks is kept as a bundle of its own below `folder`.
 */
export async function realReplay(
  jobPath: string,
  flags: RunFlags,
  { mode, schedule }: Pick<RealCampaign, 'mode'> & { readonly schedule: FaultSchedule },
  options: Omit<RealFailureOptions, 'jobPath'>,
  { signal }: Search,
): Promise<number> {
  const isEnded = (): boolean => signal.aborted
  const loaded = await loadJobFile(jobPath, flags)
  const { subject, set } = loaded
  const outputs = await outputsOf(jobPath, { set })
  const run = (one: FaultSchedule): Promise<RealRun> =>
    realRunOf(mode)(jobPath, one, { set, outputs, signal })
  const faultless = await run({ ...schedule, faults: [] })
  if (isEnded()) {
    removeSandbox(faultless.sandbox)
    return EXIT_CUT
  }
  const golden = await goldenOf(subject, faultless)
  const real = await run(schedule)
  if (isEnded()) {
    removeSandbox(real.sandbox)
    return EXIT_CUT
  }
  const found = await brokenBy(subject, golden, real)
  if (found.length > 0) {
    const text = await keepRealFailure(loaded, real, found, { ...options, jobPath })
    process.stdout.write(`${text}\n`)
    return 1
  }
  const { terminal } = pictureOfReal(subject.name, real, [], options.color)
  removeSandbox(real.sandbox)
  process.stdout.write(`${terminal}\n\nnothing was broken\n`)
  return 0
}

function realRunOf(mode: RealCampaign['mode']): typeof runInProcesses {
  return mode === 'process' ? runInProcesses : runInThreads
}

async function goldenOf(subject: Subject, run: RealRun): Promise<Golden> {
  const published = run.exitCode === 0 ? await publishedOf(subject, run) : {}
  removeSandbox(run.sandbox)
  if (run.exitCode === undefined) {
    throw new StreamError(
      'CHAOS_UNFIT',
      `"${subject.name}" did not come to its end in time, without a fault`,
      { hint: `Give it a smaller input, or a longer --budget; ${DEADLINE_MS / 1_000} s are most.` },
    )
  }
  if (run.exitCode !== 0) {
    throw new StreamError('CHAOS_UNFIT', `"${subject.name}" fails without a fault`, {
      hint: `Fix this first. The run said: ${run.stderr.trim().split('\n').at(-1) ?? 'nothing'}`,
    })
  }
  const [reached, checkpoints] = [reachedIn(run.trace), checkpointsIn(run.trace)]
  return { published, reached, checkpoints, steps: 0, durationMs: 0 }
}

/** I11 and I1, and what else a run shows that came to its end. */
async function brokenBy(
  subject: Subject,
  golden: Golden,
  run: RealRun,
): Promise<readonly Violation[]> {
  if (run.exitCode !== 0) {
    const how = run.exitCode === undefined ? 'it was stuck' : `exit code ${run.exitCode}`
    return [{ invariant: 'I11', what: `the job did not come to its end: ${how}` }]
  }
  const published = await publishedOf(subject, run)
  const wrong = Object.entries(golden.published).flatMap(([uid, expected]): Violation[] => {
    const difference = firstDifference(expected, published[uid] ?? [])
    return difference === undefined
      ? []
      : [{ invariant: 'I1', what: `sink "${uid}": ${difference}` }]
  })
  return [...wrong, ...(await brokenInPassing(run))]
}

function publishedOf(subject: Subject, { sandbox }: RealRun): Promise<Published> {
  return publishedIn(subject, filesBelow(sandbox.cwd))
}

/** The disk as a process sees it whose current directory is that one. */
function filesBelow(directory: string): Files {
  const at = (path: string): string => resolve(directory, path)
  return {
    ...systemFiles,
    open: (path, mode) => systemFiles.open(at(path), mode),
    list: (path) => systemFiles.list(at(path)),
    stat: (path) => systemFiles.stat(at(path)),
  }
}
