import type { RecordFlow } from '../faults/schedule.ts'
import type { StreamGraph, StreamNode } from '../graph/stream-graph.ts'
import type { SimulatedJob } from '../simulation/simulated-life.ts'
import { StreamError } from '../base/errors.ts'
import { describeFlow } from '../faults/schedule.ts'
import { jobDefinition } from '../graph/job-definition.ts'
import { firstDifference, type Sides } from './row-difference.ts'

/** Rows that readers of the targets see, by the sink's uid, in the order published. */
export type Published = Readonly<Record<string, readonly string[]>>

/** The job that is run, and its name for people. */
type NamedJob = SimulatedJob & { readonly name: string }

/** One way of running a job without a fault. */
export interface Way {
  readonly seed: number
  readonly parallelism: number
  readonly flow?: RecordFlow
}

/** Two runs without a fault that publish different rows at one sink. */
export interface Difference {
  readonly uid: string
  readonly text: string
  readonly counts: readonly [number, number]
}

/** The first sink at which two runs differ. */
export function differenceOf(first: Published, second: Published): Difference | undefined {
  for (const [uid, rows] of Object.entries(first)) {
    const others = second[uid] ?? []
    const text = firstDifference(rows, others, RUNS)
    if (text !== undefined) return { uid, text, counts: [rows.length, others.length] }
  }
  return undefined
}

const RUNS: Sides = {
  missing: 'is in the first alone',
  extra: 'is in the second alone',
  first: 'the first has',
  second: 'the second',
}

/**
 * Runs the job in other ways, which differ from the plain one in one thing each, to find out what
 * its answer depends on. `found` is how two runs were seen to differ.
 */
export async function dependence(
  subject: NamedJob,
  plain: Way,
  found: { readonly way: Way; readonly difference: Difference },
  publish: (way: Way) => Promise<Published>,
): Promise<StreamError> {
  const first = await publish(plain)
  const again = differenceOf(first, await publish(plain))
  if (again !== undefined) {
    return notDeterministic(subject, 'which were run in the same way', again)
  }
  for (const { how, way } of aloneOf(plain, found.way)) {
    const difference = differenceOf(first, await publish(way))
    if (difference !== undefined) return dependsOn(subject, how, difference)
  }
  return dependsOn(subject, differsIn(plain, found.way), found.difference)
}

/** What of the other way is different, each thing alone; the most telling first. */
function aloneOf(plain: Way, other: Way): readonly { readonly how: string; readonly way: Way }[] {
  // Batches are put together again on their way unless their source waits in between.
  const { uneven, ...cut } = other.flow ?? {}
  const ways: Way[] = [
    ...(Object.keys(cut).length === 0 ? [] : [{ ...plain, flow: cut }]),
    ...(uneven === undefined ? [] : [{ ...plain, flow: { uneven } }]),
    ...(other.seed === plain.seed ? [] : [{ ...plain, seed: other.seed }]),
    ...(other.parallelism === plain.parallelism
      ? []
      : [{ ...plain, parallelism: other.parallelism }]),
  ]
  return ways.map((way) => ({ how: differsIn(plain, way), way }))
}

function differsIn(plain: Way, other: Way): string {
  const parts = [
    other.flow === undefined ? '' : `with ${describeFlow(other.flow)}`,
    other.seed === plain.seed ? '' : 'in another order of events',
    other.parallelism === plain.parallelism
      ? ''
      : `at parallelism ${other.parallelism} instead of ${plain.parallelism}`,
  ]
  return `the second ${parts.filter((part) => part !== '').join(', ')}`
}

/** A step that takes its records as they arrive explains it; without one, something else does. */
function dependsOn(subject: NamedJob, how: string, difference: Difference): StreamError {
  const graph = jobDefinition(subject.job).build(subject.parameters)
  const steps = arrivalSteps(graph, difference.uid)
  const [step] = steps
  if (step === undefined) return notDeterministic(subject, how, difference)
  const { uid, counts, text } = difference
  const others = steps.slice(1).map(({ name }) => `"${name}"`)
  const also = others.length === 0 ? '' : `, and so do ${others.join(', ')}`
  return new StreamError(
    'CHAOS_DEPENDS_ON_ARRIVAL',
    `the answer of "${subject.name}" depends on when its records arrive: ${shown(step)} takes them ` +
      `in order of arrival${also}. Of two runs without a fault, ${how}, the first publishes ` +
      `${counts[0]} rows at sink "${uid}", the second ${counts[1]}: ${text}`,
    { hint: remedyFor(step) },
  )
}

function shown({ name, at }: StreamNode): string {
  return at === undefined ? `step "${name}"` : `step "${name}" (${at})`
}

function remedyFor({ name }: StreamNode): string {
  return (
    `Give process "${name}" order: 'event-time'. Then its answer for records on time is one, ` +
    'however they arrive.'
  )
}

/** The steps on the way to the sink that take records in order of arrival, the first first. */
export function arrivalSteps(graph: StreamGraph, sink: string): readonly StreamNode[] {
  const last = graph.nodes.find(({ uid, name }) => (uid ?? name) === sink)
  const wanted = new Set(last === undefined ? [] : [last.id])
  // A node comes behind all that it reads.
  for (const { id } of graph.nodes.toReversed()) {
    if (!wanted.has(id)) continue
    for (const { from, to } of graph.edges) if (to === id) wanted.add(from)
  }
  return graph.nodes.filter(({ id, order }) => wanted.has(id) && order === 'arrival')
}

function notDeterministic(subject: NamedJob, how: string, { uid, text }: Difference): StreamError {
  return new StreamError(
    'CHAOS_NOT_DETERMINISTIC',
    `two runs of "${subject.name}" without a fault, ${how}, differ at sink "${uid}": ${text}`,
    { hint: USUAL_SUSPECTS },
  )
}

const USUAL_SUSPECTS =
  'What the two rows differ in shows where to look. Usual suspects: a clock or chance; which of ' +
  'two records comes first, also at one subtask, which reads its splits in any order; what a step ' +
  'remembers outside of its state. Use event time, keyed state, and an order that the data has.'
