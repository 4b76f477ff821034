import type { JobVertex } from '../graph/job-graph.ts'
import type { StreamNode } from '../graph/stream-graph.ts'
import type { Committable } from '../operator/sink.ts'
import type {
  OperatorState,
  OperatorSubtaskState,
  SinkState,
  SourceState,
  SplitState,
  SubtaskSnapshot,
} from './snapshot.ts'
import { assert } from '../base/assert.ts'
import { StreamError } from '../base/errors.ts'
import { VALUE_CODEC_VERSION } from '../stream/value-codec.ts'
import { compareCommittables } from './committables.ts'
import { copiesAreEqual } from './broadcast-copies.ts'
import { declarationOf } from './job-facts.ts'

/** The parts of a manifest that come from the subtasks. */
export interface AssembledState {
  readonly operators: readonly OperatorState[]
  readonly sources: readonly SourceState[]
  readonly sinks: readonly SinkState[]
}

/**
 * Puts the acknowledgements of all subtasks together, operator by operator.
 *
 * `enumerated` is what the enumerators know by now: every split that a reader had at the barrier, and
 * perhaps some that were found since, which a restore reads from their start (A13).
 */
export function assembleState(
  vertices: readonly JobVertex[],
  snapshots: readonly SubtaskSnapshot[],
  enumerated: readonly SourceState[],
): AssembledState {
  const operators: OperatorState[] = []
  const sinks: SinkState[] = []
  const committables = snapshots.flatMap((snapshot) => snapshot.committables)
  for (const vertex of vertices) {
    const mine = snapshots
      .filter((snapshot) => snapshot.vertex === vertex.id)
      .sort((left, right) => left.subtask - right.subtask)
    assert(mine.length === vertex.parallelism, `acknowledgements of "${vertex.name}" are missing`)
    for (const node of vertex.chain) {
      if (node.runtime.type === 'sink') sinks.push(sinkState(node, committables))
      const operator = operatorState(vertex, node, mine)
      if (operator !== undefined) operators.push(operator)
    }
  }
  return { operators, sinks, sources: enumerated.map((source) => withSplits(source, snapshots)) }
}

function operatorState(
  vertex: JobVertex,
  node: StreamNode,
  snapshots: readonly SubtaskSnapshot[],
): OperatorState | undefined {
  const uid = node.uid
  if (uid === undefined) return undefined
  const subtasks: OperatorSubtaskState[] = []
  for (const snapshot of snapshots) {
    const state = snapshot.operators[uid]
    if (state !== undefined) subtasks.push(state)
  }
  if (subtasks.length === 0) return undefined
  assert(subtasks.length === vertex.parallelism, `state of "${uid}" is missing`)
  checkCopies(uid, node, subtasks)
  return {
    uid,
    kind: node.kind,
    parallelism: vertex.parallelism,
    maxParallelism: vertex.maxParallelism,
    descriptors: node.states,
    codecVersion: VALUE_CODEC_VERSION,
    declared: declarationOf(node),
    subtasks,
  }
}

/** Copies of broadcast state are equal, or a function was not deterministic. */
function checkCopies(
  uid: string,
  { order }: StreamNode,
  subtasks: readonly OperatorSubtaskState[],
): void {
  if (copiesAreEqual(subtasks, order === 'event-time')) return
  throw new StreamError(
    'BROADCAST_DIVERGED',
    `the broadcast state of "${uid}" differs by subtask`,
    {
      hint: 'onBroadcast must do the same everywhere: no time, no chance, nothing of the subtask.',
    },
  )
}

function sinkState(node: StreamNode, committables: readonly Committable[]): SinkState {
  assert(node.runtime.type === 'sink')
  const mine = committables.filter((committable) => committable.uid === node.uid)
  return {
    uid: node.uid!,
    kind: node.runtime.sink.kind,
    committables: mine.sort(compareCommittables),
  }
}

function withSplits(source: SourceState, snapshots: readonly SubtaskSnapshot[]): SourceState {
  const splits: SplitState[] = []
  for (const snapshot of snapshots) splits.push(...(snapshot.splits[source.uid] ?? []))
  splits.sort((left, right) => (left.id < right.id ? -1 : 1))
  return { ...source, splits }
}
