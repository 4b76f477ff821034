/**
 * The power is cut, or the process dies, while a savepoint is taken and while one is brought in;
 * and at any moment of a job with every kind of state. What is then called a savepoint is whole,
 * and a job that is started again publishes each row once.
 */
import { expect, test } from 'vitest'
import { exists } from '../../engine/base/files.ts'
import { seededRandom } from '../../engine/base/random.ts'
import { auditFolder, isSound } from '../../engine/checkpoint/fsck.ts'
import { MemoryDisk } from '../../engine/simulation/memory-files.ts'
import { figures, firstSeed, share } from '../share.ts'
import { live, publishedIn, type Scene } from './disk-life.ts'
import { after, chosen, momentsOf, type Moment } from './moments.ts'
import { everything, everythingLines, windowed, windowedOutput } from './power-jobs.ts'

const SAVED = '/saved'
/** A soak does all of it: an hour is no sign of a fault. */
const WHOLE_MS = 3_600_000
const ENDS = ['power loss', 'crash'] as const

const stopping: Scene = {
  job: windowed,
  parallelism: 2,
  seed: firstSeed(),
  started: (life) => {
    life.requestStop({ drain: false, savepoint: true, target: SAVED }).catch(() => undefined)
  },
}

const moved: Scene = { job: windowed, parallelism: 3, seed: 5, from: SAVED, workDir: '/other' }

/** Where a manifest is linked in, and made durable. */
const LAST = 5

/** Cuts some moments off, and the last ones, each in both ways, and lets `act` go on from there. */
async function cutOff(
  moments: readonly Moment[],
  count: number,
  act: (disk: MemoryDisk) => Promise<void>,
): Promise<number> {
  const random = seededRandom(firstSeed())
  const last = moments.slice(-LAST)
  const some = [...chosen(moments.slice(0, -LAST), count, random), ...last]
  for (const moment of some) {
    for (const end of ENDS) {
      const seed = random.int(2 ** 30)
      await act(after(end, moment, seed)).catch((error: unknown) => {
        const where = `${end} before call ${moment.call} (${moment.what}), seed ${seed}`
        throw new Error(where, { cause: error })
      })
    }
  }
  return some.length * ENDS.length
}

test(
  'while a savepoint is taken: it is whole, or none',
  async () => {
    const { moments } = await momentsOf(new MemoryDisk(), stopping, { isCompleted: false })
    const from = moments.findIndex(({ what }) => what.includes(SAVED))
    expect(from).toBeGreaterThan(0)
    const counts = { whole: 0, none: 0 }
    const cuts = await cutOff(moments.slice(from), share(15, moments.length), async (disk) => {
      const files = disk.files()
      const isThere = await exists(files, `${SAVED}/manifest.json`)
      counts[isThere ? 'whole' : 'none'] += 1
      if (isThere) {
        const audit = await auditFolder({ files, folder: SAVED, deep: true })
        expect(isSound(audit), JSON.stringify(audit, null, 1)).toBe(true)
      }
      // Where there is none, the work folder goes on by itself.
      const { disk: ended } = await live(
        disk,
        isThere ? moved : { ...stopping, started: () => undefined },
      )
      expect(await publishedIn(ended, '/out')).toEqual(windowedOutput)
    })
    figures('power loss: while a savepoint is taken', {
      moments: moments.length - from,
      cuts,
      ...counts,
    })
    expect(counts.whole).toBeGreaterThan(0)
    expect(counts.none).toBeGreaterThan(0)
  },
  WHOLE_MS,
)

test(
  'while a savepoint is brought in: the same command brings it in',
  async () => {
    const { disk: saved, summary } = await live(new MemoryDisk(), stopping)
    expect(summary.status).toBe('stopped')
    const { moments, ended } = await momentsOf(saved, moved, {
      isCompleted: true,
      untilStarted: true,
    })
    expect(await publishedIn(ended, '/out')).toEqual(windowedOutput)
    const cuts = await cutOff(moments, share(15, moments.length), async (disk) => {
      const { disk: again } = await live(disk, { ...moved, seed: 6, parallelism: 1 })
      expect(await publishedIn(again, '/out')).toEqual(windowedOutput)
    })
    figures('power loss: while a savepoint is brought in', { moments: moments.length, cuts })
  },
  WHOLE_MS,
)

test(
  'at any moment of a job with every kind of state',
  async () => {
    const scene: Scene = { job: everything, parallelism: 2, seed: firstSeed() }
    const { moments, ended } = await momentsOf(new MemoryDisk(), scene, { isCompleted: false })
    expect(await publishedIn(ended, '/lines')).toEqual(everythingLines)
    const cuts = await cutOff(moments, share(6, 400), async (disk) => {
      const { disk: again } = await live(disk, { ...scene, parallelism: 3, seed: 7 })
      expect(await publishedIn(again, '/lines')).toEqual(everythingLines)
    })
    figures('power loss: every kind of state', { moments: moments.length, cuts })
  },
  WHOLE_MS,
)
