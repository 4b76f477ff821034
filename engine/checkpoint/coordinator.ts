import type { ErrorData } from '../base/errors.ts'
import type { CheckpointSettings } from '../graph/stream-graph.ts'
import type { CheckpointId } from '../stream/elements.ts'
import type { SubtaskSnapshot } from './snapshot.ts'
import { assert } from '../base/assert.ts'
import { UNCOMMITTED_CHECKPOINTS_MAX } from '../base/limits.ts'
import { checkpointIdOf } from './layout.ts'

/**
 * Decides when checkpoints are taken, when one is complete, and what follows. Pure: a state and an
 * event give a new state and what is to be done; the job master does it and reports back.
 *
 *     trigger → (every subtask acknowledges) → write → written → commit → committed → confirm
 *            ↘ declined, expired, write failed → abort
 *
 * C1. One checkpoint is under way at a time, from its trigger until it is written or aborted.
 * C2. Ids increase over all lives; none is used twice, an aborted one neither.
 * C3. A checkpoint is written only when every subtask of the job has acknowledged it, and committed
 *     only when it is written. Commits go out in the order of ids.
 * C4. What comes for another checkpoint than the one under way is ignored: late, doubled, foreign.
 * C5. With UNCOMMITTED_CHECKPOINTS_MAX written and not committed, none is triggered.
 * C6. The job is finished when a checkpoint that was triggered after the end of every subtask is
 *     committed, and stopped when the one that carried the stop is.
 * C7. Nothing is triggered or drained before records flow: what was asked for earlier waits.
 */
export interface CoordinatorState {
  readonly settings: CheckpointSettings
  readonly epoch: number
  readonly counter: number
  /** Every subtask, as `vertex:subtask`. */
  readonly subtasks: readonly string[]
  readonly ended: ReadonlySet<string>
  readonly pending: PendingCheckpoint | undefined
  readonly uncommitted: readonly WrittenCheckpoint[]
  /** The interval has passed and nothing was triggered since. */
  readonly isDue: boolean
  readonly lastEndMs: number
  readonly failuresInRow: number
  readonly savepoints: readonly number[]
  readonly stop: 'none' | 'requested' | 'triggered'
  readonly isDrained: boolean
  readonly isStarted: boolean
  readonly isOver: boolean
}

type Purpose = 'periodic' | 'final' | 'stop'

export interface PendingCheckpoint {
  readonly id: CheckpointId
  readonly purpose: Purpose
  readonly savepoints: readonly number[]
  readonly acknowledged: ReadonlyMap<string, SubtaskSnapshot>
  readonly isBeingWritten: boolean
}

interface WrittenCheckpoint {
  readonly id: CheckpointId
  readonly purpose: Purpose
  readonly savepoints: readonly number[]
}

export type CoordinatorEvent =
  | { readonly type: 'started' }
  | { readonly type: 'timer' }
  | { readonly type: 'acknowledged'; readonly snapshot: SubtaskSnapshot }
  | { readonly type: 'declined'; readonly checkpointId: CheckpointId; readonly error: ErrorData }
  | { readonly type: 'expired'; readonly checkpointId: CheckpointId }
  | { readonly type: 'written'; readonly checkpointId: CheckpointId }
  | {
      readonly type: 'write-failed'
      readonly checkpointId: CheckpointId
      readonly error: ErrorData
    }
  /** Everything of this checkpoint and those before it is visible. */
  | { readonly type: 'committed'; readonly checkpointId: CheckpointId }
  | { readonly type: 'savepoint-requested'; readonly request: number }
  /** `request`: the checkpoint that stops is a savepoint too. */
  | { readonly type: 'stop-requested'; readonly request?: number }
  | { readonly type: 'drain-requested'; readonly request?: number }
  | { readonly type: 'subtask-ended'; readonly vertex: number; readonly subtask: number }

export type CoordinatorEffect =
  | { readonly type: 'set-timer'; readonly afterMs: number }
  | { readonly type: 'trigger'; readonly checkpointId: CheckpointId; readonly stop: boolean }
  | { readonly type: 'set-expiry'; readonly checkpointId: CheckpointId; readonly afterMs: number }
  | {
      readonly type: 'write'
      readonly checkpointId: CheckpointId
      readonly snapshots: readonly SubtaskSnapshot[]
      readonly final: boolean
      readonly drained: boolean
    }
  | { readonly type: 'commit'; readonly checkpointId: CheckpointId }
  | { readonly type: 'confirm'; readonly checkpointId: CheckpointId }
  | { readonly type: 'aborted'; readonly checkpointId: CheckpointId; readonly error: ErrorData }
  | { readonly type: 'drain-sources' }
  | { readonly type: 'savepoint'; readonly request: number; readonly checkpointId: CheckpointId }
  | {
      readonly type: 'over'
      readonly checkpointId: CheckpointId
      readonly status: 'finished' | 'stopped'
    }
  | { readonly type: 'fail'; readonly error: ErrorData }

export interface CoordinatorStep {
  readonly state: CoordinatorState
  readonly effects: readonly CoordinatorEffect[]
}

export function startCoordinator(
  settings: CheckpointSettings,
  epoch: number,
  subtasks: readonly string[],
): CoordinatorState {
  assert(subtasks.length > 0, 'a job without subtasks')
  return {
    settings,
    epoch,
    counter: 0,
    subtasks,
    ended: new Set(),
    pending: undefined,
    uncommitted: [],
    isDue: false,
    lastEndMs: -Infinity,
    failuresInRow: 0,
    savepoints: [],
    stop: 'none',
    isDrained: false,
    isStarted: false,
    isOver: false,
  }
}

/** `nowMs` never goes back. */
export function coordinate(
  state: CoordinatorState,
  event: CoordinatorEvent,
  nowMs: number,
): CoordinatorStep {
  if (state.isOver) return { state, effects: [] }
  const step = react(state, event, nowMs)
  const next = decideTrigger(step.state, nowMs)
  return { state: next.state, effects: [...step.effects, ...next.effects] }
}

function react(state: CoordinatorState, event: CoordinatorEvent, nowMs: number): CoordinatorStep {
  switch (event.type) {
    case 'started':
      return {
        state: { ...state, isStarted: true },
        effects: [...interval(state), ...drainOf(state.isDrained)],
      }
    case 'timer':
      return only({ ...state, isDue: true })
    case 'acknowledged':
      return acknowledge(state, event.snapshot)
    case 'declined':
      return abort(state, event.checkpointId, event.error, nowMs)
    case 'expired':
      return abort(state, event.checkpointId, expired(state), nowMs)
    case 'written':
      return written(state, event.checkpointId, nowMs)
    case 'write-failed':
      return writeFailed(state, event.checkpointId, event.error, nowMs)
    case 'committed':
      return committed(state, event.checkpointId)
    case 'savepoint-requested':
      return only({ ...state, savepoints: [...state.savepoints, event.request] })
    case 'stop-requested':
      return only({
        ...state,
        stop: state.stop === 'none' ? 'requested' : state.stop,
        savepoints: withRequest(state, event.request),
      })
    case 'drain-requested':
      return {
        state: { ...state, isDrained: true, savepoints: withRequest(state, event.request) },
        effects: drainOf(state.isStarted),
      }
    case 'subtask-ended': {
      const ended = new Set(state.ended).add(`${event.vertex}:${event.subtask}`)
      return only({ ...state, ended })
    }
    default:
      return event satisfies never
  }
}

/** C1, C5, C7: triggers the next checkpoint if one is wanted and may be. */
function decideTrigger(state: CoordinatorState, nowMs: number): CoordinatorStep {
  if (!state.isStarted || state.isOver || state.pending !== undefined) return only(state)
  if (state.stop === 'triggered' || isFinalUnderWay(state)) return only(state)
  if (state.uncommitted.length >= UNCOMMITTED_CHECKPOINTS_MAX) return only(state)
  const hasEnded = state.ended.size === state.subtasks.length
  // A drain waits for the end of the input: its savepoint is the final checkpoint.
  const wantsSavepoint = state.savepoints.length > 0 && !state.isDrained
  if (hasEnded) return trigger(state, 'final')
  if (state.stop === 'requested') return trigger(state, 'stop')
  if (wantsSavepoint) return trigger(state, 'periodic')
  if (!state.isDue) return only(state)
  const pauseMs = state.lastEndMs + state.settings.minPauseMs - nowMs
  if (pauseMs <= 0) return trigger(state, 'periodic')
  return { state: { ...state, isDue: false }, effects: [{ type: 'set-timer', afterMs: pauseMs }] }
}

function trigger(state: CoordinatorState, purpose: Purpose): CoordinatorStep {
  const counter = state.counter + 1
  const id = checkpointIdOf(state.epoch, counter)
  const takesSavepoints = purpose !== 'periodic' || !state.isDrained
  const pending: PendingCheckpoint = {
    id,
    purpose,
    savepoints: takesSavepoints ? state.savepoints : [],
    acknowledged: new Map(),
    isBeingWritten: false,
  }
  return {
    state: {
      ...state,
      counter,
      pending,
      isDue: false,
      savepoints: takesSavepoints ? [] : state.savepoints,
      stop: purpose === 'stop' ? 'triggered' : state.stop,
    },
    effects: [
      { type: 'trigger', checkpointId: id, stop: purpose === 'stop' },
      { type: 'set-expiry', checkpointId: id, afterMs: state.settings.timeoutMs },
      ...interval(state),
    ],
  }
}

/** C3, C4. */
function acknowledge(state: CoordinatorState, snapshot: SubtaskSnapshot): CoordinatorStep {
  const { pending } = state
  const from = `${snapshot.vertex}:${snapshot.subtask}`
  if (pending === undefined || pending.id !== snapshot.checkpointId) return only(state)
  if (pending.isBeingWritten || pending.acknowledged.has(from)) return only(state)
  if (!state.subtasks.includes(from)) return only(state)
  const acknowledged = new Map(pending.acknowledged).set(from, snapshot)
  const isComplete = acknowledged.size === state.subtasks.length
  const next = { ...state, pending: { ...pending, acknowledged, isBeingWritten: isComplete } }
  if (!isComplete) return only(next)
  const final = pending.purpose === 'final'
  return {
    state: next,
    effects: [
      {
        type: 'write',
        checkpointId: pending.id,
        snapshots: [...acknowledged.values()],
        final,
        drained: final && state.isDrained,
      },
    ],
  }
}

function written(state: CoordinatorState, id: CheckpointId, nowMs: number): CoordinatorStep {
  const { pending } = state
  assert(pending !== undefined && pending.id === id && pending.isBeingWritten)
  const { purpose, savepoints } = pending
  return {
    state: {
      ...state,
      pending: undefined,
      lastEndMs: nowMs,
      failuresInRow: 0,
      uncommitted: [...state.uncommitted, { id, purpose, savepoints }],
    },
    effects: [{ type: 'commit', checkpointId: id }],
  }
}

function committed(state: CoordinatorState, id: CheckpointId): CoordinatorStep {
  const effects: CoordinatorEffect[] = [{ type: 'confirm', checkpointId: id }]
  let isOver = false
  for (const checkpoint of state.uncommitted) {
    if (checkpoint.id > id) continue
    for (const request of checkpoint.savepoints) {
      effects.push({ type: 'savepoint', request, checkpointId: checkpoint.id })
    }
    if (checkpoint.purpose === 'periodic') continue
    isOver = true
    const status = checkpoint.purpose === 'final' ? 'finished' : 'stopped'
    effects.push({ type: 'over', checkpointId: checkpoint.id, status })
  }
  const uncommitted = state.uncommitted.filter((checkpoint) => checkpoint.id > id)
  return { state: { ...state, uncommitted, isOver }, effects }
}

function writeFailed(
  state: CoordinatorState,
  id: CheckpointId,
  error: ErrorData,
  nowMs: number,
): CoordinatorStep {
  // The manifest may exist or not: only the disk can tell, so this life must not go on.
  if (error.code === 'CHECKPOINT_IN_DOUBT') return only(state, { type: 'fail', error })
  return abort(state, id, error, nowMs, true)
}

/** C4: an abort of anything but the checkpoint under way is void. */
function abort(
  state: CoordinatorState,
  id: CheckpointId,
  error: ErrorData,
  nowMs: number,
  whileWriting = false,
): CoordinatorStep {
  const { pending } = state
  if (pending === undefined || pending.id !== id) return only(state)
  // Being written, it can no longer expire or be declined: the write decides.
  if (pending.isBeingWritten && !whileWriting) return only(state)
  const failuresInRow = state.failuresInRow + 1
  const next: CoordinatorState = {
    ...state,
    pending: undefined,
    lastEndMs: nowMs,
    failuresInRow,
    savepoints: [...pending.savepoints, ...state.savepoints],
  }
  const aborted: CoordinatorEffect = { type: 'aborted', checkpointId: id, error }
  // After the stop no input is read any more: there is no second try in this life.
  const isTolerable =
    failuresInRow <= state.settings.tolerableFailures && pending.purpose !== 'stop'
  if (isTolerable) return only(next, aborted)
  return only({ ...next, isOver: true }, aborted, { type: 'fail', error })
}

function expired(state: CoordinatorState): ErrorData {
  const missing = state.subtasks.filter((name) => state.pending?.acknowledged.has(name) !== true)
  return {
    code: 'CHECKPOINT_EXPIRED',
    message: `a checkpoint was not complete after ${state.settings.timeoutMs} ms: ${missing.length} of ${state.subtasks.length} subtasks had not answered`,
    hint: 'Look for a step that is slow or held back by a slow sink, or raise timeoutMs.',
  }
}

function isFinalUnderWay(state: CoordinatorState): boolean {
  return state.uncommitted.some((checkpoint) => checkpoint.purpose !== 'periodic')
}

function interval(state: CoordinatorState): readonly CoordinatorEffect[] {
  const { everyMs } = state.settings
  return everyMs === undefined ? [] : [{ type: 'set-timer', afterMs: everyMs }]
}

/** C7. */
function drainOf(isTime: boolean): readonly CoordinatorEffect[] {
  return isTime ? [{ type: 'drain-sources' }] : []
}

function withRequest(state: CoordinatorState, request: number | undefined): readonly number[] {
  return request === undefined ? state.savepoints : [...state.savepoints, request]
}

function only(state: CoordinatorState, ...effects: CoordinatorEffect[]): CoordinatorStep {
  return { state, effects }
}
