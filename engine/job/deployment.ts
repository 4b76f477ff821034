import type { CheckpointManifest } from '../checkpoint/manifest.ts'
import type { OperatorRestore, Deployment, RingDescription } from '../worker/protocol.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { JobPlan } from './job-plan.ts'
import { createRing, ringBytes } from '../channel/ring.ts'
import { copyToRestore } from '../checkpoint/broadcast-copies.ts'
import { startWatermark } from '../checkpoint/start-watermark.ts'
import { alignedSources, alignmentSlots } from '../graph/alignment.ts'
import { planData } from '../graph/plan.ts'
import { keyGroupRange } from '../stream/keys.ts'
import { AlignmentBoard } from '../task/alignment-board.ts'
import { hasKeyedState } from '../worker/state-files.ts'
import { channelsOf } from '../worker/task-builder.ts'

export interface DeploymentOptions {
  readonly plan: JobPlan
  readonly workers: number
  readonly epoch: number
  readonly workDir: string
  /** For all keyed state of the job. */
  readonly stateCacheBytes: number
  /** Undefined: all tasks share this thread. */
  readonly parking: SharedArrayBuffer | undefined
  readonly restored: CheckpointManifest | undefined
}

/** What each worker is told: the same plan and state, and the rings that it holds an end of. */
export function deploymentsOf(options: DeploymentOptions): readonly Deployment[] {
  const { plan, workers, restored } = options
  const rings = options.parking === undefined ? [] : ringsOf(plan.graph, workers)
  const restore = restoreOf(restored)
  const watermarks = watermarksOf(plan.graph, restore)
  const stateCacheBytes = Math.ceil(options.stateCacheBytes / storesOf(plan.graph))
  const alignment = AlignmentBoard.create(alignmentSlots(alignedSources(plan.graph)))
  const written = planData(plan.graph.graph)
  return Array.from({ length: workers }, (_, worker) => ({
    worker,
    workers,
    parallelism: plan.parallelism,
    bundle: plan.bundle,
    parameters: plan.parameters,
    plan: written,
    epoch: options.epoch,
    workDir: options.workDir,
    stateCacheBytes,
    rings: rings.filter(({ from, to }) => from % workers === worker || to % workers === worker),
    parking: options.parking,
    alignment,
    restore,
    watermarks,
  }))
}

/** How many stores of keyed state there are, over all subtasks; at least one. */
function storesOf(graph: JobGraph): number {
  let stores = 0
  for (const { chain, parallelism } of graph.vertices) {
    stores += chain.filter(hasKeyedState).length * parallelism
  }
  return Math.max(1, stores)
}

/** A ring for each channel between two workers; all rings of an exchange share one budget. */
function ringsOf(graph: JobGraph, workers: number): readonly RingDescription[] {
  const crossing = [...channelsOf(graph)].filter(({ from, to }) => from % workers !== to % workers)
  const counts = new Map<number, number>()
  for (const { edge } of crossing) counts.set(edge.id, (counts.get(edge.id) ?? 0) + 1)
  return crossing.map(({ edge, from, to }) => ({
    edge: edge.id,
    from,
    to,
    buffer: createRing(ringBytes(counts.get(edge.id)!)),
  }))
}

function restoreOf(
  restored: CheckpointManifest | undefined,
): Readonly<Record<string, OperatorRestore>> {
  const restore: Record<string, OperatorRestore> = {}
  for (const operator of restored?.operators ?? []) {
    const { uid, parallelism, maxParallelism, descriptors, changes = [], subtasks } = operator
    const broadcast = copyToRestore(subtasks)
    restore[uid] = { parallelism, maxParallelism, descriptors, changes, subtasks, broadcast }
  }
  return restore
}

/** By vertex and subtask: the watermark to start at, of those that had state. */
function watermarksOf(
  graph: JobGraph,
  restore: Readonly<Record<string, OperatorRestore>>,
): Readonly<Record<number, readonly number[]>> {
  const watermarks: Record<number, readonly number[]> = {}
  for (const { id, chain, parallelism, maxParallelism } of graph.vertices) {
    const restored = chain.flatMap(({ uid }) => restore[uid ?? ''] ?? [])
    if (restored.length === 0) continue
    const isOrdered = chain[0]!.order === 'event-time'
    watermarks[id] = Array.from({ length: parallelism }, (_, subtask) => {
      const range = keyGroupRange(subtask, maxParallelism, parallelism)
      const own = { range, maxParallelism, isOrdered }
      return Math.max(...restored.map((operator) => startWatermark(operator, own)))
    })
  }
  return watermarks
}
