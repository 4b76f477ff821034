import { assembleState } from '../../engine/checkpoint/assemble.ts'
import { bornAfter, declaredAt, unconfirmedAfter } from '../../engine/checkpoint/committables.ts'
import { coordinate } from '../../engine/checkpoint/coordinator.ts'
import { nextEpochNumber } from '../../engine/checkpoint/epochs.ts'
import { decideRecovery } from '../../engine/checkpoint/recovery.ts'
import { planRetention, planSweep } from '../../engine/checkpoint/sweep.ts'
import { decideTarget, ownedUpTo } from '../../engine/checkpoint/target.ts'
import { decideRestart } from '../../engine/job/restart-strategy.ts'
import { splitsToRead } from '../../engine/job/source-coordinator.ts'
import { keyGroupRange, subtaskOfKeyGroup } from '../../engine/stream/keys.ts'
import type { CheckpointId } from '../../engine/stream/elements.ts'

/**
 * All that is decided in production, as the model calls it: the very functions. A mutant replaces
 * one of them.
 */
export const PRODUCTION = {
  coordinate,
  assembleState,
  decideRecovery,
  decideTarget,
  ownedUpTo,
  bornAfter,
  declaredAt,
  unconfirmedAfter,
  nextEpochNumber,
  planRetention,
  planSweep,
  decideRestart,
  splitsToRead,
  keyGroupRange,
  subtaskOfKeyGroup,
  /** What the callers do with no function of their own for it. */
  latestOf: (ids: readonly CheckpointId[]): CheckpointId | undefined => ids.at(-1),
  makesDurableBeforeRecovery: true,
  removesStagedOfAborted: false,
}

export type Decisions = typeof PRODUCTION
