import type { Timeline, TimelineInput, TimelineViolation } from './model.ts'
import { describeFault, FIRST_COME } from '../../faults/schedule.ts'
import { diagnosisOf } from '../violation.ts'
import { withBorders } from './borders.ts'
import { drawnEvents } from './focus.ts'
import { Lanes } from './marks.ts'
import { rowsOf } from './rows.ts'

const FAULTS_NAMED = 12
const WORDS_MAX = 400

export function timelineOf(given: TimelineInput): Timeline {
  const input = { ...given, trace: withBorders(given.trace, given.lives) }
  const lanes = new Lanes(input.trace)
  const drawn = drawnEvents(input)
  const rows = rowsOf(input, lanes, drawn)
  const used = new Set(rows.flatMap((row) => (row.type === 'step' ? [...row.cells.keys()] : [])))
  const diagnosis = diagnosisIn(input)
  return {
    title: titleOf(input),
    faults: faultsOf(input),
    verdict: verdictOf(input),
    violations: (input.violations ?? []).slice(0, FAULTS_NAMED).map(violationWords),
    ...(diagnosis === undefined ? {} : { diagnosis }),
    lanes: lanes.all().filter(({ id, kind }) => kind === 'subtask' || used.has(id)),
    rows,
  }
}

function violationWords({ invariant, what }: TimelineViolation): string {
  return `${invariant}: ${what.slice(0, WORDS_MAX)}`
}

/** What is left of a run that was shrunk need not show it. */
function diagnosisIn({ violations = [], found }: TimelineInput): string | undefined {
  const here = diagnosisOf(violations)
  if (here !== undefined) return here
  const before = diagnosisOf(found?.violations ?? [])
  return before === undefined ? undefined : `before it was shrunk: ${before}`
}

/** Begins as a report does, which names the schedule that was found. */
function titleOf({ job, schedule, found = schedule }: TimelineInput): string {
  const changes: string[] = []
  if (found.seed !== schedule.seed) {
    changes.push(schedule.seed === FIRST_COME ? 'events in plain order' : `seed ${schedule.seed}`)
  }
  if (found.parallelism !== schedule.parallelism) {
    changes.push(`parallelism ${schedule.parallelism}`)
  }
  const shrunk = changes.length === 0 ? '' : `; shrunk to ${changes.join(', ')}`
  return `${job}, seed ${found.seed}, parallelism ${found.parallelism}${shrunk}`
}

function faultsOf({ schedule, fired }: TimelineInput): readonly string[] {
  const struck = fired === undefined ? undefined : new Set(fired)
  const words = schedule.faults.map((fault, index) => {
    const missed = struck !== undefined && !struck.has(index)
    return missed ? `${describeFault(fault)} (did not strike)` : describeFault(fault)
  })
  if (words.length <= FAULTS_NAMED) return words
  return [...words.slice(0, FAULTS_NAMED), `and ${words.length - FAULTS_NAMED} more`]
}

function verdictOf({ violations }: TimelineInput): Timeline['verdict'] {
  if (violations === undefined) return 'unknown'
  return violations.length === 0 ? 'holds' : 'broken'
}
