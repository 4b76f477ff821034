import { expect, test } from 'vitest'
import { defineJob, monotonous, struct, timestamp, utf8 } from 'millrace'
import type { TimerService } from 'millrace'
import { collectionSource, printSink } from 'millrace/connectors'
import { testJob } from 'millrace/testing'
import { TIMERS_AT_END_MAX } from '../engine/base/limits.ts'

/** What is pending at the end of a bounded input fires, in an order that the guide states. */
const Row = struct({ key: utf8(), at: timestamp() })
type Emit = (row: { readonly key: string; readonly at: number }) => void

interface Functions {
  readonly onRecord: (at: number, timers: TimerService) => void
  readonly onTimer: (at: number, timers: TimerService, emit: Emit, key: string) => void
  readonly order?: 'event-time'
}

/** The rows that one record a key, at 1,000, leads to once its input has ended. */
async function rowsAtEnd(functions: Functions, keys = ['a']): Promise<readonly unknown[]> {
  const { order } = functions
  const records = keys.map((key) => ({ key, at: 1_000 }))
  const job = defineJob('ends', (env) => {
    env.parallelism(1)
    env
      .fromSource('in', collectionSource<{ key: string; at: number }>([]))
      .assignTimestampsAndWatermarks('at', monotonous())
      .keyBy('key')
      .process('ticks', {
        emits: Row,
        state: {},
        ...(order === undefined ? {} : { order }),
        onRecord(record, { timers }) {
          functions.onRecord(record.at, timers)
        },
        onTimer(at, { timers, emit, key }) {
          functions.onTimer(at, timers, emit, key)
        },
      })
      .sinkTo('out', printSink())
  })
  const running = await testJob(job)
  await running.source('in').send(...records)
  await running.finish()
  return running.sink('out').rows()
}

test('processing-time timers that still wait fire once, in the order of their times', async () => {
  const rows = await rowsAtEnd(
    {
      onRecord(_, timers) {
        const later = 4e12
        for (const ms of [3, 1, 2]) timers.registerProcessingTimeTimer(later + ms)
      },
      onTimer(at, timers, emit, key) {
        emit({ key, at })
        // A tick without an end: set at the end, it never fires.
        timers.registerProcessingTimeTimer(at + 1_000)
      },
    },
    ['b', 'a'],
  )
  const expected = [1, 2, 3].flatMap((ms) => ['a', 'b'].map((key) => ({ key, at: 4e12 + ms })))
  expect(rows).toEqual(expected)
})

test.each([undefined, 'event-time'] as const)(
  'event time fires first, and once more what processing time has set (order %s)',
  async (order) => {
    const rows = await rowsAtEnd({
      ...(order === undefined ? {} : { order }),
      onRecord(at, timers) {
        timers.registerProcessingTimeTimer(4e12)
        timers.registerEventTimeTimer(at + 5_000)
      },
      onTimer(at, timers, emit, key) {
        emit({ key, at })
        if (at === 4e12) timers.registerEventTimeTimer(7_000)
        if (at === 6_000) timers.registerProcessingTimeTimer(3e12)
      },
    })
    expect(rows.map((row) => (row as { at: number }).at)).toEqual([6_000, 3e12, 4e12, 7_000])
  },
)

test('a chain of event-time timers that ends fires whole, in order', async () => {
  const rows = await rowsAtEnd(
    {
      onRecord: (at, timers) => timers.registerEventTimeTimer(at + 1_000),
      onTimer(at, timers, emit, key) {
        emit({ key, at })
        if (at < 5_000) timers.registerEventTimeTimer(at + 1_000)
      },
    },
    ['a', 'b'],
  )
  const times = [2_000, 3_000, 4_000, 5_000]
  expect(rows).toEqual(times.flatMap((at) => ['a', 'b'].map((key) => ({ key, at }))))
})

test.each([undefined, 'event-time'] as const)(
  'a chain without an end stops the job, and names step and key (order %s)',
  { timeout: 60_000 },
  async (order) => {
    const endless = rowsAtEnd({
      ...(order === undefined ? {} : { order }),
      onRecord: (at, timers) => timers.registerEventTimeTimer(at + 1_000),
      onTimer: (at, timers) => timers.registerEventTimeTimer(at + 1_000),
    })
    await expect(endless).rejects.toMatchObject({
      code: 'TIMERS_ENDLESS',
      message: `the key "a" has set more than ${TIMERS_AT_END_MAX} event-time timers behind the end of the input`,
      place: { operator: 'ticks' },
    })
  },
)
