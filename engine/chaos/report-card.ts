import type { Campaign } from './campaign.ts'
import type { Examined } from './examine.ts'
import type { Golden } from './subject.ts'
import type { RareState } from './rare-states.ts'
import type { InvariantId, Violation } from './violation.ts'
import { describeFault } from '../faults/schedule.ts'
import { rareStates } from './rare-states.ts'
import { diagnosisOf, invariants } from './violation.ts'

/** What came of a campaign, for people; every figure is of this campaign. */
export function reportCard(campaign: Campaign, golden: Golden): string {
  const { schedules, lives, idle, checkpoints, elapsedMs, failing } = campaign
  const each = schedules === 0 ? 0 : elapsedMs / schedules
  const rows: readonly (readonly [string, string])[] = [
    ['schedules', `${schedules} in ${seconds(elapsedMs)} s, ${each.toFixed(1)} ms each`],
    ['lives', `${lives}, ${checkpoints} checkpoints completed`],
    ['faults', faultsOf(campaign) + (idle === 0 ? '' : `; in ${idle} schedules none struck`)],
    ['points', pointsOf(campaign, golden)],
    ['rare states', rareOf(campaign)],
    ['recovery', recoveryOf(campaign)],
    ['violations', failing.length === 0 ? 'none' : `in ${failing.length} schedules`],
  ]
  const lines = rows.map(([name, text]) => `${name.padEnd(11)} ${text}`)
  for (const [index, examined] of failing.entries()) {
    const { run, violations } = examined
    const { seed, parallelism, faults } = run.schedule
    const head = `seed ${seed}, parallelism ${parallelism}: ${faults.map(describeFault).join('; ')}`
    const like = failing.slice(0, index).find((earlier) => isMuchLike(examined, [earlier]))
    if (like === undefined) lines.push('', head, ...violationLines(violations))
    else lines.push('', head, `  breaks the same as seed ${like.run.schedule.seed}`)
  }
  return lines.join('\n')
}

/** Whether an earlier one broke the same invariants: one of them is looked at first. */
export function isMuchLike({ violations }: Examined, earlier: readonly Examined[]): boolean {
  const broken = (all: readonly Violation[]): string =>
    [...new Set(all.map(({ invariant }) => invariant))].sort().join()
  return earlier.some((one) => broken(one.violations) === broken(violations))
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

function pointsOf({ reached, struck }: Campaign, golden: Golden): string {
  const missed = [...golden.reached.keys()].filter((point) => !struck.has(point))
  const text = `${reached.size} reached, ${struck.size} struck`
  if (missed.length === 0) return text
  const shown = missed.slice(0, MISSED_SHOWN).join(', ')
  const more = missed.length > MISSED_SHOWN ? `, and ${missed.length - MISSED_SHOWN} more` : ''
  return `${text}; nothing was done at ${shown}${more}`
}

const MISSED_SHOWN = 5

function rareOf({ rare }: Campaign): string {
  const all = Object.keys(rareStates) as RareState[]
  const missed = all.filter((state) => !rare.has(state))
  const text = `${rare.size} of ${all.length} reached`
  return missed.length === 0 ? text : `${text}; not ${missed.join(', ')}`
}

function recoveryOf({ recoveryMs }: Campaign): string {
  if (recoveryMs.length === 0) return 'no life had to recover'
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
