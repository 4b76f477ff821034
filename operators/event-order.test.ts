/**
 * Whole jobs whose process functions ask for event-time order: their answer for records on time is
 * one, whatever the parallelism, and however the input is cut into batches.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Job } from './index.ts'
import { sinkOf } from '../engine/operator/sink.ts'
import { sourceOf } from '../engine/operator/source.ts'
import { testJob } from '../engine/testing/test-job.ts'
import { sink, source } from './testing.ts'
import {
  boundedOutOfOrderness,
  count,
  defineJob,
  int32,
  minutes,
  session,
  struct,
  timestamp,
  utf8,
  valueState,
} from './index.ts'

const Click = struct({ user: utf8(), url: utf8(), at: timestamp() })
const Visit = struct({ user: utf8(), clicks: int32(), endedAt: timestamp() })

interface Row {
  readonly user: string
  readonly at: number
}
const clicks = readFileSync(new URL('../examples/data/clicks.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Row)
  .map((row) => ({ ...row, at: new Date(row.at).getTime() }))

/** The function `visits` of the guide, and the session window that says the same. */
const visits: Job = defineJob('visits', (env) => {
  const stream = env
    .fromSource('clicks', sourceOf<{ user: string; url: string; at: number }>(source(Click)))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(minutes(5)))
    .keyBy('user')
  const visited = stream.process('visits', {
    emits: Visit,
    order: 'event-time',
    state: {
      clicks: valueState(int32(), { default: 0 }),
      deadline: valueState(timestamp(), { default: 0 }),
    },
    onRecord(click, { state, timers }) {
      timers.deleteEventTimeTimer(state.deadline.value())
      state.deadline.update(click.at + minutes(30))
      timers.registerEventTimeTimer(state.deadline.value())
      state.clicks.update(state.clicks.value() + 1)
    },
    onTimer(atMs, { key, state, emit }) {
      emit({ user: key, clicks: state.clicks.value(), endedAt: atMs })
      state.clicks.clear()
      state.deadline.clear()
    },
  })
  visited.sinkTo('out', sinkOf(sink() as never))
  stream
    .window(session(minutes(30)))
    .aggregate('sessions', { clicks: count() })
    .sinkTo('windows', sinkOf(sink() as never))
})

describe('the visits of the guide', () => {
  test.each([1, 2, 3, 4])('are 194 at parallelism %i', async (parallelism) => {
    const job = await testJob(visits, { parallelism })
    for (let from = 0; from < clicks.length; from += 50 * parallelism) {
      await job.source('clicks').send(...clicks.slice(from, from + 50 * parallelism))
    }
    await job.finish()
    const text = (row: { user: string; clicks: number }, end: number): string =>
      `${row.user} ${row.clicks} ${end}`
    const rows = job.sink<{ user: string; clicks: number; endedAt: number }>('out').rows()
    const windows = job.sink<{ user: string; clicks: number; windowEnd: number }>('windows').rows()
    expect(rows).toHaveLength(194)
    expect(rows.map((row) => text(row, row.endedAt)).sort()).toEqual(
      windows.map((row) => text(row, row.windowEnd)).sort(),
    )
  })
})
