import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { JobGraph, JobVertex } from '../graph/job-graph.ts'
import type { LowestSplit } from '../operator/operator.ts'
import type { SubtaskMetrics } from '../worker/protocol.ts'
import type { SourceCoordinator } from './source-coordinator.ts'
import { EVENT_TIME_STALL_MS, METRICS_EVERY_MS } from '../base/limits.ts'
import { headName } from '../graph/job-graph.ts'
import { MAX_WATERMARK, MIN_WATERMARK } from '../stream/elements.ts'

/** A step that has had no record for this long is not waiting for event time. */
const QUIET_MS = 4 * METRICS_EVERY_MS

type SplitNames = readonly Pick<SourceCoordinator, 'vertex' | 'placeOf'>[]

interface Lowest {
  readonly found: LowestSplit
  readonly of: SubtaskMetrics
}

/** One vertex that waits for event time, since its watermark last moved. */
interface Waiting {
  readonly vertex: JobVertex
  readonly assigners: readonly JobVertex[]
  watermarkMs: number
  /** Since when it has had records with the watermark where it is; undefined: none yet. */
  sinceMs: number | undefined
  /** When its last record was seen. */
  newMs: number
  hasMoved: boolean
  recordsIn: number
  isWarned: boolean
}

/**
 * Warns when a step that waits for event time gets records, and no watermark that would let it give
 * results: with the split that holds it back, and what to do.
 *
 * W1. One warning a step until its watermark moves again. A step whose watermark has moved in this
 *     life is only looked at while further records come.
 * W2. A watermark that is merely on its way to the step is no reason.
 * W3. Nor is a source that is paused because it is far ahead of another: the other one is named.
 */
export class StallWatch {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #sources: SplitNames
  readonly #graph: JobGraph
  readonly #waiting: readonly Waiting[]

  constructor(graph: JobGraph, sources: SplitNames, doors: { clock: Clock; logger: Logger }) {
    this.#clock = doors.clock
    this.#logger = doors.logger
    this.#sources = sources
    this.#graph = graph
    this.#waiting = graph.vertices
      .filter(({ chain }) => chain.some(({ eventTime }) => eventTime === 'needs'))
      .map((vertex) => ({
        vertex,
        assigners: assignersAbove(graph, vertex),
        watermarkMs: MIN_WATERMARK,
        sinceMs: undefined,
        newMs: 0,
        hasMoved: false,
        recordsIn: 0,
        isWarned: false,
      }))
  }

  look(metricsOf: (vertex: JobVertex) => readonly SubtaskMetrics[]): void {
    const nowMs = this.#clock.monotonicMs()
    for (const waiting of this.#waiting) {
      const subtasks = metricsOf(waiting.vertex)
      if (subtasks.length < waiting.vertex.parallelism) continue
      const watermarkMs = Math.min(...subtasks.map((metrics) => metrics.watermarkMs))
      const recordsIn = subtasks.reduce((sum, metrics) => sum + metrics.recordsIn[0]!, 0)
      this.#note(waiting, watermarkMs, recordsIn, nowMs)
      const { sinceMs, isWarned } = waiting
      if (sinceMs === undefined || nowMs - sinceMs < EVENT_TIME_STALL_MS) continue
      if (watermarkMs < MAX_WATERMARK && !isWarned) this.#warn(waiting, metricsOf)
    }
  }

  #note(waiting: Waiting, watermarkMs: number, recordsIn: number, nowMs: number): void {
    if (recordsIn > waiting.recordsIn) waiting.newMs = nowMs
    if (watermarkMs > waiting.watermarkMs) {
      waiting.sinceMs = undefined
      waiting.isWarned = false
      // Before its first record it goes to where it was restored.
      if (recordsIn > 0) waiting.hasMoved = true
    } else if (recordsIn > waiting.recordsIn) {
      waiting.sinceMs ??= nowMs
    } else if (waiting.hasMoved && nowMs - waiting.newMs > QUIET_MS) {
      waiting.sinceMs = undefined
    }
    waiting.watermarkMs = watermarkMs
    waiting.recordsIn = recordsIn
  }

  #warn(waiting: Waiting, metricsOf: (vertex: JobVertex) => readonly SubtaskMetrics[]): void {
    let lowest: Lowest | undefined
    for (const assigner of waiting.assigners) {
      for (const of of metricsOf(assigner)) {
        const found = of.lowestSplit
        if (found === undefined) continue
        if (lowest === undefined || found.watermarkMs < lowest.found.watermarkMs) {
          lowest = { found, of }
        }
      }
    }
    if (lowest === undefined || lowest.found.watermarkMs > waiting.watermarkMs) return // W2.
    const { found, of } = this.#behindPauses(lowest, metricsOf)
    waiting.isWarned = true
    const assigner = this.#graph.vertices[of.vertex]!
    const split = found.split === undefined ? undefined : this.#nameOf(found.split)
    this.#logger.warn(
      {
        step: headName(waiting.vertex),
        source: headName(assigner),
        subtask: of.subtask,
        ...(split === undefined ? {} : { split }),
        watermark: timeOf(found.watermarkMs),
        hint: HINTS[found.state],
      },
      `a step has had records for ${EVENT_TIME_STALL_MS / 1_000} s, and its watermark stands still`,
    )
  }

  /** W3. Each waits for one that is further behind it, so this comes to an end. */
  #behindPauses(
    lowest: Lowest,
    metricsOf: (vertex: JobVertex) => readonly SubtaskMetrics[],
  ): Lowest {
    const { waitsFor, lowestSplit } = lowest.of
    if (waitsFor === undefined) return lowest
    const of = metricsOf(this.#graph.vertices[waitsFor.vertex]!).find(
      ({ subtask }) => subtask === waitsFor.subtask,
    )
    const found = of?.lowestSplit
    if (of === undefined || found === undefined) return lowest
    const isBehind = lowestSplit !== undefined && found.watermarkMs < lowestSplit.watermarkMs
    return isBehind ? this.#behindPauses({ found, of }, metricsOf) : lowest
  }

  #nameOf(index: number): string | undefined {
    for (const source of this.#sources) {
      const split = source.placeOf(index)?.split
      if (split !== undefined) return split
    }
    return undefined
  }
}

const HINTS = {
  silent:
    'This split gives no records, and may still give earlier ones than the others. If it can stay silent, call withIdleness on the watermark strategy: after that time the others go on without it.',
  queued:
    'This split is read after others, and may hold earlier records. If the files follow each other by name, set inOrder: true on fileSource.',
  read: 'This split gives records, but its watermark does not pass the ones before. Look at its event times, and at the bound of the watermark strategy.',
} as const satisfies Record<LowestSplit['state'], string>

function timeOf(ms: number): string {
  if (ms === MIN_WATERMARK) return 'none'
  return Math.abs(ms) > DATE_MAX_MS ? String(ms) : new Date(ms).toISOString()
}

/** What a Date can hold. */
const DATE_MAX_MS = 8.64e15

/** The vertices that assign times and from which a way leads to this one, itself included. */
function assignersAbove(graph: JobGraph, vertex: JobVertex): readonly JobVertex[] {
  const found = new Set<JobVertex>()
  const seen = new Set<JobVertex>()
  const open = [vertex]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (seen.has(next)) continue
    seen.add(next)
    if (next.chain.some(({ eventTime }) => eventTime === 'assigns')) found.add(next)
    for (const id of next.inputs) open.push(graph.vertices[graph.edges[id]!.fromVertex]!)
  }
  return [...found]
}
