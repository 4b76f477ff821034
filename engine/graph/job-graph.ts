import type { Partitioning, StreamGraph, StreamNode } from './stream-graph.ts'

/**
 * The job as it runs: neighbours that can share a thread are chained to one vertex.
 *
 * J1. The nodes of a vertex form a tree in depth-first order: `parents[i] < i`, the head's is -1.
 * J2. Only the head has inputs from other vertices, or is a source.
 * J3. An edge is chained when it is forward, both ends have the same parallelism, and the receiver
 *     has one input edge. Every other edge is a JobEdge.
 */
export interface JobGraph {
  readonly graph: StreamGraph
  readonly vertices: readonly JobVertex[]
  readonly edges: readonly JobEdge[]
}

export interface JobVertex {
  readonly id: number
  readonly name: string
  readonly parallelism: number
  readonly maxParallelism: number
  readonly chain: readonly StreamNode[]
  readonly parents: readonly number[]
  /** Side output of the parent that node i reads; undefined: the main one. */
  readonly sides: readonly (string | undefined)[]
  /** Ids of JobEdges. */
  readonly inputs: readonly number[]
  readonly outputs: readonly number[]
}

export interface JobEdge {
  readonly id: number
  readonly fromVertex: number
  /** Position in the sender's chain. */
  readonly fromNode: number
  readonly side: string | undefined
  readonly toVertex: number
  readonly input: number
  /** Never 'forward': where parallelisms differ it has become 'rebalance'. Same-parallelism forward edges that cannot be chained stay 'forward': subtask i to i. */
  readonly partitioning: Partitioning
  /** Whether the receiver needs each record's split and offset. */
  readonly positions: boolean
  /** Whether the watermark before each record travels with it: a later step fires or judges by it. */
  readonly watermarks: boolean
}

/** The uid of a vertex's first operator; its name, where it has none. */
export function headName({ chain }: JobVertex): string {
  return chain[0]!.uid ?? chain[0]!.name
}
