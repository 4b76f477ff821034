import type { TraceEvent } from '../faults/trace.ts'
import type { CheckpointId } from '../stream/elements.ts'
import type { LifeRecord, ScheduleRun } from './schedule-run.ts'
import { START_MS } from './simulate-schedule.ts'

/**
 * States that a run seldom comes to, and in which errors hide. A campaign that has not seen each of
 * them has not shown what it should.
 */
export const rareStates = {
  'commit-replayed': 'a life publishes output that a checkpoint of an earlier life left pending',
  'late-acknowledgement': 'an acknowledgement arrives after its checkpoint was aborted',
  'abort-while-aligning': 'a checkpoint is aborted while a subtask aligns its barriers',
  'restore-beside-partial': 'a checkpoint is restored while files of a later, incomplete one exist',
  'twin-refused': 'a second process starts and is refused',
  'twin-takes-over': 'a second process starts and takes the work folder over',
  'sweep-interrupted': 'the deletion of old checkpoints is interrupted',
  'rescale-with-pending': 'pending output is published at another parallelism',
  'timer-due-at-restore': 'a timer is due before a restored life reads a record',
  'notify-subsumed': 'a completion message is lost, and the next one replaces it',
  'barrier-at-end': 'an input ends while a barrier is in flight',
  'savepoint-interrupted': 'a life ends while a savepoint is copied',
  'doubt-found-complete': 'the write of a manifest was not confirmed, and the manifest exists',
  'doubt-found-absent':
    'the write of a manifest was not confirmed, and the manifest does not exist',
  'crash-in-recovery': 'a restored life ends before records flow',
  'duplicate-acknowledgement': 'a subtask acknowledges twice',
  'checkpoint-expired': 'a checkpoint is aborted because it took too long',
} as const

export type RareState = keyof typeof rareStates

/** The rare states that a run came to. */
export function rareStatesOf(run: ScheduleRun): readonly RareState[] {
  const lives = livesOf(run)
  return (Object.keys(rareStates) as RareState[]).filter((state) => {
    const reached: Predicate = predicates[state]
    return lives.some((life, index) => reached(life, lives[index - 1], run))
  })
}

/** A life with what the trace has of it. */
interface TracedLife {
  readonly record: LifeRecord
  readonly events: readonly TraceEvent[]
}

function livesOf(run: ScheduleRun): readonly TracedLife[] {
  const events = new Map<number, TraceEvent[]>(run.lives.map(({ life }) => [life, []]))
  for (const event of run.trace) events.get(event.life)?.push(event)
  return run.lives.map((record) => ({ record, events: events.get(record.life)! }))
}

type Predicate = (life: TracedLife, before: TracedLife | undefined, run: ScheduleRun) => boolean

const predicates = {
  'commit-replayed': (life) => publishesFirst(life),
  'late-acknowledgement': ({ events }) => {
    const aborted = new Set<CheckpointId>()
    return events.some(({ point, place }) => {
      if (point === 'coordinator.abort') aborted.add(place.checkpointId!)
      return point === 'coordinator.acknowledged' && aborted.has(place.checkpointId!)
    })
  },
  'abort-while-aligning': ({ events }) => {
    const aligning = new Map<string, CheckpointId>()
    return events.some(({ point, place }) => {
      if (point === 'align.first') aligning.set(subtaskOf(place), place.checkpointId!)
      if (point === 'align.done') aligning.delete(subtaskOf(place))
      if (point !== 'coordinator.abort') return false
      return [...aligning.values()].includes(place.checkpointId!)
    })
  },
  'restore-beside-partial': ({ record, events }, _before, run) => {
    const restored = restoredBy(events)
    if (restored === undefined) return false
    return run.trace.some(
      ({ life, point, place }) =>
        life < record.life && point === 'disk.state.write' && place.checkpointId! > restored,
    )
  },
  'twin-refused': (_life, _before, { refusals }) => refusals.length > 0,
  'twin-takes-over': ({ record }, _before, { history }) => {
    const epochs = history.changes.filter(
      ({ kind, path, life }) => kind === 'link' && life === record.life && /\/epochs\//.test(path),
    )
    return new Set(epochs.map(({ process }) => process)).size > 1
  },
  'sweep-interrupted': ({ events }) =>
    events.some(
      ({ point, fault }) =>
        (point === 'disk.manifest.unlink' || point === 'disk.state.unlink') &&
        fault !== undefined &&
        fault.type !== 'delay',
    ),
  'rescale-with-pending': (life, before) =>
    before !== undefined &&
    before.record.parallelism !== life.record.parallelism &&
    publishesFirst(life),
  'timer-due-at-restore': ({ record, events }) => {
    if (restoredBy(events) === undefined) return false
    const first = events.findIndex(({ point }) => point === 'task.batch')
    return events.some(
      ({ point, place }, index) =>
        (point === 'timer.processing' && place.ms! <= START_MS + record.fromMs) ||
        (point === 'timer.event' && (first < 0 || index < first)),
    )
  },
  'notify-subsumed': ({ events }) =>
    events.some(
      (lost, index) =>
        lost.fault?.type === 'drop' &&
        (lost.point === 'coordinator.confirm' || lost.point === 'coordinator.completed') &&
        events
          .slice(index + 1)
          .some(({ point, fault }) => point === lost.point && fault?.type !== 'drop'),
    ),
  'barrier-at-end': ({ events }) => {
    let underWay: CheckpointId | undefined
    const cut = new Set<string>()
    return events.some(({ point, place }) => {
      if (point === 'coordinator.trigger') {
        underWay = place.checkpointId
        cut.clear()
      }
      if (point === 'coordinator.complete' || point === 'coordinator.abort') underWay = undefined
      if (point === 'snapshot.cut') cut.add(subtaskOf(place))
      const isEnd = point === 'source.end' || point === 'task.ended'
      return isEnd && underWay !== undefined && !cut.has(subtaskOf(place))
    })
  },
  'savepoint-interrupted': ({ record, events }, _before, { history }) => {
    const begun = events.find(({ point }) => point === 'coordinator.savepoint')
    if (begun === undefined || isClean(record)) return false
    return !history.changes.some(
      ({ path, life, step }) =>
        life === record.life && step >= begun.step && /\/savepoints\/.*manifest\.json$/.test(path),
    )
  },
  'doubt-found-complete': ({ events }, before) => {
    const doubted = before === undefined ? undefined : doubtedBy(before)
    return doubted !== undefined && restoredBy(events) === doubted
  },
  'doubt-found-absent': ({ events }, before) => {
    const doubted = before === undefined ? undefined : doubtedBy(before)
    return doubted !== undefined && has(events, 'recover.epoch') && restoredBy(events) !== doubted
  },
  'crash-in-recovery': ({ record, events }) =>
    record.life > 1 && !isClean(record) && !has(events, 'master.start'),
  'duplicate-acknowledgement': ({ events }) =>
    events.some(
      ({ point, fault }) => point === 'snapshot.acknowledge' && fault?.type === 'duplicate',
    ),
  'checkpoint-expired': ({ events }) =>
    events.some(
      ({ point, place }) => point === 'coordinator.abort' && place.what === 'CHECKPOINT_EXPIRED',
    ),
} as const satisfies Record<RareState, Predicate>

function subtaskOf({ uid, subtask }: TraceEvent['place']): string {
  return `${uid}-${subtask}`
}

/** Whether it publishes what a life before it has left, before it takes anything in. */
function publishesFirst({ events }: TracedLife): boolean {
  for (const { point } of events) {
    if (point === 'recover.ready') return false
    if (point === 'disk.publish.link') return true
  }
  return false
}

/** The checkpoint that it begins with. */
function restoredBy(events: readonly TraceEvent[]): CheckpointId | undefined {
  return events.find(({ point }) => point === 'recover.verify')?.place.checkpointId
}

/** The checkpoint whose manifest it was about to name, or had, when it ended. */
function doubtedBy({ events }: TracedLife): CheckpointId | undefined {
  const linked = events.findLast(
    ({ point, place }) => point === 'disk.manifest.link' && place.file?.endsWith('.json') === true,
  )?.place.checkpointId
  const isWritten = events.some(
    ({ point, place }) => point === 'coordinator.written' && place.checkpointId === linked,
  )
  return isWritten || !has(events, 'coordinator.write') ? undefined : linked
}

function isClean({ ended }: LifeRecord): boolean {
  return ended.type === 'finished' || ended.type === 'stopped'
}

function has(events: readonly TraceEvent[], wanted: TraceEvent['point']): boolean {
  return events.some(({ point }) => point === wanted)
}
