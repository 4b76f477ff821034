import type { FaultSchedule } from '../faults/schedule.ts'
import type { Campaign } from './campaign.ts'
import type { Examined } from './examine.ts'
import type { Golden } from './subject.ts'
import type { RareState } from './rare-states.ts'
import type { InvariantId, Violation } from './violation.ts'
import { describeFaults } from '../faults/schedule.ts'
import { rareStates } from './rare-states.ts'
import { diagnosisOf, invariants } from './violation.ts'

export interface ReportOptions {
  /** How many schedules there are; undefined: not known. */
  readonly total?: number | undefined
  /** How people call a schedule; without it, by its seed. */
  readonly nameOf?: (schedule: FaultSchedule) => string
  /** Which points and rare states were not come to: for those who search for it. */
  readonly isStrict?: boolean
}

/** What came of a campaign, for people; every figure is of this campaign. */
export function reportCard(
  campaign: Campaign,
  golden: Golden,
  options: ReportOptions = {},
): string {
  const { schedules, lives, idle, checkpoints, elapsedMs, failing } = campaign
  const { total, nameOf = ({ seed }) => `seed ${seed}`, isStrict = true } = options
  const each = schedules === 0 ? 0 : elapsedMs / schedules
  const of = total === undefined || total === schedules ? '' : ` of ${total}`
  const ended = endWords(campaign, total)
  const rows: readonly (readonly [string, string])[] = [
    ['schedules', `${schedules}${of} in ${seconds(elapsedMs)} s, ${each.toFixed(1)} ms each`],
    ...(ended === undefined ? [] : [['ended', ended] as const]),
    ['lives', `${lives}, with ${checkpoints} complete checkpoints`],
    ['faults', faultsOf(campaign) + (idle === 0 ? '' : `; none struck in ${idle} schedules`)],
    ['points', pointsOf(campaign, golden, isStrict)],
    ['rare states', rareOf(campaign, isStrict)],
    ['recovery', recoveryOf(campaign)],
    ['violations', violationsOf(campaign)],
  ]
  const lines = rows.map(([name, text]) => `${name.padEnd(11)} ${text}`)
  for (const [index, examined] of failing.entries()) {
    const { violations } = examined
    const { schedule } = examined.run
    const faults = describeFaults(schedule)
    const head = `${nameOf(schedule)}, parallelism ${schedule.parallelism}: ${faults}`
    const like = failing.slice(0, index).find((earlier) => isMuchLike(examined, [earlier]))
    if (like === undefined) lines.push('', head, ...violationLines(violations))
    else lines.push('', head, `  breaks the same invariants as ${nameOf(like.run.schedule)}`)
  }
  return lines.join('\n')
}

/** Whether an earlier one broke the same invariants: one of them is looked at first. */
export function isMuchLike({ violations }: Examined, earlier: readonly Examined[]): boolean {
  const broken = (all: readonly Violation[]): string =>
    [...new Set(all.map(({ invariant }) => invariant))].sort().join()
  return earlier.some((one) => broken(one.violations) === broken(violations))
}

/** Undefined where all was tried. */
function endWords(
  { endedBy, schedules, failing }: Campaign,
  total: number | undefined,
): string | undefined {
  if (endedBy === 'all' || endedBy === 'running') return undefined
  const left = total === undefined ? 'the rest was' : `${total - schedules} schedules were`
  const why = {
    budget: 'by its budget',
    failures: `after ${failing.length} failures`,
    signal: 'by a signal',
  }[endedBy]
  return `${why}: ${left} not tried`
}

function violationsOf({ failing, endedBy, schedules }: Campaign): string {
  if (failing.length > 0) return `in ${failing.length} schedules`
  if (endedBy === 'running') return 'none so far'
  if (schedules === 0) return 'nothing was tried'
  return endedBy === 'all' ? 'none' : 'none in what was tried'
}

/** What was broken, one line for people and one that was found; of each invariant the first. */
export function violationLines(violations: readonly Violation[]): readonly string[] {
  const lines: string[] = []
  const counts = new Map<InvariantId, number>()
  for (const { invariant } of violations) {
    counts.set(invariant, (counts.get(invariant) ?? 0) + 1)
  }
  for (const [invariant, count] of counts) {
    const { what } = violations.find((one) => one.invariant === invariant)!
    const more = count === 1 ? '' : ` (and ${count - 1} more)`
    lines.push(`  ${invariant} ${invariants[invariant]}`, `     ${what}${more}`)
  }
  const diagnosis = diagnosisOf(violations)
  if (diagnosis !== undefined) lines.push(`  → ${diagnosis}`)
  return lines
}

function faultsOf({ faults }: Campaign): string {
  if (faults.size === 0) return 'none'
  const byCount = [...faults].sort(([, left], [, right]) => right - left)
  return byCount.map(([type, count]) => `${count} ${type}`).join(', ')
}

function pointsOf({ reached, struck }: Campaign, golden: Golden, isStrict: boolean): string {
  const missed = [...golden.reached.keys()].filter((point) => !struck.has(point))
  const text = `${reached.size} reached, ${struck.size} struck`
  if (missed.length === 0 || !isStrict) return text
  const shown = missed.slice(0, MISSED_SHOWN).join(', ')
  const more = missed.length > MISSED_SHOWN ? `, and ${missed.length - MISSED_SHOWN} more` : ''
  return `${text}; no fault struck at ${shown}${more}`
}

const MISSED_SHOWN = 5

function rareOf({ rare }: Campaign, isStrict: boolean): string {
  const all = Object.keys(rareStates) as RareState[]
  const missed = all.filter((state) => !rare.has(state))
  const text = `${rare.size} of ${all.length} reached`
  return missed.length === 0 || !isStrict ? text : `${text}; not ${missed.join(', ')}`
}

function recoveryOf({ recoveryMs }: Campaign): string {
  if (recoveryMs.length === 0) return 'never needed'
  const sorted = [...recoveryMs].sort((left, right) => left - right)
  const at = (part: number): number => sorted[Math.floor((sorted.length - 1) * part)]!
  return `${sorted.length} times; p50 ${ms(at(0.5))}, p99 ${ms(at(0.99))}, at most ${ms(at(1))} (simulated time)`
}

function ms(value: number): string {
  return `${Math.round(value)} ms`
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1)
}
