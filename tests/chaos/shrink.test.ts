/**
 * Schedules of many faults, found by chance in jobs with a planted mistake, shrink to the one or
 * two that matter, and break the same invariant.
 */
import { expect, test } from 'vitest'
import { faultKinds, type FaultKind } from '../../engine/chaos/actions.ts'
import { examine, type Examined } from '../../engine/chaos/examine.ts'
import { randomSchedule } from '../../engine/chaos/random-schedule.ts'
import { shrink } from '../../engine/chaos/shrink.ts'
import { goldenRun, type Golden, type Subject } from '../../engine/chaos/subject.ts'
import { describeFault } from '../../engine/faults/schedule.ts'
import { figures, firstSeed, share } from '../share.ts'
import { plantedJobs } from './planted-jobs.ts'

const SEARCHED_MAX = 200
const FAULTS_MIN = 6
const FAULTS_MAX = 14

/** The next failing run with many faults; how many schedules it took. */
async function failingRun(
  subject: Subject,
  golden: Golden,
  seed: number,
): Promise<{ readonly failing: Examined; readonly searched: number }> {
  const kinds = Object.keys(faultKinds) as FaultKind[]
  for (let searched = 1; searched <= SEARCHED_MAX; searched += 1) {
    const options = { golden, kinds, parallelismMax: 4, faultsMax: FAULTS_MAX }
    const schedule = randomSchedule(seed + searched, options)
    if (schedule.faults.length < FAULTS_MIN) continue
    const failing = await examine(subject, golden, schedule)
    if (failing.violations.length > 0) return { failing, searched }
  }
  throw new Error(`no schedule of ${SEARCHED_MAX} broke "${subject.name}"`)
}

const perJob = share(1, 10)

for (const { what, subject, faults } of plantedJobs) {
  test(`${what}: found, and shrunk to ${faults} at most`, async () => {
    const golden = await goldenRun(subject, 2)
    for (let run = 0; run < perJob; run += 1) {
      const from = firstSeed() * 10_000 + run * 1_000
      const { failing, searched } = await failingRun(subject, golden, from)
      const shrunk = await shrink(subject, golden, failing)
      const { schedule, examined, recordsMax, tried } = shrunk
      figures(`shrink: ${what}`, {
        searched,
        from: failing.run.schedule.faults.length,
        to: schedule.faults.length,
        tried,
        faults: schedule.faults.map(describeFault).join(', '),
        parallelism: schedule.parallelism,
        recordsMax: recordsMax ?? 'all',
        seed: schedule.seed,
        violation: examined.violations[0]!.what,
      })
      expect(schedule.faults.length).toBeLessThanOrEqual(faults)
      const classes = examined.violations.map(({ invariant }) => invariant)
      expect(classes).toContain(failing.violations[0]!.invariant)
      // What is reported is a run that anybody has again.
      const again = await examine(shrunk.subject, shrunk.golden, schedule)
      expect(again.run.hash).toBe(examined.run.hash)
    }
  }, 600_000)
}

test('the same run shrinks to the same, in as many tries', async () => {
  const { subject } = plantedJobs[1]!
  const golden = await goldenRun(subject, 2)
  const { failing } = await failingRun(subject, golden, 10_000)
  const first = await shrink(subject, golden, failing)
  const second = await shrink(subject, golden, failing)
  expect(second.schedule).toEqual(first.schedule)
  expect(second.tried).toBe(first.tried)
  expect((await shrink(subject, golden, failing, { budget: 3 })).tried).toBe(3)
})
