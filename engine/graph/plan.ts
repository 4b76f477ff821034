import { inspect } from 'node:util'
import type { Json } from '../base/json.ts'
import type { Partitioning, StreamGraph, StreamNode } from './stream-graph.ts'
import { sha256Hex } from '../base/hash.ts'

/**
 * The graph as data: what savepoints, workers and people read of it. Deterministic: the same job
 * with the same parameters gives the same plan, in every thread and process.
 */
export interface PlanData {
  readonly job: string
  readonly maxParallelism: number
  readonly nodes: readonly PlanNode[]
  readonly edges: readonly PlanEdge[]
}

export interface PlanNode {
  readonly uid: string | null
  readonly name: string
  readonly kind: string
  readonly parameters: Json
  readonly parallelism: number | null
  readonly maxParallelism: number | null
  readonly states: Json
  readonly functionSlots: number
}

export interface PlanEdge {
  readonly from: number
  readonly to: number
  readonly input: number
  readonly side: string | null
  readonly partitioning: Json
}

export function planData(graph: StreamGraph): PlanData {
  return {
    job: graph.job,
    maxParallelism: graph.settings.maxParallelism,
    nodes: graph.nodes.map(planNode),
    edges: graph.edges.map(({ from, to, input, side, partitioning }) => ({
      from,
      to,
      input,
      side: side ?? null,
      partitioning: partitioningData(partitioning),
    })),
  }
}

/** SHA-256 of the plan, as hex. Two threads with the same hash run the same job. */
export function planHash(graph: StreamGraph): string {
  return sha256Hex(canonicalJson(planData(graph) as unknown as Json))
}

/** Name of the first step in which two plans differ, and undefined when they are equal. */
export function compareDeterminism(left: PlanData, right: PlanData): string | undefined {
  const text = (value: unknown): string => canonicalJson(value as Json)
  const count = Math.max(left.nodes.length, right.nodes.length)
  for (let index = 0; index < count; index += 1) {
    const ours = left.nodes[index]
    const theirs = right.nodes[index]
    if (ours === undefined || theirs === undefined) return (ours ?? theirs)!.name
    if (text(ours) !== text(theirs)) return ours.name
  }
  for (let index = 0; index < Math.max(left.edges.length, right.edges.length); index += 1) {
    const ours = left.edges[index]
    const theirs = right.edges[index]
    if (ours !== undefined && theirs !== undefined && text(ours) === text(theirs)) continue
    return left.nodes[(ours ?? theirs)!.to]!.name
  }
  return text(left) === text(right) ? undefined : left.job
}

/** JSON with the names of objects in order, so that equal data is equal text. */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) {
    return `[${(value as readonly Json[]).map(canonicalJson).join(',')}]`
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value as Readonly<Record<string, Json>>)
    .filter(([, part]) => (part as Json | undefined) !== undefined)
    .sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0))
    .map(([name, part]) => `${JSON.stringify(name)}:${canonicalJson(part)}`)
  return `{${fields.join(',')}}`
}

function planNode(node: StreamNode): PlanNode {
  return {
    uid: node.uid ?? null,
    name: node.name,
    kind: node.kind,
    parameters: node.parameters,
    parallelism: node.parallelism ?? null,
    maxParallelism: node.maxParallelism ?? null,
    states: node.states.map(stateData),
    functionSlots: node.functionSlots,
  }
}

/** A default may be any value: only that there is one stands in the plan. */
function stateData(state: StreamNode['states'][number]): Json {
  const { default: given, ...data } = state as typeof state & { readonly default?: unknown }
  return { ...data, ...(given === undefined ? {} : { default: defaultText(given) }) } as Json
}

function defaultText(value: unknown): string {
  return typeof value === 'object' ? 'object' : inspect(value)
}

function partitioningData(partitioning: Partitioning): Json {
  if (partitioning.type !== 'hash') return { type: partitioning.type }
  const { key } = partitioning
  switch (key.type) {
    case 'field':
      return { type: 'hash', field: key.field }
    case 'fields':
      return { type: 'hash', fields: key.fields }
    case 'function':
      return { type: 'hash', function: true }
    default:
      return key satisfies never
  }
}
