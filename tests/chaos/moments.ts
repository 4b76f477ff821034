/**
 * The moments of a life: its disk before each single call took effect, to be gone on from as the
 * power or the process left it there.
 */
import type { MemoryDisk } from '../../engine/simulation/memory-files.ts'
import { seededRandom } from '../../engine/base/random.ts'
import { live, WORK, type Scene } from './disk-life.ts'

/** The disk as it was before one call of a life took effect. */
export interface Moment {
  readonly disk: MemoryDisk
  /** Its place among the calls of that life, and what it was. */
  readonly call: number
  readonly what: string
  /** A checkpoint had been completed by then. */
  readonly isCompleted: boolean
  /** A manifest has just been linked in: the page cache has it, the disk perhaps not. */
  readonly isInDoubt: boolean
}

export type End = 'power loss' | 'crash'

/** Runs a life to its end and keeps every moment of it, or those up to the first record. */
export async function momentsOf(
  disk: MemoryDisk,
  scene: Scene,
  options: { readonly isCompleted: boolean; readonly untilStarted?: boolean },
): Promise<{ readonly moments: readonly Moment[]; readonly ended: MemoryDisk; links: number }> {
  const moments: Moment[] = []
  let { isCompleted } = options
  let [links, hasStarted, isLinked, isSynced, isInDoubt] = [0, false, false, false, false]
  const { disk: ended } = await live(disk, {
    ...scene,
    before({ kind, path }, own) {
      // It counts as completed when the folder of manifests has been synced behind a link.
      if (isSynced) isCompleted = true
      if (!hasStarted || options.untilStarted !== true) {
        const what = `${kind} ${path}`
        const call = moments.length
        moments.push({ disk: own.clone(), call, what, isCompleted, isInDoubt })
      }
      isSynced = isLinked && kind === 'syncDirectory' && path === `${WORK}/manifests`
      isInDoubt = kind === 'link' && path.startsWith(`${WORK}/manifests/`)
      if (!isInDoubt) return
      isLinked = true
      links += 1
    },
    started: (life) => {
      hasStarted = true
      scene.started?.(life)
    },
  })
  return { moments, ended, links }
}

/** The disk that the next life finds. Every copy of a moment ends in its own way. */
export function after(end: End, moment: Moment, seed: number): MemoryDisk {
  const disk = moment.disk.clone({ survivors: seed % 4 === 0 ? 'none' : seededRandom(seed) })
  if (end === 'power loss') disk.powerLoss()
  else disk.crash()
  return disk
}

/** Some of them, in order; all, when there are no more. */
export function chosen<T>(
  items: readonly T[],
  count: number,
  random: { int(below: number): number },
): readonly T[] {
  let wanted = Math.min(count, items.length)
  return items.filter((_, index) => {
    if (random.int(items.length - index) >= wanted) return false
    wanted -= 1
    return true
  })
}
