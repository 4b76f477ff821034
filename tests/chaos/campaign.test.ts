/**
 * Schedules of up to three faults of every kind by chance, over jobs of all shapes, judged by all
 * invariants: none is broken.
 */
import { expect, test } from 'vitest'
import { systemClock } from '../../engine/base/clock.ts'
import { faultKinds, type FaultKind } from '../../engine/chaos/actions.ts'
import { runCampaign, type Campaign } from '../../engine/chaos/campaign.ts'
import { randomSchedule } from '../../engine/chaos/random-schedule.ts'
import { rareSchedules } from '../../engine/chaos/rare-schedules.ts'
import { rareStates, type RareState } from '../../engine/chaos/rare-states.ts'
import { reportCard } from '../../engine/chaos/report-card.ts'
import { goldenRun, type Golden } from '../../engine/chaos/subject.ts'
import type { FaultSchedule } from '../../engine/faults/schedule.ts'
import { jobDefinition } from '../../engine/graph/job-definition.ts'
import { figures, firstSeed, share } from '../share.ts'
import { chaosShapes } from './shapes.ts'
import { subjectOf } from './subjects.ts'

/** Of each shape. */
const SCHEDULES = share(40, 600)
const PARALLELISM = 2
/** How many schedules of all shapes came to each. */
const rare = new Map<RareState, number>()
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
    add(campaign)
  }, 3_600_000)
}

/** Of what chance does not come to, some shapes are led to it: none may be left out. */
const LED = ['delays', 'tumbling']

test('every rare state is reached', async () => {
  for (const shape of chaosShapes.filter(({ name }) => LED.includes(name))) {
    const subject = subjectOf(shape)
    const golden = await goldenRun(subject, PARALLELISM)
    const { checkpointing } = jobDefinition(shape.job).build(shape.parameters).settings
    const schedules = Object.values(rareSchedules(checkpointing)).map((faults) => {
      return { seed: firstSeed(), parallelism: PARALLELISM, faults }
    })
    const campaign = await runCampaign({ subject, golden, schedules, clock: systemClock })
    expect(campaign.failing.length, reportCard(campaign, golden)).toBe(0)
    add(campaign)
  }
  figures('rare states', Object.fromEntries(rare))
  const all = Object.keys(rareStates) as RareState[]
  expect(all.filter((state) => !rare.has(state))).toEqual([])
}, 600_000)

function add(campaign: Campaign): void {
  for (const [state, count] of campaign.rare) rare.set(state, (rare.get(state) ?? 0) + count)
}

function* byChance(golden: Golden): Generator<FaultSchedule> {
  const options = { golden, kinds, parallelismMax: 4, faultsMax: 3 }
  for (let index = 0; index < SCHEDULES; index += 1) {
    yield randomSchedule(firstSeed() + index, options)
  }
}
