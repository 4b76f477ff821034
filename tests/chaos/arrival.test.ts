/**
 * A job whose answer depends on how its input is cut, or which input is served first, is reported
 * as that: with the step, both answers and the remedy. With the remedy it is fit to be broken.
 */
import { describe, expect, test } from 'vitest'
import { boundedOutOfOrderness, defineJob, int32, millis, struct, utf8, valueState } from 'millrace'
import type { Job } from 'millrace'
import { collectionSource, fileSink } from 'millrace/connectors'
import { chaos, crash, expectExactlyOnce, runChaos } from 'millrace/testing'
import { randomSchedule } from '../../engine/chaos/random-schedule.ts'
import { parseSchedule } from '../../engine/chaos/parse-schedule.ts'
import { simulateSchedule } from '../../engine/chaos/simulate-schedule.ts'
import { describeFaults } from '../../engine/faults/schedule.ts'

interface Event {
  readonly user: string
  readonly id: number
  readonly at: number
}

const Pair = struct({ user: utf8(), before: int32(), id: int32() })

/** Out of order by less than 100 ms; users in turn. */
const events: readonly Event[] = Array.from({ length: 240 }, (_, id) => ({
  user: `user-${id % 3}`,
  id,
  at: 1_000_000 + id * 20 + ((id * 7) % 5) * 20,
}))

/** Two sources of one stream: each record with the one before it of the same user. */
function pairs(order: 'arrival' | 'event-time'): Job {
  return defineJob('pairs', (env) => {
    const read = (uid: string, rest: number) =>
      env
        .fromSource(uid, collectionSource(events.filter(({ id }) => id % 2 === rest)))
        .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(millis(200)))
    read('even', 0)
      .union(read('odd', 1))
      .keyBy('user')
      .process('pair', {
        emits: Pair,
        order,
        state: { before: valueState(int32(), { default: -1 }) },
        onRecord({ user, id }, { state, emit }) {
          emit({ user, before: state.before.value(), id })
          state.before.update(id)
        },
      })
      .sinkTo('out', fileSink({ directory: 'out', schema: Pair }))
  })
}

describe('a job that depends on when its records arrive', () => {
  test('is told with the step, both answers and the remedy', async () => {
    const failure = await runChaos(pairs('arrival')).catch((error: unknown) => error)
    expect(failure).toMatchObject({
      code: 'CHAOS_DEPENDS_ON_ARRIVAL',
      message: expect.stringMatching(
        /the answer of "pairs" depends on when its records arrive: step "pair" \(.*arrival\.test\.ts:\d+\) takes them in order of arrival\. Of two runs .*, the first publishes 240 rows at sink "out", the second 240: .*"before"/,
      ) as string,
      hint: expect.stringContaining(`Give process "pair" order: 'event-time'`) as string,
    })
  })

  test('is fit to be broken once it has the remedy', async () => {
    const faults = [chaos.at('commit.begin', { nth: 2 }, crash())]
    const flow = { batchRecords: 5, pollMs: 2, uneven: true } as const
    const result = await runChaos(pairs('event-time'), { seed: 5, faults, flow })
    expectExactlyOnce(result)
    expect(result.lives.length).toBe(2)
    expect(result.published['out']).toHaveLength(240)
  })
})

test('what changes without anything being different is chance, not arrival', async () => {
  const job = defineJob('chance', (env) => {
    env
      .fromSource('events', collectionSource(events))
      .map(({ user, id }) => ({ user, before: Math.random() < 0.5 ? 1 : 0, id }))
      .sinkTo('out', fileSink({ directory: 'out', schema: Pair }))
  })
  await expect(runChaos(job)).rejects.toMatchObject({
    code: 'CHAOS_NOT_DETERMINISTIC',
    message: expect.stringMatching(/run in the same way, differ at sink "out"/) as string,
  })
})

describe('the flow of records', () => {
  const flow = { batchRecords: 7, pollMs: 3, uneven: true } as const

  test('is part of a schedule, and the same one gives the same run', async () => {
    const schedule = parseSchedule({ seed: 4, parallelism: 2, faults: [], flow })
    expect(schedule.flow).toEqual(flow)
    expect(describeFaults(schedule)).toBe(
      'batches of at most 7 records, 3 ms between two batches of a source, each input served at its own pace',
    )
    const run = () => simulateSchedule({ job: pairs('event-time'), parameters: {}, schedule })
    const { hash } = await run()
    expect((await run()).hash).toBe(hash)
    const other = await simulateSchedule({
      job: pairs('event-time'),
      parameters: {},
      schedule: { ...schedule, flow: {} },
    })
    expect(other.hash).not.toBe(hash)
  })

  test('that cannot be is refused with its place', () => {
    const given = { seed: 1, parallelism: 1, faults: [], flow: { batchRecords: 0 } }
    expect(() => parseSchedule(given)).toThrow(/flow\.batchRecords is 0/)
    expect(() => parseSchedule({ ...given, flow: { pace: 1 } })).toThrow(/has the field "pace"/)
  })

  test('varies over the schedules of a search', () => {
    const golden = {
      published: {},
      checkpoints: 1,
      steps: 1,
      durationMs: 1,
      reached: new Map([['commit.begin' as const, 3]]),
    }
    const options = { golden, kinds: ['crash' as const], parallelismMax: 2, faultsMax: 2 }
    const flows = Array.from({ length: 80 }, (_, seed) => randomSchedule(seed, options).flow)
    const varied = flows.filter((one) => one !== undefined)
    expect(varied).toHaveLength(20)
    expect(varied.some(({ uneven }) => uneven === true)).toBe(true)
    expect(varied.some(({ batchRecords }) => batchRecords === 3)).toBe(true)
    expect(varied.some(({ pollMs }) => pollMs === 5)).toBe(true)
  })
})
