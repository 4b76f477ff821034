import type { JobEdge, JobGraph, JobVertex } from './job-graph.ts'
import type { Partitioning, StreamEdge, StreamGraph, StreamNode } from './stream-graph.ts'
import { assert } from '../base/assert.ts'
import { checkSubtasks, placeOf } from './validate.ts'

/** Why the two ends of an edge do, or do not, share a thread. */
export interface ChainDecision {
  readonly edge: StreamEdge
  readonly chained: boolean
  readonly reason: string
  /** What the edge is when it is not chained. */
  readonly partitioning: Partitioning
}

/** One decision an edge of the graph, in their order (JobGraph J3). */
export function chainDecisions(graph: StreamGraph, parallelism: number): readonly ChainDecision[] {
  const inputs = new Map<number, number>()
  for (const { to } of graph.edges) inputs.set(to, (inputs.get(to) ?? 0) + 1)
  return graph.edges.map((edge) => decide(graph, edge, parallelism, inputs.get(edge.to)!))
}

function decide(
  graph: StreamGraph,
  edge: StreamEdge,
  parallelism: number,
  inputs: number,
): ChainDecision {
  const from = subtasksOf(graph.nodes[edge.from]!, parallelism)
  const to = subtasksOf(graph.nodes[edge.to]!, parallelism)
  const { partitioning } = edge
  if (partitioning.type !== 'forward') {
    return { edge, chained: false, reason: exchangeReason(partitioning), partitioning }
  }
  if (from !== to) {
    const reason = `parallelism changes from ${from} to ${to}: records go round robin`
    return { edge, chained: false, reason, partitioning: { type: 'rebalance' } }
  }
  if (inputs > 1) {
    const reason = `the receiver has ${inputs} inputs: each subtask sends to its like`
    return { edge, chained: false, reason, partitioning }
  }
  const reason = 'records go straight on, with the same parallelism and one input'
  return { edge, chained: true, reason, partitioning }
}

function exchangeReason(partitioning: Exclude<Partitioning, { type: 'forward' }>): string {
  switch (partitioning.type) {
    case 'hash':
      return `records are exchanged by ${keyText(partitioning.key)}`
    case 'rebalance':
      return 'rebalance: records go round robin'
    case 'broadcast':
      return 'broadcast: every subtask gets every record'
    case 'global':
      return 'global: one subtask gets every record'
    default:
      return partitioning satisfies never
  }
}

export function keyText(key: Extract<Partitioning, { type: 'hash' }>['key']): string {
  switch (key.type) {
    case 'field':
      return `key "${key.field}"`
    case 'fields':
      return `keys "${key.fields.join('", "')}"`
    case 'function':
      return 'a key by function'
    default:
      return key satisfies never
  }
}

function subtasksOf(node: StreamNode, parallelism: number): number {
  return node.parallelism ?? parallelism
}

/**
 * Chains neighbours to vertices. `parallelism` holds for every node that says nothing else. Throws
 * PARALLELISM_INVALID when there would be more subtasks than key groups.
 */
export function toJobGraph(graph: StreamGraph, parallelism: number): JobGraph {
  for (const node of graph.nodes) {
    const max = node.maxParallelism ?? graph.settings.maxParallelism
    checkSubtasks(`"${node.name}"`, subtasksOf(node, parallelism), max, placeOf(node))
  }
  const decisions = chainDecisions(graph, parallelism)
  const places = placeNodes(graph, decisions)
  const edges: BareEdge[] = []
  for (const { edge, chained, partitioning } of decisions) {
    if (chained) continue
    const from = places.get(edge.from)!
    const to = places.get(edge.to)!
    assert(to.index === 0, 'only the head of a chain has inputs (J2)')
    edges.push({
      id: edges.length,
      fromVertex: from.vertex,
      fromNode: from.index,
      side: edge.side,
      toVertex: to.vertex,
      input: edge.input,
      partitioning,
    })
  }
  const vertices = toVertices(graph, parallelism, [...places.values()], edges)
  const needs = vertices.map((vertex) => needsPositions(vertex, edges))
  const timed = vertices.map(isTimed)
  const isSorted = vertices.map((vertex) => vertex.chain[0]!.order === 'event-time')
  for (let id = vertices.length - 1; id >= 0; id -= 1) {
    spreadNeed(id, vertices, edges, needs)
    spreadSort(id, vertices, edges, needs, isSorted)
    if (handsWatermarksOn(vertices[id]!, edges, timed)) timed[id] = true
  }
  return {
    graph,
    vertices,
    edges: edges.map((edge) => ({
      ...edge,
      positions: needs[edge.toVertex]!,
      watermarks: timed[edge.toVertex]!,
    })),
  }
}

/** An edge of which is not known yet what has to travel on it. */
type BareEdge = Omit<JobEdge, 'positions' | 'watermarks'>

/** Where a node stands: in which vertex, at which position, below which parent. */
interface Place {
  readonly node: StreamNode
  readonly vertex: number
  readonly index: number
  readonly parent: number
  readonly side: string | undefined
}

/** Heads become vertices in the order of their nodes; what is chained to one follows depth first. */
function placeNodes(
  graph: StreamGraph,
  decisions: readonly ChainDecision[],
): ReadonlyMap<number, Place> {
  const chained = decisions.filter((decision) => decision.chained).map(({ edge }) => edge)
  const isChained = new Set(chained.map((edge) => edge.to))
  const places = new Map<number, Place>()
  let vertices = 0
  for (const head of graph.nodes) {
    if (isChained.has(head.id)) continue
    const vertex = vertices
    vertices += 1
    let count = 0
    const stack: Omit<Place, 'vertex' | 'index'>[] = [{ node: head, parent: -1, side: undefined }]
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const index = count
      count += 1
      const { node } = next
      places.set(node.id, { ...next, vertex, index })
      const children = chained.filter((edge) => edge.from === node.id).reverse()
      for (const { to, side } of children) {
        stack.push({ node: graph.nodes[to]!, parent: index, side })
      }
    }
  }
  assert(places.size === graph.nodes.length, 'every node stands in a vertex')
  return places
}

function toVertices(
  graph: StreamGraph,
  parallelism: number,
  places: readonly Place[],
  edges: readonly BareEdge[],
): readonly JobVertex[] {
  const members: Place[][] = []
  for (const place of places) (members[place.vertex] ??= []).push(place)
  return members.map((chain, id) => {
    const head = chain[0]!.node
    return {
      id,
      name: chain.map(({ node }) => node.name).join(' → '),
      parallelism: subtasksOf(head, parallelism),
      maxParallelism: head.maxParallelism ?? graph.settings.maxParallelism,
      chain: chain.map(({ node }) => node),
      parents: chain.map(({ parent }) => parent),
      sides: chain.map(({ side }) => side),
      inputs: edges.filter((edge) => edge.toVertex === id).map((edge) => edge.id),
      outputs: edges.filter((edge) => edge.fromVertex === id).map((edge) => edge.id),
    }
  })
}

/** A user's function, of a step or of a key, names the record that it fails on. */
function needsPositions(vertex: JobVertex, edges: readonly BareEdge[]): boolean {
  return (
    vertex.chain.some((node) => node.functionSlots > 0) ||
    vertex.outputs.some((id) => {
      const { partitioning } = edges[id]!
      return partitioning.type === 'hash' && partitioning.key.type === 'function'
    })
  )
}

/** A vertex that only passes records on needs their positions when a later one does. */
function spreadNeed(
  id: number,
  vertices: readonly JobVertex[],
  edges: readonly BareEdge[],
  needs: boolean[],
): void {
  const vertex = vertices[id]!
  const keepsRecords = vertex.chain.every((node) => node.keys.every((key) => key === undefined))
  if (!keepsRecords) return
  if (vertex.outputs.some((edge) => needs[edges[edge]!.toVertex] === true)) needs[id] = true
}

/**
 * A step in event-time order sorts by positions, so every record that has one must come with it,
 * at any parallelism: through keyed steps too.
 */
function spreadSort(
  id: number,
  vertices: readonly JobVertex[],
  edges: readonly BareEdge[],
  needs: boolean[],
  isSorted: boolean[],
): void {
  if (vertices[id]!.outputs.some((edge) => isSorted[edges[edge]!.toVertex] === true)) {
    isSorted[id] = true
  }
  if (isSorted[id] === true) needs[id] = true
}

/**
 * Whether a vertex fires timers or judges lateness. Only heads do: what they fire stands at its
 * place among the records of a channel, and the steps chained to them just hand it on.
 */
function isTimed({ chain }: JobVertex): boolean {
  const reads = chain.map((node) => node.eventTime === 'needs' || node.eventTime === 'reads')
  assert(!reads.includes(true, 1), 'a step that fires event-time timers heads its chain')
  return reads[0]!
}

/** Whether watermarks that reach this vertex go on to a timed one: an assigner makes its own. */
function handsWatermarksOn(
  { chain, parents, outputs }: JobVertex,
  edges: readonly BareEdge[],
  timed: readonly boolean[],
): boolean {
  const isAssigned = (index: number): boolean =>
    index >= 0 && (chain[index]!.eventTime === 'assigns' || isAssigned(parents[index]!))
  return outputs.some((id) => {
    const { toVertex, fromNode } = edges[id]!
    return timed[toVertex]! && !isAssigned(fromNode)
  })
}
