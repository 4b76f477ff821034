import type { Files } from '../base/files.ts'
import type { Json } from '../base/json.ts'
import type { FaultPointName } from '../faults/points.ts'
import type { StreamNode } from '../graph/stream-graph.ts'
import type { TraceEvent } from '../faults/trace.ts'
import type { SinkDefinition } from '../operator/sink.ts'
import type { SimulatedJob } from '../simulation/simulated-life.ts'
import type { ScheduleRun } from './schedule-run.ts'
import { StreamError } from '../base/errors.ts'
import { silentLogger } from '../base/logger.ts'
import { seededRandom } from '../base/random.ts'
import { isFaultPoint } from '../faults/points.ts'
import { jobDefinition } from '../graph/job-definition.ts'
import { SeededScheduler } from '../simulation/seeded-scheduler.ts'
import { firstDifference, type Sides } from './row-difference.ts'
import { simulateSchedule } from './simulate-schedule.ts'

/** A job that is to be broken. Its sources can be read again, and its sinks commit. */
export interface Subject extends SimulatedJob {
  readonly name: string
  /** Fills the disk before the first life: input files. */
  readonly prepare?: (files: Files) => Promise<void>
  /** By sink: where rows of one key keep an order. */
  readonly orders?: Readonly<Record<string, RowOrder>>
  /** What the job reads in place of other machines, so that a bundle can hold it. */
  readonly recorded?: RecordedInputs
}

/** What sources on other machines held, by their uid, as plain data. */
export type RecordedInputs = Readonly<Record<string, Json>>

/** What of a row is ordered, and its place in that order, which only grows. */
export type RowOrder = (row: string) => { readonly key: string; readonly place: number }

/** Rows that readers of the targets see, by the sink's uid, in the order published. */
export type Published = Readonly<Record<string, readonly string[]>>

/** What a run without a fault does. */
export interface Golden {
  readonly published: Published
  readonly checkpoints: number
  readonly steps: number
  readonly durationMs: number
  /** How often each point was reached. */
  readonly reached: ReadonlyMap<FaultPointName, number>
}

const SEEDS = [1, 2, 3] as const

/**
 * Runs the job without a fault, in several orders of events and at several parallelisms: what it
 * publishes must be one and the same, else nothing can be said of a run with faults.
 *
 * Throws CHAOS_NOT_DETERMINISTIC with the first row that differs, CHAOS_UNFIT for a job that
 * cannot be judged, and the job's own error when it fails.
 */
export async function goldenRun(subject: Subject, parallelism: number): Promise<Golden> {
  const graph = jobDefinition(subject.job).build(subject.parameters)
  // Before a record flows: what cannot be judged is not run.
  committingSinks(graph.job, graph.nodes)
  const goldens: Golden[] = []
  for (const seed of SEEDS) {
    const faultless = { seed, parallelism: seed === 3 ? parallelism + 1 : parallelism, faults: [] }
    const run = await simulateSchedule({ ...subject, schedule: faultless })
    goldens.push(await goldenOf(subject, run))
  }
  const [first, ...others] = goldens
  for (const other of others) {
    for (const [uid, rows] of Object.entries(first!.published)) {
      const difference = firstDifference(rows, other.published[uid] ?? [], RUNS)
      if (difference === undefined) continue
      const how =
        other === goldens.at(-1)
          ? `at parallelism ${parallelism} and ${parallelism + 1}`
          : `at parallelism ${parallelism}, in two orders of events`
      throw new StreamError(
        'CHAOS_NOT_DETERMINISTIC',
        `two runs of "${subject.name}" without a fault, ${how}, differ at sink "${uid}": ${difference}`,
        { hint: USUAL_SUSPECTS },
      )
    }
  }
  return first!
}

const RUNS: Sides = {
  missing: 'is in the first alone',
  extra: 'is in the second alone',
  first: 'the first has',
  second: 'the second',
}

const USUAL_SUSPECTS =
  'What the two rows differ in shows where to look. Usual suspects: a clock or chance; which of ' +
  'two records comes first, also at one subtask, which reads its splits in any order; what a step ' +
  'remembers outside of its state. Use event time, keyed state, and an order that the data has.'

async function goldenOf(subject: Subject, run: ScheduleRun): Promise<Golden> {
  const last = run.lives.at(-1)!
  const { ended } = last
  if (ended.type === 'failed') throw StreamError.fromData(ended.error)
  if (ended.type !== 'finished') {
    throw new StreamError('CHAOS_UNFIT', `"${subject.name}" did not come to an end by itself`, {
      hint: 'Give its sources an end (records, untilMs, bounded) while it is tried.',
    })
  }
  return {
    published: await publishedBy(run),
    checkpoints: ended.summary.checkpoints,
    steps: last.steps,
    durationMs: last.toMs - last.fromMs,
    reached: reachedIn(run.trace),
  }
}

/** How often each point was reached. */
export function reachedIn(trace: readonly TraceEvent[]): ReadonlyMap<FaultPointName, number> {
  const reached = new Map<FaultPointName, number>()
  for (const { point } of trace) {
    if (isFaultPoint(point)) reached.set(point, (reached.get(point) ?? 0) + 1)
  }
  return reached
}

/** What is published at every sink that commits when a run is over. */
export function publishedBy({ plan, disk }: ScheduleRun): Promise<Published> {
  const nodes = plan.graph.vertices.flatMap(({ chain }) => chain)
  return publishedAt(committingSinks(plan.job, nodes), disk.files())
}

/** The same on any disk. */
export function publishedIn({ job, parameters }: Subject, files: Files): Promise<Published> {
  const graph = jobDefinition(job).build(parameters)
  return publishedAt(committingSinks(graph.job, graph.nodes), files)
}

async function publishedAt(sinks: CommittingSinks, files: Files): Promise<Published> {
  const random = seededRandom(1)
  const doors = {
    clock: new SeededScheduler(random, 0),
    random,
    files,
    logger: silentLogger,
  }
  const published: Record<string, readonly string[]> = {}
  for (const [uid, sink] of sinks) published[uid] = await sink.published!(doors)
  return published
}

type CommittingSinks = ReadonlyMap<string, SinkDefinition>

function committingSinks(job: string, nodes: readonly StreamNode[]): CommittingSinks {
  const sinks = new Map<string, SinkDefinition>()
  for (const { uid, name, runtime } of nodes) {
    if (runtime.type !== 'sink' || runtime.sink.createCommitter === undefined) continue
    if (runtime.sink.published === undefined) {
      throw new StreamError('CHAOS_UNFIT', `what sink "${uid ?? name}" publishes cannot be read`, {
        hint: 'Give the sink a `published` method that reads the rows of its target.',
      })
    }
    sinks.set(uid ?? name, runtime.sink)
  }
  if (sinks.size > 0) return sinks
  throw new StreamError('CHAOS_UNFIT', `no sink of "${job}" commits`, {
    hint: 'A sink that prints cannot be held against a run without faults; use fileSink or parquetSink.',
  })
}
