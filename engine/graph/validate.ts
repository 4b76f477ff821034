/** Every mistake that a graph can hold is found here, before a thread starts. */
import { inspect } from 'node:util'
import type { ErrorPlace } from '../base/errors.ts'
import type { JobSettings, StreamEdge, StreamGraph, StreamNode } from './stream-graph.ts'
import { StreamError } from '../base/errors.ts'
import { sinkDefinition } from '../operator/sink.ts'
import { MALFORMED_SIDE } from '../operator/source.ts'
import { misfit } from './schema-fit.ts'
import { nearest } from './suggest.ts'

/** Key groups are numbered in 16 bits, and one of them is never used. */
export const MAX_PARALLELISM_MAX = 32_767

const UID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

/** Checks the uid of a step as it is made: `callSite` says where, and is asked for an error only. */
export function checkUid(
  uid: unknown,
  step: string,
  callSite: () => string | undefined,
): asserts uid is string {
  if (typeof uid === 'string' && UID.test(uid)) return
  const at = callSite()
  const place: ErrorPlace = at === undefined ? {} : { at }
  if (typeof uid !== 'string') {
    throw new StreamError('UID_MISSING', `${step}${atText(at)} has no uid`, {
      hint: 'Give it a name of its own as first argument: its state is found again by it.',
      place,
    })
  }
  throw new StreamError('UID_INVALID', `${step}${atText(at)} has the uid "${uid}"`, {
    hint: 'A uid is up to 100 letters, digits, dots, hyphens and underscores, a letter or digit first.',
    place,
  })
}

/** A job's name is also that of its work folder. */
export function checkJobName(name: unknown): asserts name is string {
  if (typeof name === 'string' && UID.test(name)) return
  throw new StreamError('JOB_INVALID', `a job has the name ${inspect(name)}`, {
    hint: 'A name is up to 100 letters, digits, dots, hyphens and underscores: its work folder has it.',
  })
}

/** A field that the records do not have: says which they have, and which was meant. */
export function unknownField(
  step: string,
  name: string,
  known: readonly string[],
  place: ErrorPlace,
): StreamError {
  const near = nearest(name, known)
  const found = known.length === 0 ? 'no fields' : `"${known.join(', ')}"`
  const plain =
    known.length === 0
      ? 'Make objects of the records with map first, or give a function.'
      : 'Name one of the fields of the records.'
  return new StreamError('FIELD_UNKNOWN', `${step} names "${name}", the records have ${found}`, {
    hint: near === undefined ? plain : `Did you mean "${near}"?`,
    place,
  })
}

/** Throws the first mistake. What a step alone can tell was checked when it was made. */
export function validateGraph(graph: StreamGraph): void {
  checkSettings(graph.settings)
  checkSources(graph)
  checkUids(graph.nodes)
  checkEdges(graph)
  checkEveryResultIsRead(graph)
  checkDeadLettersAreRead(graph)
  checkNoCycle(graph)
  checkParallelism(graph)
  checkEventTime(graph)
  checkSinks(graph)
}

function checkSources(graph: StreamGraph): void {
  if (graph.nodes.length === 0) {
    throw new StreamError('GRAPH_NO_SOURCE', `job "${graph.job}" has no step`, {
      hint: 'Begin with env.fromSource(uid, source), and end with sinkTo(uid, sink).',
    })
  }
  const hasInput = new Set(graph.edges.map((edge) => edge.to))
  for (const node of graph.nodes) {
    if (node.runtime.type === 'source' || hasInput.has(node.id)) continue
    throw new StreamError('GRAPH_NO_SOURCE', `nothing leads to "${node.name}"`, {
      hint: 'Begin with env.fromSource(uid, source).',
      place: placeOf(node),
    })
  }
}

function checkUids(nodes: readonly StreamNode[]): void {
  const byUid = new Map<string, StreamNode>()
  for (const node of nodes) {
    if (node.uid === undefined) continue
    const other = byUid.get(node.uid)
    if (other !== undefined) {
      throw new StreamError(
        'UID_DUPLICATE',
        `two steps have the uid "${node.uid}": ${other.kind}${atText(other.at)} and ${node.kind}${atText(node.at)}`,
        { hint: 'Give each its own.', place: placeOf(node) },
      )
    }
    byUid.set(node.uid, node)
  }
}

function checkEdges(graph: StreamGraph): void {
  for (const edge of graph.edges) {
    const from = graph.nodes[edge.from]
    const to = graph.nodes[edge.to]
    if (from === undefined || to === undefined) {
      throw new StreamError('BUG', `an edge leads from ${edge.from} to ${edge.to}`)
    }
    if (from.runtime.type !== 'sink') continue
    throw new StreamError('GRAPH_CYCLE', `sink "${from.name}" has a step behind it`, {
      hint: 'Read the stream before the sink instead.',
      place: placeOf(to),
    })
  }
}

function checkEveryResultIsRead(graph: StreamGraph): void {
  const isRead = new Set(graph.edges.map((edge) => edge.from))
  for (const node of graph.nodes) {
    if (node.runtime.type === 'sink' || isRead.has(node.id)) continue
    const name = node.uid ?? node.name
    throw new StreamError(
      'GRAPH_NO_SINK',
      `nothing reads the result of "${name}"${atText(node.at)}`,
      {
        hint: 'Add sinkTo, or remove the step.',
        place: placeOf(node),
      },
    )
  }
}

/** Records would vanish that the job asked to keep. */
function checkDeadLettersAreRead(graph: StreamGraph): void {
  for (const node of graph.nodes) {
    if (node.runtime.type !== 'source') continue
    if (node.runtime.source.onMalformed !== 'dead-letter') continue
    if (graph.edges.some(({ from, side }) => from === node.id && side === MALFORMED_SIDE)) continue
    throw new StreamError(
      'GRAPH_NO_SINK',
      `nothing reads the dead letters of "${node.name}"${atText(node.at)}`,
      {
        hint: "Read them: the stream of fromSource has sideOutput('malformed'). Or set onMalformed: 'skip'.",
        place: placeOf(node),
      },
    )
  }
}

function checkNoCycle(graph: StreamGraph): void {
  const waiting = new Map<number, number>(graph.nodes.map((node) => [node.id, 0]))
  for (const edge of graph.edges) waiting.set(edge.to, waiting.get(edge.to)! + 1)
  const ready = graph.nodes.filter((node) => waiting.get(node.id) === 0).map((node) => node.id)
  const after = edgesBy(graph.edges, 'from')
  for (let id = ready.pop(); id !== undefined; id = ready.pop()) {
    waiting.delete(id)
    for (const { to } of after.get(id) ?? []) {
      const left = waiting.get(to)! - 1
      waiting.set(to, left)
      if (left === 0) ready.push(to)
    }
  }
  if (waiting.size === 0) return
  const names = [...waiting.keys()].map((id) => `"${graph.nodes[id]!.name}"`)
  throw new StreamError('GRAPH_CYCLE', `these steps wait for each other: ${names.join(', ')}`, {
    hint: 'A stream flows one way: read the result from a second source.',
    place: placeOf(graph.nodes[[...waiting.keys()][0]!]!),
  })
}

function checkParallelism(graph: StreamGraph): void {
  const { parallelism, maxParallelism } = graph.settings
  if (parallelism !== undefined) checkSubtasks('the job', parallelism, maxParallelism, {})
  for (const node of graph.nodes) {
    const max = node.maxParallelism ?? maxParallelism
    if (node.parallelism === undefined) continue
    checkSubtasks(`"${node.name}"`, node.parallelism, max, placeOf(node))
  }
}

/** Checks how many subtasks `step` is to have. */
export function checkSubtasks(
  step: string,
  parallelism: number,
  maxParallelism: number,
  place: ErrorPlace,
): void {
  if (!Number.isInteger(parallelism) || parallelism < 1) {
    throw new StreamError('PARALLELISM_INVALID', `${step} has a parallelism of ${parallelism}`, {
      hint: 'Give a whole number from 1.',
      place,
    })
  }
  if (parallelism <= maxParallelism) return
  throw new StreamError(
    'PARALLELISM_INVALID',
    `${step} has a parallelism of ${parallelism}, the maximum is ${maxParallelism}`,
    {
      hint: 'Lower it, or start a new job with a greater env.maxParallelism: it is fixed for a life.',
      place,
    },
  )
}

function checkEventTime(graph: StreamGraph): void {
  const before = edgesBy(graph.edges, 'to')
  for (const node of graph.nodes) {
    if (node.eventTime !== 'needs') continue
    const source = sourceWithoutWatermarks(graph, before, node)
    if (source === undefined) continue
    const what = `${eventTimeUser(node)} no watermarks from`
    throw new StreamError('EVENT_TIME_MISSING', `${what} "${source.name}"`, {
      hint: 'Call assignTimestampsAndWatermarks behind the source.',
      place: placeOf(node),
    })
  }
}

/** What of a step asks for event time, with its verb. */
function eventTimeUser({ kind, name, order }: StreamNode): string {
  if (order === 'event-time') return `"${name}", a step in event-time order, gets`
  return kind.startsWith('window') ? `window of "${name}" gets` : `timers of "${name}" get`
}

/** A source from which a path leads to `node` without a step that makes watermarks. */
function sourceWithoutWatermarks(
  graph: StreamGraph,
  before: ReadonlyMap<number, readonly StreamEdge[]>,
  node: StreamNode,
): StreamNode | undefined {
  const seen = new Set<number>()
  const open = (before.get(node.id) ?? []).map((edge) => ({ edge, isCopied: false }))
  for (let step = open.pop(); step !== undefined; step = open.pop()) {
    const from = graph.nodes[step.edge.from]!
    if (seen.has(from.id) || from.eventTime === 'assigns') continue
    seen.add(from.id)
    const isCopied = step.isCopied || step.edge.partitioning.type === 'broadcast'
    if (from.runtime.type !== 'source') {
      for (const edge of before.get(from.id) ?? []) open.push({ edge, isCopied })
    } else if (!isCopied || !from.runtime.source.bounded) {
      // A bounded broadcast stream ends, and holds nothing back from then on.
      return from
    }
  }
  return undefined
}

/** As sinkTo does where the job is written: for graphs that came about in another way. */
function checkSinks(graph: StreamGraph): void {
  for (const edge of graph.edges) {
    const to = graph.nodes[edge.to]!
    if (to.runtime.type !== 'sink' || edge.side !== undefined) continue
    checkSinkFits(to.name, graph.nodes[edge.from]!.schema, to.runtime.sink, placeOf(to))
  }
}

/** Throws when the records cannot go into the sink, as far as both are known. */
export function checkSinkFits(
  uid: string,
  record: StreamNode['schema'],
  sink: ReturnType<typeof sinkDefinition>,
  place: ErrorPlace,
): void {
  const found = misfit(record, sink.schema)
  if (found === undefined) return
  switch (found.type) {
    case 'extra':
      throw new StreamError(
        'FIELD_UNKNOWN',
        `the records for "${uid}" have a field "${found.field}", its schema does not`,
        { hint: 'Add it to the schema, or drop it with pick(…).', place },
      )
    case 'missing':
      throw new StreamError(
        'FIELD_UNKNOWN',
        `the schema of "${uid}" has a column "${found.field}", the records do not`,
        { hint: 'Add it to the records, or make the column nullable.', place },
      )
    case 'kind': {
      const field = found.field === '' ? 'the record' : `"${found.field}"`
      throw new StreamError(
        'FIELD_TYPE',
        `${field} of "${uid}" is ${found.wanted}, the records have ${found.found}`,
        { hint: 'Change the schema, or convert the value with map.', place },
      )
    }
    default:
      found satisfies never
  }
}

function checkSettings(settings: JobSettings): void {
  const { maxParallelism, checkpointing, restart } = settings
  const isMax = Number.isInteger(maxParallelism) && maxParallelism >= 1
  if (!isMax || maxParallelism > MAX_PARALLELISM_MAX) {
    throw new StreamError('PARALLELISM_INVALID', `env.maxParallelism was given ${maxParallelism}`, {
      hint: `Give a whole number from 1 to ${MAX_PARALLELISM_MAX}.`,
    })
  }
  for (const [name, value] of Object.entries(checkpointing)) {
    const least = name === 'retain' || name === 'timeoutMs' || name === 'everyMs' ? 1 : 0
    checkOption('env.checkpointing', name, value, least)
  }
  for (const [name, value] of Object.entries(restart)) {
    if (name !== 'strategy') checkOption('env.restart', name, value, name === 'factor' ? 1 : 0)
  }
}

function checkOption(where: string, name: string, value: unknown, least: number): void {
  if (value === undefined) return
  if (typeof value === 'number' && Number.isFinite(value) && value >= least) return
  throw new StreamError('OPTION_INVALID', `${where}: ${name} is ${inspect(value)}`, {
    hint: `Give a number from ${least}.`,
  })
}

function edgesBy(
  edges: readonly StreamEdge[],
  end: 'from' | 'to',
): ReadonlyMap<number, readonly StreamEdge[]> {
  const by = new Map<number, StreamEdge[]>()
  for (const edge of edges) {
    const known = by.get(edge[end])
    if (known === undefined) by.set(edge[end], [edge])
    else known.push(edge)
  }
  return by
}

export function placeOf(node: StreamNode): ErrorPlace {
  return {
    operator: node.uid ?? node.name,
    ...(node.at === undefined ? {} : { at: node.at }),
  }
}

function atText(at: string | undefined): string {
  return at === undefined ? '' : ` at ${at}`
}
