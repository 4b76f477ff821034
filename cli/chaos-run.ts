import type { Campaign } from '../engine/chaos/campaign.ts'
import type { FaultKind } from '../engine/chaos/actions.ts'
import type { FaultSchedule } from '../engine/chaos/schedule.ts'
import type { RunFlags } from './run-options.ts'
import { StreamError } from '../engine/base/errors.ts'
import { systemClock } from '../engine/base/clock.ts'
import { faultKinds } from '../engine/chaos/actions.ts'
import { runCampaign } from '../engine/chaos/campaign.ts'
import { faultPairs, singleFaults } from '../engine/chaos/exhaust.ts'
import { randomSchedule } from '../engine/chaos/random-schedule.ts'
import { reportCard } from '../engine/chaos/report-card.ts'
import { parseDuration } from '../engine/graph/parameters.ts'
import { nearest } from '../engine/graph/suggest.ts'
import { showFailing } from './chaos-picture.ts'
import { loadSubject, type LoadedSubject } from './chaos-subject.ts'

export interface ChaosFlags extends RunFlags {
  readonly seed?: string
  readonly schedules?: string
  readonly faults?: string
  readonly budget?: string
  readonly picture?: string
  readonly depth?: string
  readonly json?: boolean
}

const SCHEDULES = 1_000
const FAULTS_MAX = 3
const PARALLELISM_MAX = 4

/** `millrace chaos run`: schedules by chance. Exit code 1 when an invariant was broken. */
export async function chaosRunCommand(jobPath: string, flags: ChaosFlags): Promise<number> {
  const seed = positive(flags.seed ?? '1', '--seed')
  const schedules = positive(flags.schedules ?? String(SCHEDULES), '--schedules')
  const kinds = kindsOf(flags.faults)
  const loaded = await loadSubject(jobPath, flags)
  const { golden } = loaded
  const parallelismMax = Math.max(PARALLELISM_MAX, loaded.parallelism)
  const options = { golden, kinds, parallelismMax, faultsMax: FAULTS_MAX }
  function* byChance(): Generator<FaultSchedule> {
    for (let index = 0; index < schedules; index += 1) yield randomSchedule(seed + index, options)
  }
  return await campaignOf(loaded, flags, byChance(), schedules)
}

/** `millrace chaos exhaust`: every single fault, or every pair. */
export async function chaosExhaustCommand(jobPath: string, flags: ChaosFlags): Promise<number> {
  const depth = flags.depth ?? '1'
  if (depth !== '1' && depth !== '2') {
    throw new StreamError('USAGE', `--depth ${depth} is not known`, {
      hint: '1: every single fault. 2: every fault, with every second one while it is recovered from.',
    })
  }
  const kinds = kindsOf(flags.faults)
  const loaded = await loadSubject(jobPath, flags)
  const { subject, golden, parallelism } = loaded
  const options = { seed: positive(flags.seed ?? '1', '--seed'), parallelism, kinds }
  const schedules =
    depth === '1' ? singleFaults(golden, options) : faultPairs(subject, golden, options)
  return await campaignOf(loaded, flags, schedules, undefined)
}

async function campaignOf(
  loaded: LoadedSubject,
  flags: ChaosFlags,
  schedules: Iterable<FaultSchedule> | AsyncIterable<FaultSchedule>,
  count: number | undefined,
): Promise<number> {
  const { subject, golden } = loaded
  const campaign = await runCampaign({
    subject,
    golden,
    schedules,
    clock: systemClock,
    ...(flags.budget === undefined ? {} : { budgetMs: budgetOf(flags.budget) }),
    onProgress: (soFar) => {
      tellProgress(soFar, count)
    },
  })
  endProgress()
  process.stdout.write(`${reportCard(campaign, golden)}\n`)
  await showFailing(subject.name, campaign.failing, flags.picture)
  return campaign.failing.length === 0 ? 0 : 1
}

function tellProgress(campaign: Campaign, count: number | undefined): void {
  if (!process.stderr.isTTY) return
  const of = count === undefined ? '' : ` of ${count}`
  process.stderr.write(
    `\r\u001b[K${campaign.schedules}${of} schedules, ${campaign.lives} lives, ${campaign.failing.length} failing`,
  )
}

function endProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
}

function kindsOf(given: string | undefined): readonly FaultKind[] {
  const known = Object.keys(faultKinds) as FaultKind[]
  if (given === undefined) return known
  return given.split(',').map((name) => {
    const kind = known.find((one) => one === name.trim())
    if (kind !== undefined) return kind
    const near = nearest(name, known)
    throw new StreamError('USAGE', `there is no kind of fault "${name}"`, {
      hint: near === undefined ? `There are ${known.join(', ')}.` : `Did you mean "${near}"?`,
    })
  })
}

function budgetOf(text: string): number {
  const ms = parseDuration(text)
  if (ms !== undefined && ms > 0) return ms
  throw new StreamError('USAGE', `--budget ${text} is no duration`, {
    hint: 'Give one such as 30s or 5m.',
  })
}

function positive(text: string, flag: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new StreamError('USAGE', `${flag} ${text} is no whole number above 0`, {
    hint: 'Give a number such as 42.',
  })
}
