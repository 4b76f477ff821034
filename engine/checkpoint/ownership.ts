import type { Clock } from '../base/clock.ts'
import { messageOf, StreamError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import { errnoOf, makeDirectories, readWholeFile, writeDurably } from '../base/files.ts'
import { OWNER_POLL_MS, OWNER_WAIT_MS } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import { temporaryName, type WorkLayout } from './layout.ts'
import { takeLevelLock, type OwnerLock, type TakeLock } from './owner-lock.ts'
import { systemProcesses, type Processes, type ProcessIdentity } from './processes.ts'

/** Who holds a work folder; written after the lock was taken, so it may lag behind it. */
export interface OwnerRecord extends ProcessIdentity {
  readonly job: string
  /** The parent process that would start the engine again. */
  readonly parent: ProcessIdentity | null
}

export interface OwnershipOptions {
  readonly layout: WorkLayout
  readonly job: string
  readonly files: Files
  readonly clock: Clock
  readonly logger: Logger
  /** Kill the recorded owner, and its parent, first. */
  readonly takeOver: boolean
  /** Whether this process has a parent that restarts it (`millrace run`). */
  readonly hasSupervisor: boolean
  readonly processes?: Processes
  readonly takeLock?: TakeLock
}

/** A work folder belongs to one process: the one that has the lock. */
export interface Ownership {
  release(): Promise<void>
}

/**
 * Takes the folder, or throws WORK_DIR_BUSY.
 *
 * O1. Only the lock decides; the record only says whom to name, wait for, or kill.
 * O2. A process is killed only when its start time is the recorded one, its supervisor before it.
 *     Never this process, and never its parent.
 * O3. A record goes before its lock does: a process that goes on after its job is never taken for
 *     the owner.
 */
export async function acquireOwnership(options: OwnershipOptions): Promise<Ownership> {
  const { layout, files, clock, logger } = options
  const processes = options.processes ?? systemProcesses
  const takeLock = options.takeLock ?? takeLevelLock
  await makeDirectories(files, layout.owner, layout.root)
  const deadlineMs = clock.monotonicMs() + OWNER_WAIT_MS
  let hasKilled = false
  for (;;) {
    const lock = await takeLock(layout.owner)
    if (lock !== 'locked') return own(lock, options, processes)
    const record = await readOwnerRecord(files, layout)
    const facts = await readFacts(record, processes)
    const decision = decideOwnership({
      record,
      ...facts,
      takeOver: options.takeOver,
      hasKilled,
      self: [processes.pid, processes.parentPid],
      isLate: clock.monotonicMs() >= deadlineMs,
    })
    if (decision.type === 'busy') throw busy(layout, record)
    if (decision.type === 'kill') {
      for (const pid of decision.pids) {
        logger.warn({ pid, workDir: layout.root }, 'killing the process that holds the work folder')
        processes.kill(pid)
      }
      hasKilled = true
    }
    await clock.sleep(OWNER_POLL_MS)
  }
}

type Liveness = 'alive' | 'dying' | 'gone'

export interface OwnershipFacts {
  readonly record: OwnerRecord | undefined
  /** 'gone' also when another process has the number now. */
  readonly owner: Liveness
  /** Undefined: the owner has no supervisor. */
  readonly parent: Liveness | undefined
  readonly takeOver: boolean
  readonly hasKilled: boolean
  /** Processes that must not be killed: this one and its parent. */
  readonly self: readonly number[]
  readonly isLate: boolean
}

export type OwnershipDecision =
  | { readonly type: 'wait' }
  | { readonly type: 'busy' }
  | { readonly type: 'kill'; readonly pids: readonly number[] }

/** The lock is held by another. What now? Pure. */
export function decideOwnership(facts: OwnershipFacts): OwnershipDecision {
  const { record, owner, parent } = facts
  if (facts.isLate) return { type: 'busy' }
  if (record === undefined || owner !== 'alive') return { type: 'wait' }
  if (facts.hasKilled) return { type: 'wait' }
  if (facts.takeOver) {
    if (facts.self.includes(record.pid)) return { type: 'busy' }
    const supervisor = record.parent
    const mayKillParent =
      supervisor !== null && parent === 'alive' && !facts.self.includes(supervisor.pid)
    return { type: 'kill', pids: [...(mayKillParent ? [supervisor.pid] : []), record.pid] }
  }
  // An engine does not outlive its parent: this one is about to go.
  if (parent === 'gone' || parent === 'dying') return { type: 'wait' }
  return { type: 'busy' }
}

async function readFacts(
  record: OwnerRecord | undefined,
  processes: Processes,
): Promise<{ owner: Liveness; parent: Liveness | undefined }> {
  if (record === undefined) return { owner: 'gone', parent: undefined }
  return {
    owner: await livenessOf(record, processes),
    parent: record.parent === null ? undefined : await livenessOf(record.parent, processes),
  }
}

async function livenessOf(identity: ProcessIdentity, processes: Processes): Promise<Liveness> {
  const state = await processes.inspect(identity.pid)
  if (state.type === 'gone' || state.startTime !== identity.startTime) return 'gone'
  return state.type
}

async function own(
  lock: OwnerLock,
  options: OwnershipOptions,
  processes: Processes,
): Promise<Ownership> {
  const { files, layout, job } = options
  let record: OwnerRecord
  try {
    record = {
      job,
      ...(await identify(processes, processes.pid)),
      parent: options.hasSupervisor ? await identify(processes, processes.parentPid) : null,
    }
    const bytes = new TextEncoder().encode(`${JSON.stringify(record)}\n`)
    const temporary = temporaryName(layout.ownerRecord)
    await writeDurably(files, layout.ownerRecord, bytes, { replace: true, temporary })
  } catch (error) {
    await lock.release()
    throw error
  }
  return {
    async release() {
      await removeRecord(record, options)
      await lock.release()
    },
  }
}

/** O3. Not that of another: the folder may have been set aside, and its path be a new one's. */
async function removeRecord(own: OwnerRecord, options: OwnershipOptions): Promise<void> {
  const { files, layout, logger } = options
  try {
    const found = await readOwnerRecord(files, layout)
    const isOwn = found?.pid === own.pid && found.startTime === own.startTime
    if (isOwn) await files.unlink(layout.ownerRecord)
  } catch (error) {
    const reason = messageOf(error)
    logger.warn({ reason, path: layout.ownerRecord }, 'the record of the owner stays')
  }
}

async function identify(processes: Processes, pid: number): Promise<ProcessIdentity> {
  const state = await processes.inspect(pid)
  return { pid, startTime: state.type === 'gone' ? '' : state.startTime }
}

/** Undefined when there is none, or none that can be read: then nobody is named or killed. */
export async function readOwnerRecord(
  files: Files,
  layout: WorkLayout,
): Promise<OwnerRecord | undefined> {
  try {
    const text = new TextDecoder().decode(await readWholeFile(files, layout.ownerRecord))
    const value = JSON.parse(text) as Partial<OwnerRecord> | null
    if (typeof value?.pid !== 'number' || typeof value.startTime !== 'string') return undefined
    const { parent } = value
    const isParent = typeof parent?.pid === 'number' && typeof parent.startTime === 'string'
    return {
      job: typeof value.job === 'string' ? value.job : '',
      pid: value.pid,
      startTime: value.startTime,
      parent: isParent ? parent : null,
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined
    throw error
  }
}

function busy(layout: WorkLayout, record: OwnerRecord | undefined): StreamError {
  const holder = record === undefined ? 'another process' : `process ${record.pid}`
  return new StreamError('WORK_DIR_BUSY', `"${layout.root}" is in use by ${holder}`, {
    hint: 'Stop it, or --take-over to kill it.',
  })
}
