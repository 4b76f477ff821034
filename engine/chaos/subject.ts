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
import { dependence, differenceOf, type Published, type Way } from './arrival.ts'
import { simulateSchedule } from './simulate-schedule.ts'

export type { Published } from './arrival.ts'

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

/** What a run without a fault does. */
export interface Golden {
  readonly published: Published
  readonly checkpoints: number
  readonly steps: number
  readonly durationMs: number
  /** How often each point was reached. */
  readonly reached: ReadonlyMap<FaultPointName, number>
}

/** Batches of a faultless run that has its input cut otherwise, where the subject says nothing. */
const CUT_RECORDS = 16

/**
 * Runs the job without a fault, in several orders of events, with its input cut otherwise and its
 * inputs served otherwise, and at several parallelisms: what it publishes must be one and the same,
 * else nothing can be said of a run with faults.
 *
 * Throws CHAOS_DEPENDS_ON_ARRIVAL or CHAOS_NOT_DETERMINISTIC with the first row that differs,
 * CHAOS_UNFIT for a job that cannot be judged, and the job's own error when it fails.
 */
export async function goldenRun(subject: Subject, parallelism: number): Promise<Golden> {
  const graph = jobDefinition(subject.job).build(subject.parameters)
  // Before a record flows: what cannot be judged is not run.
  committingSinks(graph.job, graph.nodes)
  const plain: Way = { seed: 1, parallelism }
  const first = await goldenOf(subject, plain)
  const batchRecords = Math.ceil((subject.batchRecords ?? 4 * CUT_RECORDS) / 4)
  const others: readonly Way[] = [
    { seed: 2, parallelism, flow: { batchRecords, pollMs: 1, uneven: true } },
    { seed: 3, parallelism: parallelism + 1 },
  ]
  for (const way of others) {
    const { published } = await goldenOf(subject, way)
    await checkSame(subject, first, plain, way, published)
  }
  return first
}

/** Throws when a run without a fault has not published what the plain one has. */
export async function checkSame(
  subject: Subject,
  { published: expected }: Golden,
  plain: Way,
  way: Way,
  published: Published,
): Promise<void> {
  const difference = differenceOf(expected, published)
  if (difference === undefined) return
  throw await dependence(subject, plain, { way, difference }, async (other) => {
    const golden = await goldenOf(subject, other)
    return golden.published
  })
}

/** Runs it in one way, without a fault. */
export async function goldenOf(subject: Subject, way: Way): Promise<Golden> {
  const run = await simulateSchedule({ ...subject, schedule: { ...way, faults: [] } })
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
