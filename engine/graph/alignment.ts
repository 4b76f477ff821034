import type { AlignmentBounds } from '../time/watermark-alignment.ts'
import type { JobGraph, JobVertex } from './job-graph.ts'
import { DEFAULT_ALIGNMENT } from '../time/watermark-alignment.ts'
import { keepsRecords } from './stream-graph.ts'

/** A source that pauses when it is far ahead of those that it meets. */
export interface AlignedSource {
  readonly vertex: JobVertex
  readonly bounds: AlignmentBounds
  /** Positions in its chain of the steps that assign times. */
  readonly assigners: readonly number[]
  /** Of its subtask 0 among all subtasks of aligned sources; those of the others follow. */
  readonly firstSlot: number
  /** The sources that it must not run away from, itself included. */
  readonly peers: readonly AlignedSource[]
}

/** A step of a chain that assigns times. */
interface Assigner {
  readonly vertex: JobVertex
  readonly node: number
}

/**
 * The sources of a job that wait for each other. Pure: the master and every worker find the same.
 *
 * A1. Sources meet in a step that does something by event time when their watermarks reach it. They
 *     are aligned there when records wait in the state of that step, or one of them asks for it.
 * A2. A source that is 'off' is not aligned. Nor is one whose times are assigned behind another
 *     thread's channel: what it reads then says nothing of its watermark.
 */
export function alignedSources(graph: JobGraph): readonly AlignedSource[] {
  const meetings = graph.vertices
    .filter(({ chain }) => ['needs', 'reads'].includes(chain[0]!.eventTime ?? ''))
    .map((vertex) => ({ vertex, assigners: assignersAbove(graph, vertex) }))
    .filter(({ vertex, assigners }) => keepsRecords(vertex.chain[0]!) || assigners.some(isAskedFor))
    .map(({ assigners }) => assigners.filter(isAligned))
  const assigners = new Map<JobVertex, Set<number>>()
  for (const { vertex, node } of meetings.flat()) {
    assigners.set(vertex, (assigners.get(vertex) ?? new Set()).add(node))
  }
  let slots = 0
  const sources = [...assigners].map(([vertex, nodes]) => {
    const firstSlot = slots
    slots += vertex.parallelism
    const own = [...nodes].sort((left, right) => left - right)
    const peers: AlignedSource[] = []
    return { vertex, bounds: boundsOf(vertex, own), assigners: own, firstSlot, peers }
  })
  for (const source of sources) {
    const met = meetings.filter((meeting) => meeting.some(({ vertex }) => vertex === source.vertex))
    const vertices = new Set(met.flat().map(({ vertex }) => vertex))
    source.peers.push(...sources.filter(({ vertex }) => vertices.has(vertex)))
  }
  return sources
}

/** How many subtasks aligned sources have together. */
export function alignmentSlots(sources: readonly AlignedSource[]): number {
  return sources.reduce((slots, { vertex }) => slots + vertex.parallelism, 0)
}

/** The steps whose watermarks reach this vertex. */
function assignersAbove(graph: JobGraph, vertex: JobVertex): readonly Assigner[] {
  const found: Assigner[] = []
  const seen = new Set<JobVertex>()
  const open = [vertex]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const id of next.inputs) {
      const { fromVertex, fromNode } = graph.edges[id]!
      const from = graph.vertices[fromVertex]!
      const node = assignerBefore(from, fromNode)
      if (node !== undefined) found.push({ vertex: from, node })
      else if (!seen.has(from)) {
        seen.add(from)
        open.push(from)
      }
    }
  }
  return found
}

/** Of a step and those before it in its chain, the last that assigns times. */
function assignerBefore({ chain, parents }: JobVertex, node: number): number | undefined {
  for (let at = node; at >= 0; at = parents[at]!) {
    if (chain[at]!.eventTime === 'assigns') return at
  }
  return undefined
}

function isAligned({ vertex, node }: Assigner): boolean {
  return vertex.chain[0]!.runtime.type === 'source' && vertex.chain[node]!.alignment !== 'off'
}

function isAskedFor({ vertex, node }: Assigner): boolean {
  return typeof vertex.chain[node]!.alignment === 'object'
}

/** The strictest of its steps that say something. */
function boundsOf({ chain }: JobVertex, assigners: readonly number[]): AlignmentBounds {
  const given: AlignmentBounds[] = []
  for (const node of assigners) {
    const { alignment } = chain[node]!
    if (typeof alignment === 'object') given.push(alignment)
  }
  if (given.length === 0) return DEFAULT_ALIGNMENT
  return {
    maxDriftMs: Math.min(...given.map(({ maxDriftMs }) => maxDriftMs)),
    readAheadBytes: Math.min(...given.map(({ readAheadBytes }) => readAheadBytes)),
  }
}
