import { ClassicLevel } from 'classic-level'
import { messageOf, StreamError } from '../base/errors.ts'
import { errnoOf } from '../base/files.ts'

/**
 * The kernel lock of a work folder: LevelDB's LOCK file, held by an empty database that stays open.
 *
 * It outlasts SIGSTOP and is gone with its process. Nothing else in this process may open that LOCK
 * file: closing any descriptor of it would drop the lock.
 */
export interface OwnerLock {
  release(): Promise<void>
}

export type TakeLock = (path: string) => Promise<OwnerLock | 'locked'>

export const takeLevelLock: TakeLock = async (path) => {
  const database = new ClassicLevel(path)
  try {
    await database.open()
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined
    if (errnoOf(cause) === 'LEVEL_LOCKED') return 'locked'
    throw new StreamError('FILE_IO', `"${path}" cannot be opened: ${messageOf(cause ?? error)}`, {
      hint: 'Check that the folder is on a local disk and writable; "owner" in it holds no data and may be deleted while no job runs there.',
      cause: error,
    })
  }
  return { release: () => database.close() }
}
