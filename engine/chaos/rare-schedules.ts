import type { Fault } from '../faults/schedule.ts'
import type { CheckpointSettings } from '../graph/stream-graph.ts'
import type { RareState } from './rare-states.ts'

/**
 * For each rare state, faults that lead there: whatever chance does, a campaign can be sure to have
 * been there. Most reach their state in any job with two subtasks; a timer that is due at a restore
 * needs one of processing time.
 */
export function rareSchedules({
  timeoutMs,
}: Pick<CheckpointSettings, 'timeoutMs'>): Readonly<Record<RareState, readonly Fault[]>> {
  const tooLate = { type: 'delay', ms: timeoutMs + 5 } as const
  const almostTooLate = { type: 'delay', ms: Math.round(timeoutMs * 0.9) } as const
  return {
    'commit-replayed': [crashAt('commit.begin', 1)],
    // The next checkpoint, which may be the last one, is still being written when it comes.
    'late-acknowledgement': [
      { point: 'snapshot.acknowledge', nth: 1, action: tooLate },
      { point: 'disk.manifest.write', nth: 1, action: { type: 'delay', ms: 50 } },
    ],
    'abort-while-aligning': [
      { point: 'source.trigger', where: { subtask: 1 }, nth: 1, action: tooLate },
    ],
    'restore-beside-partial': [crashAt('disk.manifest.write', 2)],
    'twin-refused': [twin(false)],
    'twin-takes-over': [twin(true)],
    'sweep-interrupted': [crashAt('disk.manifest.unlink', 1)],
    'rescale-with-pending': [
      { point: 'commit.begin', nth: 1, action: { type: 'rescale', parallelism: 3 } },
    ],
    'timer-due-at-restore': [crashAt('coordinator.committed', 1)],
    'notify-subsumed': [{ point: 'coordinator.confirm', nth: 1, action: { type: 'drop' } }],
    'barrier-at-end': [
      { point: 'source.trigger', where: { subtask: 0 }, nth: 3, action: almostTooLate },
    ],
    'savepoint-interrupted': [
      { point: 'snapshot.cut', nth: 1, action: { type: 'ask', request: 'savepoint' } },
      crashAt('disk.savepoint.write', 1),
    ],
    'doubt-found-complete': [
      {
        point: 'disk.manifest.folder',
        nth: 2,
        action: { type: 'errno', errno: 'EIO', done: true },
      },
    ],
    'doubt-found-absent': [{ point: 'disk.manifest.link', nth: 2, action: { type: 'power-loss' } }],
    'crash-in-recovery': [
      crashAt('coordinator.committed', 1),
      { ...crashAt('recover.ready', 1), life: 2 },
    ],
    'duplicate-acknowledgement': [
      { point: 'snapshot.acknowledge', nth: 1, action: { type: 'duplicate' } },
    ],
    'checkpoint-expired': [{ point: 'snapshot.acknowledge', nth: 1, action: { type: 'drop' } }],
  }
}

function crashAt(point: Fault['point'], nth: number): Fault {
  return { point, nth, action: { type: 'crash' } }
}

function twin(takeOver: boolean): Fault {
  return { point: 'snapshot.cut', nth: 1, action: { type: 'fence', takeOver } }
}
