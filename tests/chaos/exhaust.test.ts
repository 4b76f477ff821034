/**
 * Every single fault (point × occurrence up to three × action), and every ordered pair of points
 * with the second during the recovery from the first, over jobs that reach all that there is: no
 * invariant is broken. A test run tries all single faults of one job, a soak all its pairs too; of
 * the other jobs a share.
 */
import { expect, test } from 'vitest'
import { systemClock } from '../../engine/base/clock.ts'
import { faultKinds, type FaultKind } from '../../engine/chaos/actions.ts'
import { runCampaign, type Campaign } from '../../engine/chaos/campaign.ts'
import { faultPairs, singleFaults } from '../../engine/chaos/exhaust.ts'
import { reportCard } from '../../engine/chaos/report-card.ts'
import { goldenRun, type Golden } from '../../engine/chaos/subject.ts'
import type { FaultSchedule } from '../../engine/faults/schedule.ts'
import { figures, firstSeed } from '../share.ts'
import { chaosShapes } from './shapes.ts'
import { subjectOf } from './subjects.ts'

const PARALLELISM = 2
const kinds = Object.keys(faultKinds) as FaultKind[]

/** Of most jobs every so many-th schedule is tried, another each with another seed. */
const isSoak = process.env['MILLRACE_TEST_SOAK'] === '1'
const SINGLES_STEP = isSoak ? 4 : 100
const PAIRS_STEP = isSoak ? 40 : 62
/** Of the first faults of pairs, which all take a run, a part: each job has another one. */
const FIRSTS_STEP = isSoak ? 1 : 4
/** A keyed job with windows: all of its single faults are tried at each run, in a soak all pairs. */
const WHOLE = 'tumbling'

for (const [index, shape] of chaosShapes.entries()) {
  test(`${shape.name}: every single fault`, async () => {
    const subject = subjectOf(shape)
    const golden = await goldenRun(subject, PARALLELISM)
    const options = { seed: firstSeed(), parallelism: PARALLELISM, kinds }
    const step = shape.name === WHOLE ? 1 : SINGLES_STEP
    const schedules = everyNth(singleFaults(golden, options), step)
    const campaign = await runCampaign({ subject, golden, schedules, clock: systemClock })
    judged('single faults', shape.name, campaign, golden)
  }, 3_600_000)

  test(`${shape.name}: a fault, and another while it is recovered from`, async () => {
    const subject = subjectOf(shape)
    const golden = await goldenRun(subject, PARALLELISM)
    const firsts = { every: FIRSTS_STEP, from: firstSeed() + index }
    const options = { seed: firstSeed(), parallelism: PARALLELISM, kinds, firsts }
    const step = shape.name === WHOLE && isSoak ? 1 : PAIRS_STEP
    const schedules = everyNth(faultPairs(subject, golden, options), step)
    const campaign = await runCampaign({ subject, golden, schedules, clock: systemClock })
    judged('fault pairs', shape.name, campaign, golden)
  }, 3_600_000)
}

async function* everyNth(
  schedules: Iterable<FaultSchedule> | AsyncIterable<FaultSchedule>,
  step: number,
): AsyncGenerator<FaultSchedule> {
  let index = firstSeed()
  for await (const schedule of schedules) {
    if (index % step === 0) yield schedule
    index += 1
  }
}

function judged(what: string, shape: string, campaign: Campaign, golden: Golden): void {
  figures(what, {
    shape,
    schedules: campaign.schedules,
    lives: campaign.lives,
    points: campaign.struck.size,
    violations: campaign.failing.length,
    ms: Math.round(campaign.elapsedMs),
  })
  expect(campaign.failing.length, reportCard(campaign, golden)).toBe(0)
}
