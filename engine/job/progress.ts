import type { JobGraph, JobVertex } from '../graph/job-graph.ts'
import type { SubtaskMetrics } from '../worker/protocol.ts'
import type { StallWatch } from './stall-watch.ts'
import type { PausedSubtask, StepProgress } from './protocol.ts'
import type { SubtaskSnapshot } from '../checkpoint/snapshot.ts'
import { givesLate } from '../graph/stream-graph.ts'
import { MAX_WATERMARK, MIN_WATERMARK } from '../stream/elements.ts'

/** Records that went through one step of the job, over all its subtasks and lives. */
export interface StepCounts {
  readonly recordsIn: number
  readonly recordsOut: number
  /** That sources could not decode and passed over. */
  readonly malformed: number
  /** That came behind the watermark and that nobody read. */
  readonly late: number
}

/** What a checkpoint has counted up to it, over all lives. */
export function countsOf(counters: Readonly<Record<string, number>> | undefined): StepCounts {
  return {
    recordsIn: counters?.['recordsIn'] ?? 0,
    recordsOut: counters?.['recordsOut'] ?? 0,
    malformed: counters?.['malformed'] ?? 0,
    late: counters?.['late'] ?? 0,
  }
}

/** The counts of a checkpoint: those this life began with, and what its subtasks have added. */
export function addCounts(base: StepCounts, snapshots: readonly SubtaskSnapshot[]): StepCounts {
  return {
    recordsIn: base.recordsIn + sum(snapshots.map((snapshot) => snapshot.recordsRead)),
    recordsOut: base.recordsOut + sum(snapshots.map((snapshot) => snapshot.recordsWritten)),
    malformed: base.malformed + sum(snapshots.map((snapshot) => snapshot.recordsMalformed)),
    late: base.late + sum(snapshots.map((snapshot) => snapshot.recordsLate)),
  }
}

/** Folds the counters that workers report into what a person, or the summary, is shown. */
export class Progress {
  readonly #graph: JobGraph
  readonly #latest = new Map<string, SubtaskMetrics>()
  /** By vertex: the position in the chain from which on there is event time; undefined: nowhere. */
  readonly #eventTimeFrom: readonly (number | undefined)[]
  /** Steps of which it is known that they drop late records. */
  readonly #late = new Set<string>()

  readonly #stalls: StallWatch | undefined

  constructor(graph: JobGraph, stalls?: StallWatch) {
    this.#graph = graph
    this.#stalls = stalls
    this.#eventTimeFrom = eventTimeFrom(graph)
  }

  update(subtasks: readonly SubtaskMetrics[]): void {
    for (const metrics of subtasks) {
      this.#latest.set(`${metrics.vertex}:${metrics.subtask}`, metrics)
    }
    this.#stalls?.look((vertex) => this.#metricsOf(vertex))
  }

  /** Names of the steps that have dropped late records since it was last asked. */
  takeLateSteps(): readonly string[] {
    const found: string[] = []
    for (const vertex of this.#graph.vertices) {
      for (const [index, { name }] of vertex.chain.entries()) {
        if (this.#late.has(name)) continue
        if (this.#metricsOf(vertex).every(({ late }) => late[index] === 0)) continue
        this.#late.add(name)
        found.push(name)
      }
    }
    return found
  }

  steps(): readonly StepProgress[] {
    return this.#graph.vertices.flatMap((vertex) => this.#stepsOf(vertex))
  }

  /** What sources have read, and what has arrived at sinks. */
  totals(): StepCounts {
    let recordsIn = 0
    let recordsOut = 0
    let malformed = 0
    let late = 0
    for (const vertex of this.#graph.vertices) {
      for (const [index, node] of vertex.chain.entries()) {
        const type = node.runtime.type
        for (const metrics of this.#metricsOf(vertex)) {
          late += metrics.late[index]!
          if (type === 'source') {
            recordsIn += metrics.recordsIn[index]!
            malformed += metrics.malformed
          }
          if (type === 'sink') recordsOut += metrics.recordsIn[index]!
        }
      }
    }
    return { recordsIn, recordsOut, malformed, late }
  }

  #metricsOf(vertex: JobVertex): readonly SubtaskMetrics[] {
    const found: SubtaskMetrics[] = []
    for (let subtask = 0; subtask < vertex.parallelism; subtask += 1) {
      const metrics = this.#latest.get(`${vertex.id}:${subtask}`)
      if (metrics !== undefined) found.push(metrics)
    }
    return found
  }

  #pausedOf(subtasks: readonly SubtaskMetrics[]): { readonly paused?: readonly PausedSubtask[] } {
    const paused: PausedSubtask[] = []
    for (const { subtask, waitsFor } of subtasks) {
      if (waitsFor === undefined) continue
      const { name } = this.#graph.vertices[waitsFor.vertex]!.chain[0]!
      paused.push({ subtask, waitsFor: { source: name, subtask: waitsFor.subtask } })
    }
    return paused.length === 0 ? {} : { paused }
  }

  #stepsOf(vertex: JobVertex): readonly StepProgress[] {
    const subtasks = this.#metricsOf(vertex)
    const { busy, backPressured } = leastIdle(subtasks)
    const timed = this.#eventTimeFrom[vertex.id] ?? vertex.chain.length
    const paused = this.#pausedOf(subtasks)
    return vertex.chain.map((node, index) => ({
      name: node.name,
      parallelism: vertex.parallelism,
      recordsIn: sum(subtasks.map((metrics) => metrics.recordsIn[index]!)),
      recordsOut: sum(subtasks.map((metrics) => metrics.recordsOut[index]!)),
      ...(node.runtime.type === 'source'
        ? { malformed: sum(subtasks.map((metrics) => metrics.malformed)), ...paused }
        : {}),
      ...(givesLate(node) ? { late: sum(subtasks.map((metrics) => metrics.late[index]!)) } : {}),
      type: node.runtime.type,
      chained: index > 0,
      busy,
      backPressured,
      ...(index < timed ? {} : { watermark: watermarkOf(vertex, subtasks, index) }),
    }))
  }
}

/** The shares of the subtask that has the least left of its time; of equals, the busiest. */
function leastIdle(
  subtasks: readonly SubtaskMetrics[],
): Pick<SubtaskMetrics, 'busy' | 'backPressured'> {
  const share = ({ busy, backPressured }: SubtaskMetrics): number => busy + backPressured
  const sorted = [...subtasks].sort(
    (left, right) => share(right) - share(left) || right.busy - left.busy,
  )
  return sorted[0] ?? { busy: 0, backPressured: 0 }
}

function eventTimeFrom({ vertices, edges }: JobGraph): readonly (number | undefined)[] {
  const found: (number | undefined)[] = []
  // Whoever sends to a vertex stands before it.
  for (const { id, inputs, chain } of vertices) {
    const assigns = chain.findIndex(({ eventTime }) => eventTime === 'assigns')
    if (inputs.some((edge) => found[edges[edge]!.fromVertex] !== undefined)) found[id] = 0
    else found[id] = assigns < 0 ? undefined : assigns
  }
  return found
}

/** The least of the subtasks. One that is idle, such as one without a split, holds nothing back. */
function watermarkOf(
  { chain }: JobVertex,
  subtasks: readonly SubtaskMetrics[],
  index: number,
): number | 'none' | 'end' {
  const assigns = chain.some(({ eventTime }) => eventTime === 'assigns')
  const active = assigns ? subtasks.filter(({ lowestSplit }) => lowestSplit !== undefined) : []
  const counted = active.length === 0 ? subtasks : active
  return slowest(counted.map(({ watermarksMs }) => watermarksMs[index]!))
}

function slowest(watermarks: readonly number[]): number | 'none' | 'end' {
  const least = watermarks.length === 0 ? MIN_WATERMARK : Math.min(...watermarks)
  if (least === MIN_WATERMARK) return 'none'
  return least === MAX_WATERMARK ? 'end' : least
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
