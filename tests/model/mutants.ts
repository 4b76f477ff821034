/** Planted bugs: one decision each is made otherwise than in production. The model must find all. */
import type { CoordinatorEffect, CoordinatorStep } from '../../engine/checkpoint/coordinator.ts'
import type { CoordinatorState } from '../../engine/checkpoint/coordinator.ts'
import type { Bounds } from './world.ts'
import { compareCommittables } from '../../engine/checkpoint/committables.ts'
import { parseStateFileName } from '../../engine/checkpoint/layout.ts'
import { PRODUCTION, type Decisions } from './decisions.ts'

export interface Mutant {
  readonly name: string
  readonly decisions: Partial<Decisions>
  /** What must be able to happen for it to show. */
  readonly bounds?: Partial<Bounds>
}

const { coordinate, decideTarget, decideRecovery, planSweep, splitsToRead } = PRODUCTION

/** The coordinator with its answer changed. */
function changed(
  change: (step: CoordinatorStep, before: CoordinatorState) => Partial<CoordinatorStep>,
): Pick<Decisions, 'coordinate'> {
  return {
    coordinate: (state, event, nowMs) => {
      const step = coordinate(state, event, nowMs)
      return { ...step, ...change(step, state) }
    },
  }
}

function withEffects(
  change: (effect: CoordinatorEffect) => readonly CoordinatorEffect[],
): Pick<Decisions, 'coordinate'> {
  return changed(({ effects }) => ({ effects: effects.flatMap(change) }))
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'commit when all have acknowledged, not when it is written',
    decisions: withEffects((effect) => {
      if (effect.type === 'commit') return []
      if (effect.type !== 'write') return [effect]
      return [effect, { type: 'commit', checkpointId: effect.checkpointId }]
    }),
  },
  {
    name: 'write with one acknowledgement missing',
    decisions: {
      coordinate: (state, event, nowMs) => {
        const isLast = state.pending?.acknowledged.size === state.subtasks.length - 2
        if (event.type !== 'acknowledged' || !isLast) return coordinate(state, event, nowMs)
        const subtasks = [...state.pending.acknowledged.keys()]
        const from = `${event.snapshot.vertex}:${event.snapshot.subtask}`
        const short = coordinate({ ...state, subtasks: [...subtasks, from] }, event, nowMs)
        return { ...short, state: { ...short.state, subtasks: state.subtasks } }
      },
    },
  },
  {
    name: 'confirm before the commit',
    decisions: withEffects((effect) => {
      if (effect.type === 'confirm') return []
      if (effect.type !== 'commit') return [effect]
      return [effect, { type: 'confirm', checkpointId: effect.checkpointId }]
    }),
  },
  {
    name: 'an expiry aborts while being written',
    decisions: {
      coordinate: (state, event, nowMs) => {
        const { pending } = state
        if (event.type !== 'expired' || pending === undefined)
          return coordinate(state, event, nowMs)
        const open = { ...pending, isBeingWritten: false }
        return coordinate({ ...state, pending: open }, event, nowMs)
      },
    },
    bounds: { faults: 1 },
  },
  {
    name: 'a write in doubt is an abort like others',
    decisions: {
      coordinate: (state, event, nowMs) =>
        event.type === 'write-failed'
          ? coordinate(
              state,
              { ...event, error: { ...event.error, code: 'CHECKPOINT_FAILED' } },
              nowMs,
            )
          : coordinate(state, event, nowMs),
    },
    bounds: { faults: 1 },
  },
  {
    name: 'the id of an aborted checkpoint is given out again',
    decisions: changed(({ state, effects }) =>
      effects.some(({ type }) => type === 'aborted')
        ? { state: { ...state, counter: state.counter - 1 } }
        : {},
    ),
    bounds: { faults: 1 },
  },
  {
    name: 'a life goes on with the ids of the one before',
    decisions: { nextEpochNumber: (last, above) => Math.max(last, above, 1) },
  },
  {
    name: 'an abort removes what was staged for it',
    decisions: { removesStagedOfAborted: true },
    bounds: { faults: 1 },
  },
  {
    name: 'a writer declares only what it has cut for this checkpoint',
    decisions: { declaredAt: (all, id) => all.filter(({ bornAt }) => bornAt === id) },
  },
  {
    name: 'a writer forgets what is above the confirmed checkpoint',
    decisions: { unconfirmedAfter: () => [] },
    bounds: { faults: 1, crashes: 0 },
  },
  {
    name: 'recovery takes the checkpoint before the latest',
    decisions: { latestOf: (ids) => ids.at(-2) ?? ids.at(-1) },
  },
  {
    name: 'recovery begins fresh beside a checkpoint',
    decisions: {
      decideRecovery: (facts) => decideRecovery({ ...facts, latest: undefined }),
    },
  },
  {
    name: 'recovery acts on a manifest that may not be durable',
    decisions: { makesDurableBeforeRecovery: false },
    bounds: { powerLoss: true, crashes: 2 },
  },
  {
    name: 'what a final checkpoint has pending is left behind',
    decisions: {
      decideRecovery: (facts) => {
        const decision = decideRecovery(facts)
        if (decision.type !== 'finished') return decision
        return { ...decision, type: 'finished', manifest: { ...decision.manifest, sinks: [] } }
      },
    },
  },
  {
    name: 'the marker covers all but its own checkpoint',
    decisions: { bornAfter: (all, after) => all.filter(({ bornAt }) => bornAt >= after) },
  },
  {
    name: 'the marker covers one checkpoint more than it says',
    decisions: {
      bornAfter: (all, after) =>
        PRODUCTION.bornAfter(all, after).filter(({ bornAt }) => after === 0 || bornAt > after + 1),
    },
  },
  {
    name: 'what the marker covers is published again at a restart',
    decisions: {
      decideTarget: (facts) => {
        const decision = decideTarget(facts)
        return decision.type === 'refuse' ? decision : { ...decision, after: 0 }
      },
    },
  },
  {
    name: 'what is pending at a restart counts as published',
    decisions: {
      decideTarget: (facts) => {
        const decision = decideTarget(facts)
        return decision.type === 'refuse' ? decision : { ...decision, after: facts.restoredId }
      },
    },
  },
  {
    name: 'committables are published youngest first',
    decisions: {
      bornAfter: (all, after) =>
        all
          .filter(({ bornAt }) => bornAt > after)
          .sort((left, right) => compareCommittables(right, left)),
    },
  },
  {
    name: 'a commit goes by the marker of its own, unread',
    decisions: { ownedUpTo: (_uid, _marker, own) => own.checkpointId },
  },
  {
    name: 'a sweep drops a file that is still named',
    decisions: {
      planSweep: (facts) => {
        const latest = facts.retained.at(-1)?.checkpointId ?? 0
        return facts.present.filter((name) => parseStateFileName(name)!.checkpointId < latest)
      },
    },
  },
  {
    name: 'a sweep looks at the latest checkpoint as if there were none after it',
    decisions: {
      planSweep: (facts) => planSweep({ ...facts, epoch: facts.epoch + 1, retained: [] }),
      planRetention: () => new Set(),
    },
  },
  {
    name: 'splits are read from their start after a restore',
    decisions: { splitsToRead: (known) => splitsToRead(known, []) },
  },
  {
    name: 'finished splits are not dealt out again',
    decisions: {
      splitsToRead: (known, states) =>
        splitsToRead(known, states).filter(({ finished }) => !finished),
    },
  },
  {
    name: 'key groups are cut one too far',
    decisions: {
      keyGroupRange: (subtask, maxParallelism, parallelism) => {
        const range = PRODUCTION.keyGroupRange(subtask, maxParallelism, parallelism)
        return { ...range, last: range.last + 1 }
      },
    },
  },
  {
    name: 'the job is over when its last checkpoint is written',
    decisions: changed(({ effects }, before) => {
      const commit = effects.find(({ type }) => type === 'commit')
      if (commit?.type !== 'commit' || before.pending?.purpose !== 'final') return {}
      const { checkpointId } = commit
      return { effects: [{ type: 'over', checkpointId, status: 'finished' }] }
    }),
  },
  {
    name: 'the end of one subtask is not heard',
    decisions: {
      coordinate: (state, event, nowMs) =>
        event.type === 'subtask-ended' && event.vertex === 3
          ? { state, effects: [] }
          : coordinate(state, event, nowMs),
    },
    bounds: { crashes: 0 },
  },
  {
    name: 'a job is given up one attempt too early',
    decisions: {
      decideRestart: (settings, failures) =>
        failures.length > 0
          ? { type: 'give-up', reason: 'attempts' }
          : PRODUCTION.decideRestart(settings, failures),
    },
  },
]
