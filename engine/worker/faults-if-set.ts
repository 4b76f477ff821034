import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads'
import type { Doors } from '../base/doors.ts'
import type { SharedLife } from '../faults/real-life.ts'
import type { BrokenLife } from './real-faults.ts'

/** Under which a main thread tells its workers of the life that is broken on purpose. */
const KEY = 'millrace-faults'

/**
 * In the main thread, once for each life: `brokenLife` of real-faults.ts, which is loaded only
 * where MILLRACE_CHAOS is set, so that no other run waits for it. Undefined: a run as any other.
 */
export async function brokenLifeIfSet(doors: Doors): Promise<BrokenLife | undefined> {
  if ((process.env['MILLRACE_CHAOS'] ?? '') === '') return undefined
  const { brokenLife } = await import('./real-faults.ts')
  const broken = brokenLife(doors)
  if (broken !== undefined) setEnvironmentData(KEY, { ...broken.shared })
  return broken
}

/** In a worker thread: the doors of the life that its main thread has begun. */
export async function workerDoors(doors: Doors): Promise<Doors> {
  const shared = getEnvironmentData(KEY) as SharedLife | undefined
  if (shared === undefined) return doors
  const { joinBrokenLife } = await import('./real-faults.ts')
  return joinBrokenLife(doors, shared)
}
