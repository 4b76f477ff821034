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

const INCOMPLETE =
  'The checkpoint never completes and its number is not used again. The previous one stays valid.'
const RESTORED =
  'The next life restores the latest complete checkpoint. No later output is visible.'
const COMPLETE = 'The checkpoint is complete. The next life restores it and publishes its output.'
const NOTHING = 'The next start finds the work folder as it was and continues from it.'
const ONCE = 'The next life leaves published output alone and publishes the rest.'
const GARBAGE = 'The next sweep removes what is left over. Until then it does no harm.'
const IN_DOUBT = 'The checkpoint is complete or it is not. The disk decides.'

export const faultPoints = {
  // Taking the folder and finding where to begin.
  'recover.own': wait('process', 'the engine takes the lock of the work folder', NOTHING),
  'recover.decide': step('process', 'the engine chooses the checkpoint to restore', NOTHING),
  'recover.verify': wait('process', 'the engine verifies the files of the checkpoint', NOTHING),
  'recover.epoch': wait('process', 'this life gets its number', NOTHING),
  'recover.target': wait('process', 'a sink claims its target and publishes pending output', ONCE),
  'recover.ready': step(
    'process',
    'all targets are claimed and all pending output is published; the tasks start next',
    ONCE,
  ),
  // The job master and the workers.
  'master.deploy': step('coordinator', 'the job master sends the tasks to the workers', RESTORED),
  'master.splits': step('coordinator', 'the job master assigns splits to a subtask', RESTORED),
  'master.start': step('coordinator', 'the job master lets records flow', RESTORED),
  'master.close': step('coordinator', 'the job master tells the workers to close', COMPLETE),
  'worker.message': wait(
    'subtask',
    'a worker handles a message; later messages wait behind it',
    RESTORED,
  ),
  'task.open': step('subtask', 'a subtask opens and restores its operators', RESTORED),
  'task.close': wait('subtask', 'a subtask releases its resources', COMPLETE),
  // Reading.
  'source.poll': step('subtask', 'a source polls for records', RESTORED),
  'source.splits': step('subtask', 'a source receives splits', RESTORED),
  'source.trigger': message('subtask', 'a source is told to send a barrier', INCOMPLETE),
  'source.end': step('subtask', 'a source reaches its end', RESTORED),
  // What travels.
  'task.batch': step('subtask', 'a subtask processes a batch', RESTORED),
  'task.watermark': step('subtask', 'a subtask processes a watermark', RESTORED),
  'task.idle': step('subtask', 'a subtask learns that its inputs became idle or active', RESTORED),
  'task.ended': step('subtask', 'the inputs of a subtask have ended', RESTORED),
  'timer.event': step('subtask', 'all event-time timers of one time fire', RESTORED),
  'timer.processing': step('subtask', 'all processing-time timers of one time fire', RESTORED),
  // The cut.
  'align.first': step(
    'subtask',
    'the first barrier of a checkpoint blocks its channel',
    INCOMPLETE,
  ),
  'align.done': step('subtask', 'the last barrier of a checkpoint has arrived', INCOMPLETE),
  'barrier.forward': step('subtask', 'a subtask forwards the barrier to all outputs', INCOMPLETE),
  'snapshot.cut': step(
    'subtask',
    'a subtask sets aside its state, positions and sink output for the checkpoint',
    INCOMPLETE,
  ),
  'snapshot.write': wait('subtask', 'a subtask makes its snapshot durable', INCOMPLETE),
  'snapshot.acknowledge': message('subtask', 'a subtask acknowledges the checkpoint', INCOMPLETE),
  'snapshot.decline': message('subtask', 'a subtask declines the checkpoint', INCOMPLETE),
  // The coordinator.
  'coordinator.trigger': step('coordinator', 'the coordinator triggers a checkpoint', INCOMPLETE),
  'coordinator.acknowledged': step(
    'coordinator',
    'the coordinator receives an acknowledgement',
    INCOMPLETE,
  ),
  'coordinator.complete': step(
    'coordinator',
    'the coordinator has received the last acknowledgement',
    INCOMPLETE,
  ),
  'coordinator.write': wait(
    'coordinator',
    'the coordinator is about to write the manifest',
    INCOMPLETE,
  ),
  'coordinator.written': step('coordinator', 'the checkpoint is complete', COMPLETE),
  'coordinator.commit': wait(
    'coordinator',
    'the sinks start to publish the output of the checkpoint',
    COMPLETE,
  ),
  'coordinator.committed': step('coordinator', 'all output of the checkpoint is visible', COMPLETE),
  'coordinator.confirm': message(
    'coordinator',
    'the workers are told that the checkpoint is committed',
    COMPLETE,
  ),
  'coordinator.completed': message(
    'coordinator',
    'the workers are told that the checkpoint is complete',
    COMPLETE,
  ),
  'coordinator.expire': step('coordinator', 'a checkpoint has taken too long', INCOMPLETE),
  'coordinator.abort': step('coordinator', 'a checkpoint is aborted', INCOMPLETE),
  'coordinator.savepoint': wait('coordinator', 'a savepoint is copied', COMPLETE),
  'coordinator.over': step('coordinator', 'the last checkpoint is committed', COMPLETE),
  // Sinks.
  'sink.write': step('subtask', 'a sink writes a batch', RESTORED),
  'sink.prepare': step('subtask', 'a sink closes its staged output for the checkpoint', INCOMPLETE),
  'sink.prepared': wait(
    'subtask',
    'the output of a sink is durable and not acknowledged yet',
    INCOMPLETE,
  ),
  'sink.confirm': step('subtask', 'a sink forgets what is committed', COMPLETE),
  'commit.begin': wait('coordinator', 'a sink starts to publish', COMPLETE),
  'commit.retry': wait('coordinator', 'a failed commit waits before its retry', COMPLETE),
  'commit.done': step('coordinator', 'a sink has published', COMPLETE),
  // The disk, by what a file is for.
  'disk.owner.write': disk('the record of the owner is written', NOTHING),
  'disk.owner.sync': disk('the record of the owner is made durable', NOTHING),
  'disk.owner.rename': disk('the record of the owner replaces the previous one', NOTHING),
  'disk.epoch.write': disk('the file that counts a start is written', NOTHING),
  'disk.epoch.sync': disk('the file that counts a start is made durable', NOTHING),
  'disk.epoch.link': disk('the number of this start is taken', NOTHING),
  'disk.epoch.folder': disk('the folder of the starts is made durable', NOTHING),
  'disk.epoch.read': disk('the files that count the starts are read', NOTHING),
  'disk.state.write': disk('a state file is written', INCOMPLETE),
  'disk.state.sync': disk('a state file is made durable', INCOMPLETE),
  'disk.state.link': disk('a state file gets its name', INCOMPLETE),
  'disk.state.folder': disk('the names of state files are made durable', INCOMPLETE),
  'disk.state.unlink': disk('a state file that no checkpoint needs is removed', GARBAGE),
  'disk.state.read': disk('a state file is read', NOTHING),
  'disk.manifest.write': disk('a manifest is written', INCOMPLETE),
  'disk.manifest.sync': disk('a manifest is made durable', INCOMPLETE),
  'disk.manifest.link': disk('a manifest gets its name', IN_DOUBT),
  'disk.manifest.folder': disk(
    'the name of a manifest is made durable; from here on the checkpoint is complete',
    IN_DOUBT,
  ),
  'disk.manifest.unlink': disk('the manifest of an old checkpoint is removed', GARBAGE),
  'disk.manifest.read': disk('a manifest is read', NOTHING),
  'disk.folder.make': disk('a folder is created', NOTHING),
  'disk.folder.sync': disk('the name of a new folder is made durable', NOTHING),
  'disk.scratch': disk('scratch files are created or cleared', NOTHING),
  'disk.savepoint.write': disk('a savepoint is written', COMPLETE),
  'disk.savepoint.sync': disk('a savepoint is made durable', COMPLETE),
  'disk.savepoint.link': disk('a file of a savepoint gets its name', COMPLETE),
  'disk.savepoint.read': disk('a savepoint is read', NOTHING),
  'disk.staged.write': disk('output is written to its staging folder', RESTORED),
  'disk.staged.sync': disk('staged output is made durable', INCOMPLETE),
  'disk.staged.folder': disk('the names of staged output are made durable', INCOMPLETE),
  'disk.staged.unlink': disk(
    'a staged name is removed, of published output or of a leftover',
    ONCE,
  ),
  'disk.staged.read': disk('a sink looks for its staged output', ONCE),
  'disk.publish.link': disk('output becomes visible', ONCE),
  'disk.publish.folder': disk('the names of output are made durable', ONCE),
  'disk.publish.read': disk('a sink checks what exists under the name of its output', ONCE),
  'disk.marker.write': disk('the marker of a target is written', ONCE),
  'disk.marker.sync': disk('the marker of a target is made durable', ONCE),
  'disk.marker.rename': disk('the marker of a target replaces the previous one', ONCE),
  'disk.marker.folder': disk('the name of a marker is made durable', ONCE),
  'disk.marker.read': disk('the marker of a target is read', NOTHING),
  'disk.input.read': disk('a source reads a file', RESTORED),
  // The network.
  'kafka.request': wait('broker', 'a request is sent to a broker', RESTORED),
  'kafka.response': wait('broker', 'the response of a broker is processed', RESTORED),
} as const satisfies Record<string, FaultPoint>

export type FaultPointName = keyof typeof faultPoints

export const faultPointNames = Object.keys(faultPoints) as readonly FaultPointName[]

export function isFaultPoint(name: string): name is FaultPointName {
  return Object.hasOwn(faultPoints, name)
}
