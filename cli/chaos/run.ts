import type { Campaign } from '../../engine/chaos/campaign.ts'
import type { FaultSchedule } from '../../engine/faults/schedule.ts'
import type { Search } from './watch.ts'
import { StreamError } from '../../engine/base/errors.ts'
import { systemClock } from '../../engine/base/clock.ts'
import { runCampaign } from '../../engine/chaos/campaign.ts'
import { faultPairs, singleFaults } from '../../engine/chaos/exhaust.ts'
import { type RandomScheduleOptions } from '../../engine/chaos/random-schedule.ts'
import { rareStates } from '../../engine/chaos/rare-states.ts'
import { isMuchLike, reportCard } from '../../engine/chaos/report-card.ts'
import { describeFaults } from '../../engine/faults/schedule.ts'
import { BUNDLES, keepFailure } from './failure.ts'
import { budgetOf, checkPlaces, kindsOf, modeOf, positive, type ChaosFlags } from './flags.ts'
import { realCampaign } from './real.ts'
import { byChance, faultsNamed, nameOf } from './schedules.ts'
import { loadSubject, type LoadedSubject } from './subject.ts'
import { EXIT_CUT, watched } from './watch.ts'

const SCHEDULES = 1_000
/** A real run takes seconds. */
const REAL_SCHEDULES = 20
const SHRINK_BUDGET = 200
const FAULTS_MAX = 3
const PARALLELISM_MAX = 4

/** `millrace chaos run`: schedules by chance. Exit code 1 when an invariant was broken. */
export async function chaosRunCommand(jobPath: string, flags: ChaosFlags): Promise<number> {
  const seed = positive(flags.seed ?? '1', '--seed')
  const count = positive(flags.schedules ?? String(SCHEDULES), '--schedules')
  kindsOf(flags.faults)
  const mode = modeOf(flags.mode)
  const budgetMs = budgetOf(flags)
  await checkPlaces(flags)
  if (mode !== 'sim') {
    const schedules = flags.schedules === undefined ? REAL_SCHEDULES : count
    return await watched(budgetMs, async (search) => {
      warnOfEffects()
      return await realCampaign(jobPath, flags, {
        ...{ mode, seed, schedules, budgetMs, search },
        scheduleOptions: (golden) => ({
          ...randomOptions({ golden, parallelism: PARALLELISM_MAX }, flags),
          mode,
        }),
      })
    })
  }
  return await watched(budgetMs, async (search) => {
    search.doing('judging', 'the job runs without a fault')
    warnOfEffects()
    const loaded = await loadSubject(jobPath, flags)
    const { total, schedules } = byChance(loaded, randomOptions(loaded, flags), { seed, count })
    const campaign = await campaignOf(jobPath, loaded, flags, search, {
      schedules,
      total: () => total,
    })
    if (campaign.failing.length > 0) return 1
    if (campaign.schedules === 0) return EXIT_CUT
    return flags.strict === true ? strictly(campaign) : 0
  })
}

/** What decides a schedule besides its seed. */
export function randomOptions(
  { golden, parallelism }: Pick<LoadedSubject, 'golden' | 'parallelism'>,
  { faults }: Pick<ChaosFlags, 'faults'>,
): RandomScheduleOptions {
  const parallelismMax = Math.max(PARALLELISM_MAX, parallelism)
  return { golden, kinds: kindsOf(faults), parallelismMax, faultsMax: FAULTS_MAX }
}

/**
 * `millrace chaos exhaust`: every single fault, or every pair. Exit code 1 when an invariant was
 * broken, 124 when nothing was and yet not all was tried.
 */
export async function chaosExhaustCommand(jobPath: string, flags: ChaosFlags): Promise<number> {
  const depth = flags.depth ?? '1'
  if (depth !== '1' && depth !== '2') {
    throw new StreamError('USAGE', `--depth ${depth} is not known`, {
      hint: '1 tries every single fault. 2 also tries every second fault during the recovery from the first.',
    })
  }
  const kinds = kindsOf(flags.faults)
  const seed = positive(flags.seed ?? '1', '--seed')
  await checkPlaces(flags)
  return await watched(budgetOf(flags), async (search) => {
    search.doing('judging', 'the job runs without a fault')
    warnOfEffects()
    const loaded = await loadSubject(jobPath, flags)
    const { subject, golden, parallelism } = loaded
    const options = { seed, parallelism, kinds }
    const singles = depth === '1' ? singleFaults(golden, options) : undefined
    const pairs = faultPairs(subject, golden, options)
    const campaign = await campaignOf(jobPath, loaded, flags, search, {
      schedules: faultsNamed(singles ?? pairs),
      total: () => (singles === undefined ? pairs.total : singles.length),
    })
    if (campaign.failing.length > 0) return 1
    if (campaign.endedBy !== 'all') return EXIT_CUT
    return flags.strict === true ? strictly(campaign) : 0
  })
}

interface Schedules {
  readonly schedules: Iterable<FaultSchedule> | AsyncIterable<FaultSchedule>
  /** How many there are, once it is known. */
  readonly total: () => number | undefined
}

async function campaignOf(
  jobPath: string,
  loaded: LoadedSubject,
  flags: ChaosFlags,
  search: Search,
  { schedules, total }: Schedules,
): Promise<Campaign> {
  const { subject, golden, told: read } = loaded
  for (const line of read) process.stdout.write(`input       ${line}\n`)
  const untilMs = systemClock.monotonicMs() + budgetOf(flags)
  const told = new Progress()
  const reportOf = (campaign: Campaign): string =>
    reportCard(campaign, golden, {
      total: total(),
      nameOf: (schedule) => nameOf(schedule).words,
      isStrict: flags.strict === true,
    })
  const campaign = await runCampaign({
    subject,
    golden,
    schedules,
    clock: systemClock,
    budgetMs: budgetOf(flags),
    signal: search.signal,
    onSchedule: (schedule, soFar) => {
      const isTime = told.isTime()
      search.doing('searching', wordsOf(schedule), isTime ? reportOf(soFar) : undefined)
      if (isTime) told.tell(soFar, total())
    },
  })
  told.end()
  process.stdout.write(`${reportOf(campaign)}\n`)
  for (const [index, failing] of campaign.failing.entries()) {
    const { schedule } = failing.run
    search.doing('searching', `shrinking ${wordsOf(schedule)}`, '')
    const isOver = (): boolean => search.signal.aborted || systemClock.monotonicMs() >= untilMs
    const text = await keepFailure(loaded, failing, {
      jobPath,
      folder: flags.out ?? BUNDLES,
      name: `${subject.name}-${nameOf(schedule).slug}`,
      shrinkBudget: flags.shrink ? SHRINK_BUDGET : 0,
      isOver,
      color: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
      ...(flags.picture === undefined ? {} : { picture: pathOfPicture(flags.picture, index) }),
      isBrief: isMuchLike(failing, campaign.failing.slice(0, index)),
    })
    const which = `failure ${index + 1} of ${campaign.failing.length}`
    process.stdout.write(`\n${which}: ${wordsOf(schedule)}\n${text}\n`)
  }
  return campaign
}

function wordsOf(schedule: FaultSchedule): string {
  const { parallelism } = schedule
  const what = describeFaults(schedule)
  return `${nameOf(schedule).words}, parallelism ${parallelism}: ${what}`
}

/** Says what `--strict` misses; 1 when it misses something. */
function strictly({ rare }: Campaign): number {
  const missed = Object.keys(rareStates).length - rare.size
  if (missed === 0) return 0
  process.stdout.write(
    `strict      ${missed} rare states were not reached, so --strict ends with 1\n`,
  )
  return 1
}

/** `out.svg`, `out-2.svg`, … */
function pathOfPicture(path: string, index: number): string {
  return index === 0 ? path : path.replace(/(\.svg)?$/, `-${index + 1}$1`)
}

/** Before the first record: who did not expect it can still end it. */
function warnOfEffects(): void {
  process.stderr.write(
    'chaos calls the functions of your job for real, many times: if one sends a request or writes a file, that happens each time\n',
  )
}

/** Progress is told so often. */
const PROGRESS_MS = 500

class Progress {
  #toldMs = -Infinity

  isTime(): boolean {
    const nowMs = systemClock.monotonicMs()
    if (nowMs - this.#toldMs < PROGRESS_MS) return false
    this.#toldMs = nowMs
    return true
  }

  tell(campaign: Campaign, total: number | undefined): void {
    if (!process.stderr.isTTY) return
    const of = total === undefined ? '' : ` of ${total}`
    process.stderr.write(
      `\r\u001b[K${campaign.schedules}${of} schedules, ${campaign.lives} lives, ${campaign.failing.length} failing`,
    )
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  }
}
