/** Each rare state is reached by the faults that are to lead there, and by a plain run by none. */
import { expect, test } from 'vitest'
import { rareSchedules } from '../../engine/chaos/rare-schedules.ts'
import { rareStates, rareStatesOf, type RareState } from '../../engine/chaos/rare-states.ts'
import { simulateSchedule } from '../../engine/chaos/simulate-schedule.ts'
import type { Subject } from '../../engine/chaos/subject.ts'
import type { Fault } from '../../engine/faults/schedule.ts'
import { shapes } from '../simulation/shapes.ts'
import { tiny } from './tiny-subject.ts'

const schedules = rareSchedules({ timeoutMs: 200 })
/** Its timers are of processing time, as no other's. */
const delays = shapes.find(({ name }) => name === 'delays')!

async function reachedBy(
  subject: Subject,
  faults: readonly Fault[],
): Promise<readonly RareState[]> {
  const run = await simulateSchedule({ ...subject, schedule: { seed: 1, parallelism: 2, faults } })
  return rareStatesOf(run)
}

test('a run without faults comes to none of them', async () => {
  expect(await reachedBy(tiny, [])).toEqual([])
})

for (const state of Object.keys(rareStates) as RareState[]) {
  test(`${state}: ${rareStates[state]}`, async () => {
    const subject = state === 'timer-due-at-restore' ? { ...delays, parameters: {} } : tiny
    expect(await reachedBy(subject, schedules[state])).toContain(state)
  })
}
