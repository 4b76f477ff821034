import type { Campaign } from '../engine/chaos/campaign.ts'
import type { ChaosMode, FaultKind } from '../engine/chaos/actions.ts'
import type { FaultSchedule } from '../engine/faults/schedule.ts'
import { StreamError } from '../engine/base/errors.ts'
import { systemClock } from '../engine/base/clock.ts'
import { faultKinds } from '../engine/chaos/actions.ts'
import { runCampaign } from '../engine/chaos/campaign.ts'
import { faultPairs, singleFaults } from '../engine/chaos/exhaust.ts'
import { randomSchedule, type RandomScheduleOptions } from '../engine/chaos/random-schedule.ts'
import { rareStates } from '../engine/chaos/rare-states.ts'
import { rareSchedules } from '../engine/chaos/rare-schedules.ts'
import { isMuchLike, reportCard } from '../engine/chaos/report-card.ts'
import { parseDuration } from '../engine/graph/parameters.ts'
import { nearest } from '../engine/graph/suggest.ts'
import { BUNDLES, keepFailure } from './chaos-failure.ts'
import { realCampaign } from './chaos-real.ts'
import { loadSubject, type LoadedSubject, type SubjectFlags } from './chaos-subject.ts'

export interface ChaosFlags extends SubjectFlags {
  readonly seed?: string
  readonly schedules?: string
  readonly faults?: string
  readonly budget?: string
  readonly picture?: string
  readonly strict?: boolean
  readonly depth?: string
  readonly mode?: string
  readonly out?: string
  /** `--no-shrink` */
  readonly shrink: boolean
}

const SCHEDULES = 1_000
/** A search that is large enough begins with schedules that are made to be seldom ones. */
const LED_FROM = 100
/** A real run takes seconds. */
const REAL_SCHEDULES = 20
const SHRINK_BUDGET = 200
const FAULTS_MAX = 3
const PARALLELISM_MAX = 4

/** `millrace chaos run`: schedules by chance. Exit code 1 when an invariant was broken. */
export async function chaosRunCommand(jobPath: string, flags: ChaosFlags): Promise<number> {
  const seed = positive(flags.seed ?? '1', '--seed')
  const schedules = positive(flags.schedules ?? String(SCHEDULES), '--schedules')
  kindsOf(flags.faults)
  const mode = modeOf(flags.mode)
  if (mode !== 'sim') {
    warnOfEffects()
    return await realCampaign(jobPath, flags, {
      mode,
      seed,
      schedules: flags.schedules === undefined ? REAL_SCHEDULES : schedules,
      budgetMs: flags.budget === undefined ? Infinity : budgetOf(flags.budget),
      scheduleOptions: (golden) => ({
        ...randomOptions({ golden, parallelism: PARALLELISM_MAX }, flags),
        mode,
      }),
    })
  }
  warnOfEffects()
  const loaded = await loadSubject(jobPath, flags)
  const options = randomOptions(loaded, flags)
  function* byChance(): Generator<FaultSchedule> {
    if (schedules >= LED_FROM) yield* led(loaded, seed)
    for (let index = 0; index < schedules; index += 1) yield randomSchedule(seed + index, options)
  }
  return await campaignOf(jobPath, loaded, flags, byChance(), schedules)
}

/** To the states that chance seldom comes to. */
function* led(
  { subject, graph, parallelism }: LoadedSubject,
  seed: number,
): Generator<FaultSchedule> {
  const { timeoutMs } = { ...graph.settings.checkpointing, ...subject.checkpointing }
  for (const faults of Object.values(rareSchedules({ timeoutMs }))) {
    yield { seed, parallelism, faults }
  }
}

/** What decides a schedule besides its seed. */
export function randomOptions(
  { golden, parallelism }: Pick<LoadedSubject, 'golden' | 'parallelism'>,
  { faults }: Pick<ChaosFlags, 'faults'>,
): RandomScheduleOptions {
  const parallelismMax = Math.max(PARALLELISM_MAX, parallelism)
  return { golden, kinds: kindsOf(faults), parallelismMax, faultsMax: FAULTS_MAX }
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
  warnOfEffects()
  const loaded = await loadSubject(jobPath, flags)
  const { subject, golden, parallelism } = loaded
  const options = { seed: positive(flags.seed ?? '1', '--seed'), parallelism, kinds }
  const schedules =
    depth === '1' ? singleFaults(golden, options) : faultPairs(subject, golden, options)
  return await campaignOf(jobPath, loaded, flags, schedules, undefined)
}

async function campaignOf(
  jobPath: string,
  loaded: LoadedSubject,
  flags: ChaosFlags,
  schedules: Iterable<FaultSchedule> | AsyncIterable<FaultSchedule>,
  count: number | undefined,
): Promise<number> {
  const { subject, golden, told } = loaded
  for (const line of told) process.stdout.write(`input       ${line}\n`)
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
  for (const [index, failing] of campaign.failing.entries()) {
    const text = await keepFailure(loaded, failing, {
      jobPath,
      folder: flags.out ?? BUNDLES,
      shrinkBudget: flags.shrink ? SHRINK_BUDGET : 0,
      color: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
      ...(flags.picture === undefined ? {} : { picture: pathOfPicture(flags.picture, index) }),
      isBrief: isMuchLike(failing, campaign.failing.slice(0, index)),
    })
    process.stdout.write(`\n${text}\n`)
  }
  const missesRare = campaign.rare.size < Object.keys(rareStates).length
  return campaign.failing.length > 0 || (flags.strict === true && missesRare) ? 1 : 0
}

/** `out.svg`, `out-2.svg`, … */
function pathOfPicture(path: string, index: number): string {
  return index === 0 ? path : path.replace(/(\.svg)?$/, `-${index + 1}$1`)
}

/** Before the first record: who did not expect it can still end it. */
function warnOfEffects(): void {
  process.stderr.write(
    'the functions of the job are really called, again and again: what they do besides emitting is done\n',
  )
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

function modeOf(given: string | undefined): ChaosMode {
  const modes = ['sim', 'threads', 'process'] as const
  const mode = modes.find((one) => one === (given ?? 'sim'))
  if (mode !== undefined) return mode
  throw new StreamError('USAGE', `there is no mode "${given}"`, {
    hint: 'sim: in one thread, over a simulated disk. threads and process: the real thing.',
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
