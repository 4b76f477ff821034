import type { JobGraph, JobVertex } from './job-graph.ts'
import type { StreamNode } from './stream-graph.ts'
import type { Json } from '../base/json.ts'
import { chainDecisions } from './chaining.ts'
import { planData } from './plan.ts'
import { stepWords } from './step-words.ts'

/** Two neighbours, and why they do or do not share a thread. */
interface Neighbours {
  readonly from: StreamNode
  readonly to: StreamNode
  readonly side: string | undefined
  readonly chained: boolean
  readonly reason: string
}

/**
 * The plan as people read it: each task with its steps, what each does, what it keeps, and why it
 * is chained to the one before it or not. `parallelism` is the one `jobGraph` was made with.
 */
export function explainText(jobGraph: JobGraph, parallelism: number): string {
  const { graph, vertices } = jobGraph
  const subtasks = vertices.reduce((sum, vertex) => sum + vertex.parallelism, 0)
  const counts = [counted(graph.nodes.length, 'step'), counted(vertices.length, 'task')]
  const lines = [
    `job "${graph.job}": ${counts.join(' in ')}, ${counted(subtasks, 'subtask')} at parallelism ${parallelism} (at most ${graph.settings.maxParallelism})`,
  ]
  const reasons = neighbours(jobGraph, parallelism)
  for (const vertex of vertices) lines.push('', ...vertexLines(jobGraph, vertex, reasons))
  const notes = notesOf(jobGraph)
  if (notes.length > 0) lines.push('', 'notes', ...notes.map((note) => `  ${note}`))
  return `${lines.join('\n')}\n`
}

function counted(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? '' : 's'}`
}

/** The plan, its vertices and the reasons as plain data. */
export function explainJson(jobGraph: JobGraph, parallelism: number): Json {
  const { graph, vertices, edges } = jobGraph
  return {
    plan: planData(graph) as unknown as Json,
    parallelism,
    vertices: vertices.map((vertex) => ({
      id: vertex.id,
      name: vertex.name,
      parallelism: vertex.parallelism,
      maxParallelism: vertex.maxParallelism,
      nodes: vertex.chain.map((node) => node.id),
    })),
    edges: edges.map((edge) => ({
      from: edge.fromVertex,
      to: edge.toVertex,
      input: edge.input,
      side: edge.side ?? null,
      partitioning: edge.partitioning.type,
      positions: edge.positions,
    })),
    neighbours: neighbours(jobGraph, parallelism).map((pair) => ({
      from: pair.from.name,
      to: pair.to.name,
      side: pair.side ?? null,
      chained: pair.chained,
      reason: pair.reason,
    })),
    notes: notesOf(jobGraph),
  }
}

function vertexLines(
  jobGraph: JobGraph,
  vertex: JobVertex,
  reasons: readonly Neighbours[],
): readonly string[] {
  const lines = [`task ${vertex.id}, ${counted(vertex.parallelism, 'subtask')}`]
  for (const [index, node] of vertex.chain.entries()) {
    const depth = depthOf(vertex, index)
    const indent = '  '.repeat(depth + 1)
    const at = node.at === undefined ? '' : `  (${node.at})`
    const title = node.name === node.kind ? node.name : `${node.name}: ${node.kind}`
    lines.push(`${indent}${depth === 0 ? '' : '└ '}${title}${at}`)
    const details = [...stepWords(node), ...reasons.filter(({ to }) => to === node).map(reasonText)]
    lines.push(...details.map((detail) => `${indent}    ${detail}`))
  }
  for (const id of vertex.outputs) {
    const { toVertex, partitioning, side } = jobGraph.edges[id]!
    const what = side === undefined ? '' : `, side output "${side}"`
    lines.push(`  → task ${toVertex}: ${partitioning.type}${what}`)
  }
  return lines
}

function reasonText({ from, side, chained, reason }: Neighbours): string {
  const before = side === undefined ? from.name : `${from.name}, side output "${side}"`
  return `${chained ? 'chained' : 'not chained'} to ${before}: ${reason}`
}

function depthOf(vertex: JobVertex, index: number): number {
  let depth = 0
  for (let at = vertex.parents[index]!; at >= 0; at = vertex.parents[at]!) depth += 1
  return depth
}

function neighbours(jobGraph: JobGraph, parallelism: number): readonly Neighbours[] {
  const { graph } = jobGraph
  return chainDecisions(graph, parallelism).map(({ edge, chained, reason }) => ({
    from: graph.nodes[edge.from]!,
    to: graph.nodes[edge.to]!,
    side: edge.side,
    chained,
    reason,
  }))
}

/** What a reader should know though it is no mistake. */
function notesOf(jobGraph: JobGraph): readonly string[] {
  const { graph } = jobGraph
  const notes: string[] = []
  for (const vertex of jobGraph.vertices) {
    for (const [index, node] of vertex.chain.entries()) {
      if (node.eventTime !== 'assigns' || isBehindSource(vertex, index)) continue
      notes.push(
        `"${node.name}" is not chained to a source: watermarks are kept per subtask, not per split`,
      )
    }
  }
  for (const node of graph.nodes) {
    const { runtime } = node
    if (runtime.type !== 'sink' || runtime.sink.createCommitter !== undefined) continue
    notes.push(`"${node.name}" does not commit: after a restart it may write records again`)
  }
  if (graph.settings.checkpointing.everyMs === undefined) {
    notes.push('no periodic checkpoints: a crash starts the job anew')
  }
  return notes
}

function isBehindSource(vertex: JobVertex, index: number): boolean {
  return vertex.chain[0]!.runtime.type === 'source' && index > 0
}
