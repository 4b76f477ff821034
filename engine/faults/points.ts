/**
 * The fault points: the steps of the checkpoint protocol, by names that stay. A schedule names
 * them, `millrace chaos points` lists them, docs/fault-points.md is made from this table.
 *
 * `form` is what can be done there: a synchronous step, an asynchronous step (it can be late), a
 * message (it can be lost, doubled, late), a call of the disk (it can fail, or be torn).
 */
export interface FaultPoint {
  readonly form: 'step' | 'wait' | 'message' | 'disk'
  /** Whose lane of the picture it is drawn in. */
  readonly lane: 'coordinator' | 'subtask' | 'disk' | 'broker' | 'process'
  /** What is about to happen. */
  readonly does: string
  /** What must hold when the run ends here. */
  readonly holds: string
}

type Make = (lane: FaultPoint['lane'], does: string, holds: string) => FaultPoint

const step: Make = (lane, does, holds) => ({ form: 'step', lane, does, holds })
const wait: Make = (lane, does, holds) => ({ form: 'wait', lane, does, holds })
const message: Make = (lane, does, holds) => ({ form: 'message', lane, does, holds })
const disk = (does: string, holds: string): FaultPoint => ({
  form: 'disk',
  lane: 'disk',
  does,
  holds,
})

const INCOMPLETE = 'The checkpoint never completes; its id is not used again; the one before holds.'
const RESTORED = 'The latest complete checkpoint is restored; nothing of a later one is visible.'
const COMPLETE = 'The checkpoint is complete: it is restored, and what it holds is committed.'
const NOTHING = 'Nothing has been changed that the next start does not find and go on from.'
const ONCE = 'What is published is found as it is and not published again; the rest follows.'
const GARBAGE = 'What is left over is in nobody’s way and goes at the next sweep.'
const IN_DOUBT = 'In doubt: the checkpoint is complete, or it is not; the disk says so.'

export const faultPoints = {
  // Taking the folder and finding where to begin.
  'recover.own': wait('process', 'the lock of the work folder is taken', NOTHING),
  'recover.decide': step('process', 'where this life begins is decided', NOTHING),
  'recover.verify': wait('process', 'the files of the checkpoint are verified', NOTHING),
  'recover.epoch': wait('process', 'this life gets its epoch', NOTHING),
  'recover.target': wait('process', 'a target is claimed, what is pending there published', ONCE),
  'recover.ready': step('process', 'all is claimed and published; tasks come next', ONCE),
  // The job master and the workers.
  'master.deploy': step('coordinator', 'the tasks are sent to the workers', RESTORED),
  'master.splits': step('coordinator', 'splits are handed to a subtask', RESTORED),
  'master.start': step('coordinator', 'records are let flow', RESTORED),
  'master.close': step('coordinator', 'the workers are told to close', COMPLETE),
  'worker.message': wait('subtask', 'a worker takes a message; others wait behind it', RESTORED),
  'task.open': step('subtask', 'the operators of a subtask are opened and restored', RESTORED),
  'task.close': wait('subtask', 'a subtask gives back what it holds', COMPLETE),
  // Reading.
  'source.poll': step('subtask', 'a source looks for records', RESTORED),
  'source.splits': step('subtask', 'a source takes on splits', RESTORED),
  'source.trigger': message('subtask', 'a source is told to send a barrier', INCOMPLETE),
  'source.end': step('subtask', 'a source has come to its end', RESTORED),
  // What travels.
  'task.batch': step('subtask', 'a subtask takes a batch', RESTORED),
  'task.watermark': step('subtask', 'a subtask takes a watermark', RESTORED),
  'task.idle': step('subtask', 'a subtask hears that its inputs fall idle or come back', RESTORED),
  'task.ended': step('subtask', 'the inputs of a subtask have ended', RESTORED),
  'timer.event': step('subtask', 'timers of event time fire, all of one time', RESTORED),
  'timer.processing': step('subtask', 'timers of processing time fire, of one time', RESTORED),
  // The cut.
  'align.first': step(
    'subtask',
    'the first barrier of a checkpoint blocks its channel',
    INCOMPLETE,
  ),
  'align.done': step('subtask', 'the last barrier has come', INCOMPLETE),
  'barrier.forward': step('subtask', 'the barrier goes on to all outputs', INCOMPLETE),
  'snapshot.cut': step('subtask', 'state, positions and sinks are cut', INCOMPLETE),
  'snapshot.write': wait('subtask', 'what was cut becomes durable', INCOMPLETE),
  'snapshot.acknowledge': message('subtask', 'a subtask acknowledges', INCOMPLETE),
  'snapshot.decline': message('subtask', 'a subtask says that it cannot', INCOMPLETE),
  // The coordinator.
  'coordinator.trigger': step('coordinator', 'a checkpoint is triggered', INCOMPLETE),
  'coordinator.acknowledged': step('coordinator', 'an acknowledgement is taken in', INCOMPLETE),
  'coordinator.complete': step('coordinator', 'the last acknowledgement is in', INCOMPLETE),
  'coordinator.write': wait('coordinator', 'the manifest is about to be written', INCOMPLETE),
  'coordinator.written': step('coordinator', 'the checkpoint exists: it is decided', COMPLETE),
  'coordinator.commit': wait('coordinator', 'what the checkpoint holds is committed', COMPLETE),
  'coordinator.committed': step('coordinator', 'all of it is visible', COMPLETE),
  'coordinator.confirm': message('coordinator', 'the workers hear that it is committed', COMPLETE),
  'coordinator.completed': message('coordinator', 'the workers hear that it is complete', COMPLETE),
  'coordinator.expire': step('coordinator', 'the time of a checkpoint is over', INCOMPLETE),
  'coordinator.abort': step('coordinator', 'a checkpoint is given up', INCOMPLETE),
  'coordinator.savepoint': wait('coordinator', 'a savepoint is copied', COMPLETE),
  'coordinator.over': step('coordinator', 'the last checkpoint is committed', COMPLETE),
  // Sinks.
  'sink.write': step('subtask', 'a sink takes a batch', RESTORED),
  'sink.prepare': step('subtask', 'a sink cuts its output for the checkpoint', INCOMPLETE),
  'sink.prepared': wait(
    'subtask',
    'the output of a sink is durable; not acknowledged yet',
    INCOMPLETE,
  ),
  'sink.confirm': step('subtask', 'a sink forgets what is committed', COMPLETE),
  'commit.begin': wait('coordinator', 'a sink begins to publish', COMPLETE),
  'commit.retry': wait('coordinator', 'a commit that failed waits for its next try', COMPLETE),
  'commit.done': step('coordinator', 'a sink has published', COMPLETE),
  // The disk, by what a file is for.
  'disk.owner.write': disk('who owns the folder is written', NOTHING),
  'disk.owner.sync': disk('the record of the owner is made durable', NOTHING),
  'disk.owner.rename': disk('the record of the owner takes its place', NOTHING),
  'disk.epoch.write': disk('the file of an epoch is written', NOTHING),
  'disk.epoch.sync': disk('the file of an epoch is made durable', NOTHING),
  'disk.epoch.link': disk('an epoch is taken', NOTHING),
  'disk.epoch.folder': disk('the names of epochs are made durable', NOTHING),
  'disk.epoch.read': disk('epochs are read', NOTHING),
  'disk.state.write': disk('a file of state is written', INCOMPLETE),
  'disk.state.sync': disk('a file of state is made durable', INCOMPLETE),
  'disk.state.link': disk('a file of state gets its name', INCOMPLETE),
  'disk.state.folder': disk('the names of state files are made durable', INCOMPLETE),
  'disk.state.unlink': disk('a file of state that nobody needs is removed', GARBAGE),
  'disk.state.read': disk('a file of state is read', NOTHING),
  'disk.manifest.write': disk('a manifest is written', INCOMPLETE),
  'disk.manifest.sync': disk('a manifest is made durable', INCOMPLETE),
  'disk.manifest.link': disk('a manifest gets its name', IN_DOUBT),
  'disk.manifest.folder': disk('the name of a manifest is made durable: the decision', IN_DOUBT),
  'disk.manifest.unlink': disk('the manifest of an old checkpoint is removed', GARBAGE),
  'disk.manifest.read': disk('a manifest is read', NOTHING),
  'disk.folder.make': disk('a folder is made', NOTHING),
  'disk.folder.sync': disk('the name of a new folder is made durable', NOTHING),
  'disk.scratch': disk('scratch is made or cleared', NOTHING),
  'disk.savepoint.write': disk('a savepoint is written', COMPLETE),
  'disk.savepoint.sync': disk('a savepoint is made durable', COMPLETE),
  'disk.savepoint.link': disk('a file of a savepoint gets its name', COMPLETE),
  'disk.savepoint.read': disk('a savepoint is read', NOTHING),
  'disk.staged.write': disk('output is written to its staging folder', RESTORED),
  'disk.staged.sync': disk('staged output is made durable', INCOMPLETE),
  'disk.staged.folder': disk('the names of staged output are made durable', INCOMPLETE),
  'disk.staged.unlink': disk('a staged name is removed: of published output, or a leftover', ONCE),
  'disk.staged.read': disk('a sink looks for its staged output', ONCE),
  'disk.publish.link': disk('output becomes visible', ONCE),
  'disk.publish.folder': disk('the names of output are made durable', ONCE),
  'disk.publish.read': disk('what stands under the name of output is looked at', ONCE),
  'disk.marker.write': disk('the marker of a target is written', ONCE),
  'disk.marker.sync': disk('the marker of a target is made durable', ONCE),
  'disk.marker.rename': disk('the marker of a target takes its place', ONCE),
  'disk.marker.folder': disk('the name of a marker is made durable', ONCE),
  'disk.marker.read': disk('the marker of a target is read', NOTHING),
  'disk.input.read': disk('a source reads a file', RESTORED),
  // The network.
  'kafka.request': wait('broker', 'a request goes out to a broker', RESTORED),
  'kafka.response': wait('broker', 'the answer of a broker is taken in', RESTORED),
} as const satisfies Record<string, FaultPoint>

export type FaultPointName = keyof typeof faultPoints

export const faultPointNames = Object.keys(faultPoints) as readonly FaultPointName[]

export function isFaultPoint(name: string): name is FaultPointName {
  return Object.hasOwn(faultPoints, name)
}
