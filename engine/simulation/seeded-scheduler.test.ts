import { expect, test } from 'vitest'
import { seededRandom } from '../base/random.ts'
import { SeededScheduler } from './seeded-scheduler.ts'

test('the wall clock shows whole ms, wherever an alarm rings', async () => {
  const clock = new SeededScheduler(seededRandom(1), 1_000)
  const rung: (readonly [number, number])[] = []
  for (const ms of [0.25, 1.75]) {
    clock.timer(ms, () => rung.push([clock.nowMs(), clock.monotonicMs()]))
  }
  while (await clock.step());
  expect(rung).toEqual([
    [1_000, 0.25],
    [1_001, 1.75],
  ])
})
