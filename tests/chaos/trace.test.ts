/** What a trace tells can be told apart: in which order, and whose step it was. */
import { expect, test } from 'vitest'
import { simulateSchedule } from '../../engine/chaos/simulate-schedule.ts'
import { shapes } from '../simulation/shapes.ts'

const { job } = shapes.find(({ name }) => name === 'diamond')!
const { trace } = await simulateSchedule({
  job,
  parameters: {},
  schedule: {
    seed: 1,
    parallelism: 2,
    faults: [{ point: 'coordinator.written', nth: 2, action: { type: 'crash' } }],
  },
})

test('steps count on over all lives, to the end of each', () => {
  expect(trace.filter(({ point }) => point === 'life.end')).toHaveLength(2)
  for (const [index, { step }] of trace.entries()) {
    expect(step).toBeGreaterThanOrEqual(trace[index - 1]?.step ?? 0)
  }
})

test('an acknowledgement names the subtask that has cut', () => {
  const cut = new Set<string>()
  let acknowledged = 0
  for (const { life, point, place } of trace) {
    const who = `${life} ${String(place.uid)} ${String(place.subtask)} ${String(place.checkpointId)}`
    if (point === 'snapshot.cut') cut.add(who)
    if (point !== 'snapshot.acknowledge') continue
    expect(cut).toContain(who)
    acknowledged += 1
  }
  expect(acknowledged).toBeGreaterThan(10)
})

test('an operator that is opened names the head of its chain, which takes the barriers', () => {
  const heads = new Set<string>()
  for (const { point, place } of trace) if (point === 'task.open') heads.add(String(place.what))
  const cut = trace.filter(({ point }) => point === 'snapshot.cut').map(({ place }) => place.uid)
  expect([...heads].sort()).toEqual([...new Set(cut)].sort())
})
