/**
 * Schedules of up to three faults of every kind by chance, over jobs of all shapes, judged by all
 * invariants: none is broken.
 */
import { expect, test } from 'vitest'
import { systemClock } from '../../engine/base/clock.ts'
import { faultKinds, type FaultKind } from '../../engine/chaos/actions.ts'
import { runCampaign } from '../../engine/chaos/campaign.ts'
import { randomSchedule } from '../../engine/chaos/random-schedule.ts'
import { reportCard } from '../../engine/chaos/report-card.ts'
import type { FaultSchedule } from '../../engine/chaos/schedule.ts'
import { goldenRun, type Golden } from '../../engine/chaos/subject.ts'
import { figures, firstSeed, share } from '../share.ts'
import { chaosShapes } from './shapes.ts'
import { subjectOf } from './subjects.ts'

/** Of each shape. */
const SCHEDULES = share(60, 600)
const PARALLELISM = 2
const kinds = Object.keys(faultKinds) as FaultKind[]

for (const shape of chaosShapes) {
  test(`${shape.name}: schedules by chance`, async () => {
    const subject = subjectOf(shape)
    const golden = await goldenRun(subject, PARALLELISM)
    const schedules = byChance(golden)
    const campaign = await runCampaign({ subject, golden, schedules, clock: systemClock })
    figures('campaign', {
      shape: shape.name,
      schedules: campaign.schedules,
      lives: campaign.lives,
      faults: [...campaign.faults.values()].reduce((sum, count) => sum + count, 0),
      checkpoints: campaign.checkpoints,
      violations: campaign.failing.length,
      ms: Math.round(campaign.elapsedMs),
    })
    expect(campaign.failing.length, reportCard(campaign, golden)).toBe(0)
  }, 3_600_000)
}

function* byChance(golden: Golden): Generator<FaultSchedule> {
  const options = { golden, kinds, parallelismMax: 4, faultsMax: 3 }
  for (let index = 0; index < SCHEDULES; index += 1) {
    yield randomSchedule(firstSeed() + index, options)
  }
}
