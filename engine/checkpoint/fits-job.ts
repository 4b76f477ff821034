import { StreamError } from '../base/errors.ts'
import type { Finding, HeldState } from './comparison.ts'
import { compareStep } from './compare-step.ts'
import { flagText, newUid, stepOptions, type FitOptions } from './fit-options.ts'
import type { JobFacts } from './job-facts.ts'
import { formatCheckpointId } from './layout.ts'
import type { CheckpointManifest } from './manifest.ts'
import { changedState } from '../state/state-changes.ts'
import type { OperatorState, SinkState, SourceState } from './snapshot.ts'

export type { FitOptions } from './fit-options.ts'

/** By uid of the checkpoint, for steps whose files were read for it. */
export type HeldStates = ReadonlyMap<string, HeldState>

/** A checkpoint beside a job: what becomes of each part, and the checkpoint as the job restores it. */
export interface JobComparison {
  readonly findings: readonly Finding[]
  /** Means something only where nothing is refused. */
  readonly fitted: CheckpointManifest
  /** Uids, as the checkpoint has them, of refused steps that hold keyed state. */
  readonly refusedSteps: readonly string[]
}

/**
 * Compares a checkpoint with a job. Pure.
 *
 * F1. Nothing that a checkpoint holds is lost silently: state, unread input, output not published.
 */
export function compareJob(
  manifest: CheckpointManifest,
  facts: JobFacts,
  options: FitOptions,
  held: HeldStates = new Map(),
): JobComparison {
  checkRenames(manifest, options)
  const parts = { manifest, facts, options }
  const operators = manifest.operators.map((operator) =>
    comparedOperator(parts, operator, held.get(operator.uid)),
  )
  const sources = manifest.sources.map((source) => comparedSource(parts, source))
  const sinks = manifest.sinks.map((sink) => comparedSink(parts, sink))
  const known = new Set(
    [...manifest.operators, ...manifest.sources, ...manifest.sinks].map(({ uid }) =>
      newUid(options, uid),
    ),
  )
  const isRefused = ({ verdict }: Finding): boolean => verdict === 'refused'
  return {
    findings: [
      ...[...sources, ...operators, ...sinks].flatMap(({ findings }) => findings),
      ...addedSteps(facts, known),
    ],
    fitted: {
      ...manifest,
      operators: operators.flatMap(({ state }) => state ?? []),
      sources: sources.flatMap(({ state }) => state ?? []),
      sinks: sinks.flatMap(({ state }) => state ?? []),
    },
    refusedSteps: manifest.operators
      .filter((_, index) => operators[index]!.findings.some(isRefused))
      .map(({ uid }) => uid),
  }
}

/** The checkpoint as this job is to restore it. Throws the first refusal; says how many more. */
export function fitToJob(
  manifest: CheckpointManifest,
  facts: JobFacts,
  options: FitOptions,
  held?: HeldStates,
): CheckpointManifest {
  const { findings, fitted } = compareJob(manifest, facts, options, held)
  const refused = findings.filter(({ refusal }) => refusal !== undefined)
  if (refused.length === 0) return fitted
  const [first, ...others] = refused
  const { code, message, hint } = first!.refusal!
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  throw new StreamError(code, `${message}${more}`, { hint, place: { operator: first!.uid } })
}

interface Parts {
  readonly manifest: CheckpointManifest
  readonly facts: JobFacts
  readonly options: FitOptions
}

interface Compared<S> {
  readonly findings: readonly Finding[]
  /** Undefined: the job does not restore it. */
  readonly state: S | undefined
}

function comparedOperator(
  parts: Parts,
  operator: OperatorState,
  held: HeldState | undefined,
): Compared<OperatorState> {
  const { subtasks, uid: was } = operator
  const uid = newUid(parts.options, was)
  const options = stepOptions(parts.options, was)
  const now = parts.facts.operators.get(uid)
  const renamed = now === undefined ? undefined : { ...operator, uid }
  const isEmpty = subtasks.every(
    ({ chain, broadcast }) => chain.length === 0 && broadcast === undefined,
  )
  if (isEmpty) return { findings: [], state: renamed }
  if (options.isDropped) return { findings: [wholeFinding(uid, 'dropped', '')], state: undefined }
  if (now === undefined) {
    const findings = isNothingHeld(held)
      ? [wholeFinding(uid, 'dropped', 'it holds nothing')]
      : [
          operator.kind === 'broadcast-order'
            ? orderLeft(parts, was)
            : missing(parts, was, 'state', `state for operator "${was}"`),
        ]
    return { findings, state: undefined }
  }
  const checkpoint = formatCheckpointId(parts.manifest.checkpointId)
  const { findings, changes } = compareStep({ was: operator, now, uid, options, held, checkpoint })
  const named = uid === was ? [] : [wholeFinding(uid, 'renamed', `was "${was}"`)]
  const descriptors = operator.descriptors.flatMap((state) => changedState(state, changes) ?? [])
  return {
    findings: [...named, ...findings],
    state: { ...renamed!, descriptors, ...(changes.length === 0 ? {} : { changes }) },
  }
}

function isNothingHeld(held: HeldState | undefined): boolean {
  return held?.timers === 0 && [...held.states.values()].every((count) => count === 0)
}

/** Steps of the job that hold state, read or write, and that the checkpoint does not know. */
function addedSteps(facts: JobFacts, known: ReadonlySet<string>): readonly Finding[] {
  const holding = [...facts.operators]
    .filter(([, { states, declared }]) => states.length > 0 || declared.broadcast.length > 0)
    .map(([uid]) => uid)
  const uids = [...facts.sources.keys(), ...holding, ...facts.sinks.keys()]
  return uids
    .filter((uid) => !known.has(uid))
    .map((uid) => ({ uid, part: '', verdict: 'added', note: '' }))
}

function wholeFinding(uid: string, verdict: 'kept' | 'renamed' | 'dropped', note: string): Finding {
  return { uid, part: '', verdict, note }
}

function comparedSource(parts: Parts, source: SourceState): Compared<SourceState> {
  const { uid: was } = source
  const uid = newUid(parts.options, was)
  if (stepOptions(parts.options, was).isDropped) {
    return { findings: [wholeFinding(uid, 'dropped', 'positions')], state: undefined }
  }
  const finished = new Set(source.splits.filter((split) => split.finished).map(({ id }) => id))
  const ids = [...source.enumerated, ...source.splits].map(({ id }) => id)
  const kind = parts.facts.sources.get(uid)
  if (kind === undefined) {
    const isRead = source.complete && ids.every((id) => finished.has(id))
    const findings = isRead
      ? [wholeFinding(uid, 'dropped', 'read to its end')]
      : [missing(parts, was, 'unread input', `unread input of source "${was}"`)]
    return { findings, state: undefined }
  }
  const findings =
    kind !== source.kind && ids.length > 0
      ? [otherKind(uid, source.kind, kind)]
      : [partFinding(uid, was, 'positions')]
  return { findings, state: { ...source, uid } }
}

function comparedSink(parts: Parts, sink: SinkState): Compared<SinkState> {
  const { uid: was, committables } = sink
  const uid = newUid(parts.options, was)
  if (stepOptions(parts.options, was).isDropped) {
    return { findings: [wholeFinding(uid, 'dropped', 'pending output')], state: undefined }
  }
  const kind = parts.facts.sinks.get(uid)
  if (kind === undefined) {
    const findings =
      committables.length === 0
        ? [wholeFinding(uid, 'dropped', 'all its output is published')]
        : [missing(parts, was, 'pending output', `output of sink "${was}" that is not published`)]
    return { findings, state: undefined }
  }
  const findings =
    kind !== sink.kind && committables.length > 0
      ? [otherKind(uid, sink.kind, kind)]
      : [partFinding(uid, was, 'output')]
  const renamed = { ...sink, uid, committables: committables.map((own) => ({ ...own, uid })) }
  return { findings, state: uid === was ? sink : { ...renamed, was } }
}

function partFinding(uid: string, was: string, part: string): Finding {
  return uid === was
    ? { uid, part, verdict: 'kept', note: '' }
    : { uid, part, verdict: 'renamed', note: `was "${was}"` }
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
    throw new StreamError('UID_DUPLICATE', `the checkpoint has an operator "${uid}" already`, {
      hint: 'Rename that one too, or choose a uid that the checkpoint does not have.',
      place: { operator: uid },
    })
  }
}

function missing({ manifest }: Parts, uid: string, part: string, what: string): Finding {
  const drop = flagText('--drop-state', uid)
  return {
    uid,
    part,
    verdict: 'refused',
    note: 'the job has no step of this uid',
    refusal: {
      code: 'STATE_UID_MISSING',
      message: `checkpoint ${formatCheckpointId(manifest.checkpointId)} has ${what}, which is not in the job`,
      hint: `Give the step its old uid back. If it has a new one, say so with --rename-uid ${uid}=NEW. To lose what it holds knowingly, use ${drop}.`,
    },
  }
}

/** The step behind it has gone, or is in order of arrival now. */
function orderLeft({ manifest }: Parts, uid: string): Finding {
  const drop = flagText('--drop-state', uid)
  return {
    uid,
    part: '',
    verdict: 'refused',
    note: 'broadcast records wait in it for their event time, and no step takes them in that order',
    refusal: {
      code: 'STATE_NOT_DECLARED',
      message: `broadcast records wait in "${uid}" for their event time in checkpoint ${formatCheckpointId(manifest.checkpointId)}, and no step of the job takes them in that order`,
      hint: `Give the step its uid and order: 'event-time' again, and change it when nothing waits. If the step has a new uid, say so with --rename-uid ${uid}=NEW.broadcast. To lose the records knowingly, use ${drop}.`,
    },
  }
}

function otherKind(uid: string, was: string, now: string): Finding {
  return {
    uid,
    part: '',
    verdict: 'refused',
    note: `was of kind ${was}, now ${now}`,
    refusal: {
      code: 'STATE_SCHEMA_CHANGED',
      message: `"${uid}" was of kind ${was} in the checkpoint, now ${now}`,
      hint: `Give the new one a uid of its own, and lose what the old one holds knowingly with ${flagText('--drop-state', uid)}.`,
    },
  }
}
