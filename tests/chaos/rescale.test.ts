/**
 * Every parallelism from 1 to 6 to every other and back: a life that dies at a step of a checkpoint
 * is followed by one with more or fewer subtasks, with timers and open windows at the cut, often
 * with output that is complete and not published. What is published in the end is the same.
 */
import { expect, test } from 'vitest'
import { count, defineJob, field, int32, listState, millis, struct, sum, timestamp } from 'millrace'
import { tumbling } from 'millrace'
import { collectionSource, fileSink } from 'millrace/connectors'
import type { ScheduleRun } from '../../engine/chaos/schedule-run.ts'
import { simulateSchedule } from '../../engine/chaos/simulate-schedule.ts'
import { seededRandom, type Random } from '../../engine/base/random.ts'
import type { Fault, FaultSchedule } from '../../engine/faults/schedule.ts'
import { figures, firstSeed, share } from '../share.ts'
import { allIds, events, rows, runningByUser, windowTotals } from './shape-events.ts'
import { byUser, checkpointing, generated, idSink, paced, Running, Totals } from './shape-parts.ts'
import { violations, type ChaosShape } from './shape.ts'

const PARALLELISMS = [1, 2, 3, 4, 5, 6]
const SEEDS = share(1, 10)
const WINDOW_MS = 150

/** Timers of both times, open windows, a total that goes on: each has to find its new subtask. */
const shape: ChaosShape = {
  name: 'rescale',
  job: defineJob('rescale', (env) => {
    env.checkpointing(checkpointing)
    const all = generated(env, 'generated')
    all
      .keyBy('user')
      .process('hold', {
        emits: struct({ id: int32() }),
        state: { held: listState(struct({ id: int32(), at: timestamp() })) },
        onRecord({ id, at }, { state, timers }) {
          state.held.add({ id, at })
          timers.registerEventTimeTimer(at + 80)
          timers.registerProcessingTimeTimer(timers.processingTimeMs + 30)
        },
        onTimer(_atMs, { state, timers, emit }) {
          const held = state.held.get()
          for (const { id, at } of held) if (at + 80 <= timers.watermarkMs) emit({ id })
          state.held.update(held.filter(({ at }) => at + 80 > timers.watermarkMs))
        },
      })
      .sinkTo('ids', idSink('ids'))
    all
      .keyBy('user')
      .window(tumbling(millis(WINDOW_MS)))
      .aggregate('by-window', { events: count(), amount: sum('amount') })
      .select({
        user: field('user'),
        start: field('windowStart'),
        end: field('windowEnd'),
        events: field('events'),
        amount: field('amount'),
      })
      .sinkTo('totals', fileSink({ directory: '/totals', schema: Totals }))
    paced(env, collectionSource(events))
      .keyBy('user')
      .aggregate('so-far', { events: count(), amount: sum('amount') })
      .sinkTo('running', fileSink({ directory: '/running', schema: Running }))
  }),
  parameters: {},
  expected: {
    ids: allIds,
    totals: rows(windowTotals(WINDOW_MS)),
    running: runningByUser,
  },
  order: { running: byUser },
}

/** Where a life dies, and whether complete output then waits to be published. */
const CUTS = [
  { point: 'coordinator.commit', isPending: true },
  { point: 'commit.begin', isPending: true },
  { point: 'disk.publish.link', isPending: true },
  { point: 'disk.marker.rename', isPending: true },
  { point: 'coordinator.written', isPending: true },
  { point: 'snapshot.acknowledge', isPending: false },
  { point: 'timer.event', isPending: false },
  { point: 'task.batch', isPending: false },
] as const

test('every parallelism to every other and back: the same output', async () => {
  const counts = { pairs: 0, runs: 0, rescales: 0, withPendingCommits: 0, steps: 0 }
  for (const from of PARALLELISMS) {
    for (const to of PARALLELISMS) {
      counts.pairs += 1
      for (let seed = firstSeed(); seed < firstSeed() + SEEDS; seed += 1) {
        const random = seededRandom(seed * 100 + from * 10 + to)
        const schedule = scheduleOf(from, to, seed, random)
        const run = await simulateSchedule({
          job: shape.job,
          parameters: {},
          schedule,
          workers: 1 + random.int(3),
        })
        const said = `${from} → ${to}, seed ${seed}: ${JSON.stringify(schedule)}\n${lived(run)}`
        expect(run.lives.at(-1)!.ended.type, said).toBe('finished')
        expect(await violations(shape, run.disk.files()), said).toEqual([])
        counts.runs += 1
        counts.rescales += run.fired.length
        for (const index of run.fired) {
          const { point } = schedule.faults[index]!
          if (CUTS.find((cut) => cut.point === point)!.isPending) counts.withPendingCommits += 1
        }
        for (const { steps } of run.lives) counts.steps += steps
      }
    }
  }
  figures('rescale', counts)
  // Most cuts fall before the end of their life.
  expect(counts.rescales).toBeGreaterThan(counts.runs)
  expect(counts.withPendingCommits).toBeGreaterThan(counts.runs / 2)
}, 3_600_000)

function scheduleOf(from: number, to: number, seed: number, random: Random): FaultSchedule {
  const faults = [to, from].map((parallelism, index): Fault => {
    const { point } = CUTS[random.int(CUTS.length)]!
    const nth = 1 + random.int(point === 'timer.event' || point === 'task.batch' ? 40 : 3)
    return { point, nth, life: index + 1, action: { type: 'rescale', parallelism } }
  })
  return { seed, parallelism: from, faults }
}

function lived({ lives }: ScheduleRun): string {
  return lives
    .map(({ parallelism, ended, steps }) => `p${parallelism} ${JSON.stringify(ended)} in ${steps}`)
    .join('\n')
}
