import type { JobVertex } from '../../engine/graph/job-graph.ts'
import type { Committable } from '../../engine/operator/sink.ts'
import type { EnumeratorSplit, SourceState } from '../../engine/checkpoint/snapshot.ts'
import { manifestFiles, type CheckpointManifest } from '../../engine/checkpoint/manifest.ts'
import { uidHash } from '../../engine/checkpoint/layout.ts'

/** The job of the model: two splits, a keyed operator in two subtasks, two sinks. */
export const JOB = 'model'
export const SPLITS = ['a', 'b'] as const
export const SINKS = ['left', 'right'] as const
export const KEY_GROUPS = 3
export const COUNT_HASH = uidHash('count')

export const ENUMERATED: readonly EnumeratorSplit[] = SPLITS.map((id, index) => {
  return { id, index, start: 0 }
})

export const SOURCE_STATE: SourceState = {
  uid: 'in',
  kind: 'model',
  complete: true,
  enumerated: ENUMERATED,
  splits: [],
}

export interface TaskName {
  readonly vertex: 0 | 1 | 2 | 3
  readonly subtask: number
}

/** Sources first, then operators, then sinks: a barrier goes down in this order. */
export function tasksOf(parallelism: number): readonly TaskName[] {
  const all = Array.from({ length: parallelism }, (_, subtask) => subtask)
  return [
    ...all.map((subtask): TaskName => ({ vertex: 0, subtask })),
    ...all.map((subtask): TaskName => ({ vertex: 1, subtask })),
    { vertex: 2, subtask: 0 },
    { vertex: 3, subtask: 0 },
  ]
}

/** What `assembleState` looks at of a graph. */
export function verticesOf(parallelism: number): readonly JobVertex[] {
  const vertex = (id: number, of: number, node: object): unknown => {
    const chain = [{ ...node, states: [], keys: [], parameters: {} }]
    return { id, name: `v${id}`, parallelism: of, maxParallelism: KEY_GROUPS, chain }
  }
  return [
    vertex(0, parallelism, { uid: 'in', kind: 'source', runtime: { type: 'source' } }),
    vertex(1, parallelism, { uid: 'count', kind: 'keyed', runtime: { type: 'keyed' } }),
    ...SINKS.map((uid, sink) =>
      vertex(2 + sink, 1, {
        uid,
        kind: 'sink',
        runtime: { type: 'sink', sink: { kind: 'model' } },
      }),
    ),
  ] as readonly JobVertex[]
}

export function namesOfFiles(manifest: CheckpointManifest): readonly string[] {
  return manifestFiles(manifest).map(({ path }) => path.slice('state/'.length))
}

/** What a sink publishes at once: some records of one split, in order. */
export type Range = {
  readonly split: number
  readonly from: number
  readonly to: number
}

export function rangeOf({ effect }: Committable): Range {
  return effect as Range
}

export function stagedName({ bornAt, subtask, sequence }: Committable): string {
  return `${bornAt}-${subtask}-${sequence}`
}

/** How far a reader of the target has each split, if what is there follows on without a gap. */
export function reachedBy(published: readonly Committable[]): readonly number[] {
  const reached = SPLITS.map(() => 0)
  for (const committable of published) reached[rangeOf(committable).split] = rangeOf(committable).to
  return reached
}
