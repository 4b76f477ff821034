import type { ErrorCode } from '../base/errors.ts'
import { StreamError } from '../base/errors.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import { checkStateFits } from '../state/schema-evolution.ts'
import type { StateDescriptor } from '../state/state.ts'
import { formatCheckpointId } from './layout.ts'
import type { CheckpointManifest } from './manifest.ts'
import type { OperatorState, SinkState, SourceState } from './snapshot.ts'

/** What a job says about each of its uids. */
export interface JobFacts {
  readonly operators: ReadonlyMap<string, OperatorFacts>
  /** Kinds, by uid. */
  readonly sources: ReadonlyMap<string, string>
  readonly sinks: ReadonlyMap<string, string>
}

export interface OperatorFacts {
  readonly maxParallelism: number
  readonly states: readonly StateDescriptor[]
}

export interface FitOptions {
  /** Uids whose state, positions or pending output is given up knowingly. */
  readonly dropState: readonly string[]
  /** Old uid → new uid. */
  readonly renameUid: Readonly<Record<string, string>>
}

export function jobFacts({ vertices }: JobGraph): JobFacts {
  const operators = new Map<string, OperatorFacts>()
  const sources = new Map<string, string>()
  const sinks = new Map<string, string>()
  for (const { chain, maxParallelism } of vertices) {
    for (const { uid, states, runtime } of chain) {
      if (uid === undefined) continue
      if (runtime.type === 'source') sources.set(uid, runtime.source.kind)
      if (runtime.type === 'sink') sinks.set(uid, runtime.sink.kind)
      operators.set(uid, { maxParallelism, states })
    }
  }
  return { operators, sources, sinks }
}

/**
 * The checkpoint as this job is to restore it: uids renamed, what is given up left out. Throws,
 * naming the operator, when something it holds has no place in the job. Pure.
 *
 * F1. Nothing that a checkpoint holds is lost silently: state, unread input, output not published.
 */
export function fitToJob(
  manifest: CheckpointManifest,
  facts: JobFacts,
  options: FitOptions,
): CheckpointManifest {
  checkRenames(manifest, options)
  const kept = without(renamed(manifest, options.renameUid), new Set(options.dropState))
  for (const operator of kept.operators) checkOperator(kept, operator, facts)
  for (const source of kept.sources) checkSource(kept, source, facts)
  for (const sink of kept.sinks) checkSink(kept, sink, facts)
  return {
    ...kept,
    operators: kept.operators.filter(({ uid }) => facts.operators.has(uid)),
    sources: kept.sources.filter(({ uid }) => facts.sources.has(uid)),
    sinks: kept.sinks.filter(({ uid }) => facts.sinks.has(uid)),
  }
}

function checkOperator(
  manifest: CheckpointManifest,
  operator: OperatorState,
  facts: JobFacts,
): void {
  const { uid, subtasks } = operator
  const holdsKeys = subtasks.some(({ chain }) => chain.length > 0)
  if (!holdsKeys && subtasks.every(({ broadcast }) => broadcast === undefined)) return
  const now = facts.operators.get(uid)
  if (now === undefined) throw missing(manifest, uid, `state for operator "${uid}"`)
  if (holdsKeys && now.maxParallelism !== operator.maxParallelism) {
    throw misfit(
      'STATE_MAX_PARALLELISM',
      uid,
      `"${uid}" had maxParallelism ${operator.maxParallelism} in checkpoint ${formatCheckpointId(manifest.checkpointId)}, now ${now.maxParallelism}`,
      `Set it back to ${operator.maxParallelism}: it is fixed for a job's life. Or --drop-state ${uid}.`,
    )
  }
  checkStateFits(uid, operator.descriptors, now.states)
}

function checkSource(manifest: CheckpointManifest, source: SourceState, facts: JobFacts): void {
  const { uid } = source
  const finished = new Set(source.splits.filter((split) => split.finished).map(({ id }) => id))
  const ids = [...source.enumerated, ...source.splits].map(({ id }) => id)
  const kind = facts.sources.get(uid)
  if (kind === undefined) {
    if (source.complete && ids.every((id) => finished.has(id))) return
    throw missing(manifest, uid, `unread input of source "${uid}"`)
  }
  if (kind !== source.kind && ids.length > 0) throw otherKind(uid, source.kind, kind)
}

function checkSink(manifest: CheckpointManifest, sink: SinkState, facts: JobFacts): void {
  if (sink.committables.length === 0) return
  const kind = facts.sinks.get(sink.uid)
  if (kind === undefined) throw missing(manifest, sink.uid, `pending output of sink "${sink.uid}"`)
  if (kind !== sink.kind) throw otherKind(sink.uid, sink.kind, kind)
}

/** Two operators under one uid would share files and lose one's state. */
function checkRenames(manifest: CheckpointManifest, options: FitOptions): void {
  const known = new Set(
    [...manifest.operators, ...manifest.sources, ...manifest.sinks].map(({ uid }) => uid),
  )
  const renames = Object.entries(options.renameUid)
  for (const [old, uid] of renames) {
    if (!known.has(uid) || renames.some(([other]) => other === uid)) continue
    if (!known.has(old)) continue // Renamed by an earlier start, with the same command.
    const hint = 'Rename that one too, or choose a uid that the checkpoint does not have.'
    throw misfit('UID_DUPLICATE', uid, `the checkpoint has an operator "${uid}" already`, hint)
  }
}

function renamed(
  manifest: CheckpointManifest,
  renames: Readonly<Record<string, string>>,
): CheckpointManifest {
  const nameOf = (uid: string): string => (Object.hasOwn(renames, uid) ? renames[uid]! : uid)
  const rename = <S extends { readonly uid: string }>(state: S): S => ({
    ...state,
    uid: nameOf(state.uid),
  })
  return {
    ...manifest,
    operators: manifest.operators.map(rename),
    sources: manifest.sources.map(rename),
    sinks: manifest.sinks.map((sink) => ({
      ...rename(sink),
      committables: sink.committables.map(rename),
    })),
  }
}

function without(manifest: CheckpointManifest, dropped: ReadonlySet<string>): CheckpointManifest {
  const stays = ({ uid }: { readonly uid: string }): boolean => !dropped.has(uid)
  return {
    ...manifest,
    operators: manifest.operators.filter(stays),
    sources: manifest.sources.filter(stays),
    sinks: manifest.sinks.filter(stays),
  }
}

function missing(manifest: CheckpointManifest, uid: string, what: string): StreamError {
  return misfit(
    'STATE_UID_MISSING',
    uid,
    `checkpoint ${formatCheckpointId(manifest.checkpointId)} has ${what}, which is not in the job`,
    `Give the step its old uid back, name its new one with --rename-uid ${uid}=NEW, or lose it knowingly with --drop-state ${uid}.`,
  )
}

function otherKind(uid: string, was: string, now: string): StreamError {
  return misfit(
    'STATE_SCHEMA_CHANGED',
    uid,
    `"${uid}" was of kind ${was} in the checkpoint, now ${now}`,
    `Give the new one a uid of its own, or lose what the old one holds with --drop-state ${uid}.`,
  )
}

function misfit(code: ErrorCode, uid: string, message: string, hint: string): StreamError {
  return new StreamError(code, message, { hint, place: { operator: uid } })
}
