/** What is told of a search with real runs. */
import { expect, test } from 'vitest'
import type { FaultAction } from '../../engine/faults/schedule.ts'
import type { TraceEvent } from '../../engine/faults/trace.ts'
import { faultKinds, type FaultKind } from '../../engine/chaos/actions.ts'
import { randomSchedule } from '../../engine/chaos/random-schedule.ts'
import { reachedIn } from '../../engine/chaos/subject.ts'
import { earlyIn, StruckTally } from './real-tally.ts'

type Step = readonly [point: TraceEvent['point'], fault?: FaultAction]

const traced = (steps: readonly Step[]): readonly TraceEvent[] =>
  steps.map(([point, fault], step) => ({
    ...{ step, atMs: step, life: 1, point, place: {} },
    ...(fault === undefined ? {} : { fault }),
  }))

const CRASH: FaultAction = { type: 'crash' }
const schedule = (seed: number) => ({ seed, parallelism: 1, faults: [] })
const tallied = (...runs: readonly (readonly Step[])[]): string => {
  const tally = new StruckTally()
  for (const [index, steps] of runs.entries()) {
    tally.add({ schedule: schedule(20 + index), lives: [], trace: traced(steps) })
  }
  return tally
    .rows()
    .map((row) => row.join(' '))
    .join('\n')
}

test('faults are counted by kind and by point, and those behind a checkpoint', () => {
  const text = tallied(
    [['source.poll', CRASH], ['coordinator.written'], ['source.poll', CRASH]],
    [['disk.state.write', { type: 'errno', errno: 'EIO' }]],
    [['coordinator.written']],
  )
  expect(text).toContain('seeds 20 to 22')
  expect(text).toContain('lives 0, with 2 complete checkpoints')
  expect(text).toContain(
    'faults 3 struck, 1 of them when a checkpoint was complete; in 1 schedule none struck',
  )
  expect(text).toContain('kinds 2 crash, 1 EIO')
  expect(text).toContain('points 2 source.poll, 1 disk.state.write')
  expect(text).not.toContain('nothing was ever restored')
})

test('it is said when no fault came behind a checkpoint', () => {
  expect(tallied([['source.poll', CRASH], ['coordinator.written']])).toContain(
    'nothing was ever restored',
  )
})

test('most schedules of real runs begin behind the first complete checkpoint', () => {
  const poll: Step = ['source.poll']
  const trace = traced([
    ...(['own', 'decide', 'verify', 'epoch', 'ready'] as const).map((step): Step => [
      `recover.${step}`,
    ]),
    ...Array<Step>(50).fill(poll),
    ['coordinator.written'],
    ...Array<Step>(50).fill(poll),
    ['coordinator.written'],
  ])
  const golden = {
    ...{ published: {}, checkpoints: 2, steps: 0, durationMs: 0 },
    reached: reachedIn(trace),
  }
  const early = earlyIn(trace)
  expect(early.get('source.poll')).toBe(50)
  const kinds = Object.keys(faultKinds) as FaultKind[]
  const options = { golden, kinds, parallelismMax: 2, faultsMax: 1, mode: 'process' } as const
  const late = (given: Parameters<typeof randomSchedule>[1]): number =>
    Array.from({ length: 200 }, (_, seed) => randomSchedule(seed + 1, given).faults[0]!).filter(
      ({ point, nth, life }) => life !== 2 && point !== 'any' && nth > (early.get(point) ?? 0),
    ).length
  expect(late({ ...options, early })).toBeGreaterThan(120)
  expect(late(options)).toBeLessThan(90)
})
