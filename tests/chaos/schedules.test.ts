/** A schedule that people wrote is read as it stands, or refused with the place of the slip. */
import { expect, test } from 'vitest'
import { StreamError } from '../../engine/base/errors.ts'
import { seededRandom } from '../../engine/base/random.ts'
import { faultPointNames } from '../../engine/faults/points.ts'
import { FIRST_COME, type Fault } from '../../engine/faults/schedule.ts'
import { actionsAt } from '../../engine/chaos/actions.ts'
import { parseSchedule } from '../../engine/chaos/parse-schedule.ts'
import { simulateSchedule } from '../../engine/chaos/simulate-schedule.ts'
import { SeededScheduler } from '../../engine/simulation/seeded-scheduler.ts'
import { shapes } from '../simulation/shapes.ts'

const fault = (fields: object): unknown => ({
  seed: 1,
  parallelism: 2,
  faults: [
    { point: 'any', nth: 1, action: { type: 'crash' } },
    { point: 'sink.write', nth: 1, action: { type: 'crash' }, ...fields },
  ],
})

test('everything that can be done anywhere comes back as it was', () => {
  const faults = faultPointNames.flatMap((point) =>
    actionsAt(point).map((action): Fault => ({ point, nth: 3, life: 2, action })),
  )
  const where = { uid: 'out', subtask: 1 }
  const placed: Fault = { point: 'any', where, nth: 1, action: { type: 'drop' } }
  const schedule = { seed: 7, parallelism: 3, faults: [...faults, placed] }
  expect(faults.length).toBeGreaterThan(400)
  expect(parseSchedule(JSON.parse(JSON.stringify(schedule)))).toEqual(schedule)
})

const refusals = [
  ['no object', [], 'the schedule is []', 'an object'],
  ['a seed that is none', { seed: -1 }, 'the schedule.seed is -1', 'from 0 on'],
  ['no faults', { seed: 1, parallelism: 1 }, 'the schedule.faults is missing', 'a list'],
  ['a field too many', { seed: 1, fault: [] }, 'has the field "fault"', '"faults"'],
  [
    'an unknown point',
    fault({ point: 'comit.begin' }),
    'faults[1].point is "comit.begin"',
    '"commit.begin"',
  ],
  [
    'a point far from all',
    fault({ point: 'x' }),
    'faults[1].point is "x"',
    'millrace chaos points',
  ],
  [
    'an unknown action',
    fault({ action: { type: 'crsh' } }),
    'faults[1].action.type is "crsh"',
    '"crash"',
  ],
  [
    'an unknown errno',
    fault({ action: { type: 'errno', errno: 'EIOO' } }),
    'faults[1].action.errno',
    '"EIO"',
  ],
  [
    'a field that the action does not have',
    fault({ action: { type: 'delay', m: 5 } }),
    'faults[1].action has the field "m"',
    '"ms"',
  ],
  ['occurrences from 0', fault({ nth: 0 }), 'faults[1].nth is 0', 'from 1 on'],
  ['a wrong place', fault({ where: { uid: 5 } }), 'faults[1].where.uid is 5', 'a text'],
  [
    'what does nothing there',
    fault({ action: { type: 'drop' } }),
    'the action "drop", which does nothing at "sink.write"',
    'power-loss',
  ],
] as const

for (const [what, value, message, hint] of refusals) {
  test(`refused: ${what}`, () => {
    const error = refusalOf(value)
    expect(error.code).toBe('CHAOS_SCHEDULE_INVALID')
    expect(error.message).toContain(message)
    expect(error.hint).toContain(hint)
  })
}

function refusalOf(value: unknown): StreamError {
  try {
    parseSchedule(value)
  } catch (error) {
    if (error instanceof StreamError) return error
  }
  throw new Error('it was taken')
}

test('first come, first served: each has its turn in the order in which it asked', async () => {
  const scheduler = new SeededScheduler(seededRandom(1), 0, 'arrival')
  const turns: number[] = []
  for (let turn = 0; turn < 50; turn += 1) scheduler.immediate(() => turns.push(turn))
  while (turns.length < 50) await scheduler.step()
  expect(turns).toEqual(turns.toSorted((left, right) => left - right))
})

test('the seed of that order gives a run of its own, and the same each time', async () => {
  const { job } = shapes.find(({ name }) => name === 'diamond')!
  const faults: readonly Fault[] = [{ point: 'sink.prepare', nth: 2, action: { type: 'crash' } }]
  const run = async (seed: number) => {
    const schedule = { seed, parallelism: 2, faults }
    const { hash, lives, fired } = await simulateSchedule({ job, parameters: {}, schedule })
    expect(fired).toEqual([0])
    expect(lives.at(-1)!.ended.type).toBe('finished')
    return hash
  }
  const plain = await run(FIRST_COME)
  expect(await run(FIRST_COME)).toBe(plain)
  expect(await run(1)).not.toBe(plain)
})
