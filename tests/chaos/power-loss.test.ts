/**
 * The power is cut, or the process dies, before every single call of the disk that a job makes: at
 * any of these moments each checkpoint that exists verifies to its last byte, and a job that is
 * started again publishes exactly what one does that was never cut. The same once more, for every
 * call that the recovery makes.
 */
import { beforeAll, expect, test } from 'vitest'
import { auditFolder, isSound } from '../../engine/checkpoint/fsck.ts'
import { MemoryDisk } from '../../engine/simulation/memory-files.ts'
import { seededRandom } from '../../engine/base/random.ts'
import { figures, firstSeed, share } from '../share.ts'
import { committersOf, live, planOf, publishedIn, WORK } from './disk-life.ts'
import { after, chosen, momentsOf, type End, type Moment } from './moments.ts'
import { windowed, windowedOutput } from './power-jobs.ts'

const JOB = { job: windowed, parallelism: 2 }
const PLAN = planOf(JOB)
const CHECKPOINTS_MIN = 3
/** A soak does all of it: an hour is no sign of a fault. */
const WHOLE_MS = 3_600_000

/** I6: every checkpoint there is verifies, and from the first completed one on there is one. */
async function checkSound(disk: MemoryDisk, isCompleted: boolean, deep: boolean): Promise<void> {
  const committers = committersOf(disk, { ...JOB, seed: 1, plan: PLAN })
  const exists = await disk
    .files()
    .stat(`${WORK}/epochs`)
    .then(
      () => true,
      () => false,
    )
  if (!exists && !isCompleted) return
  const audit = await auditFolder({ files: disk.files(), folder: WORK, deep, committers })
  expect(isSound(audit), JSON.stringify(audit, null, 1)).toBe(true)
  if (isCompleted) expect(audit.checkpoints.length).toBeGreaterThan(0)
}

let first: Awaited<ReturnType<typeof momentsOf>>

beforeAll(async () => {
  const scene = { ...JOB, seed: firstSeed() }
  first = await momentsOf(new MemoryDisk(), scene, { isCompleted: false })
  expect(await publishedIn(first.ended, '/out')).toEqual(windowedOutput)
  expect(first.links).toBeGreaterThanOrEqual(CHECKPOINTS_MIN)
})

test(
  'at every moment there is a checkpoint that verifies',
  async () => {
    const seeds = share(1, 8)
    let checks = 0
    for (const moment of first.moments) {
      for (let seed = firstSeed(); seed < firstSeed() + seeds; seed += 1) {
        for (const end of ['power loss', 'crash'] as const) {
          const disk = after(end, moment, seed * 1_000 + moment.call)
          await checkSound(disk, moment.isCompleted, moment.call % 5 === 0).catch(
            told(moment, end, seed),
          )
          checks += 1
        }
      }
    }
    const moments = first.moments.length
    figures('power loss: a checkpoint that verifies', { moments, checks, checkpoints: first.links })
  },
  WHOLE_MS,
)

test(
  'started again after any moment, a job publishes each row once',
  async () => {
    const seeds = share(1, 4)
    const counts = { 'power loss': 0, crash: 0 }
    for (let seed = firstSeed(); seed < firstSeed() + seeds; seed += 1) {
      const count = share(120, first.moments.length)
      for (const moment of chosen(first.moments, count, seededRandom(seed))) {
        for (const end of ['power loss', 'crash'] as const) {
          await restart(after(end, moment, seed * 1_000 + moment.call), seed + moment.call).catch(
            told(moment, end, seed),
          )
          counts[end] += 1
        }
      }
    }
    figures('power loss: restarts', { moments: first.moments.length, ...counts })
  },
  WHOLE_MS,
)

test(
  'cut off again at any moment of its recovery, it publishes each row once',
  async () => {
    const random = seededRandom(firstSeed())
    const some = chosen(first.moments, share(10, first.moments.length), random)
    // A life that dies there leaves a manifest that the next one has to make durable itself.
    const firsts = [...some, ...first.moments.filter(({ isInDoubt }) => isInDoubt)]
    const counts = { recoveries: 0, checks: 0, restarts: 0 }
    for (const moment of firsts) {
      const end = moment.isInDoubt || random.int(2) === 0 ? 'crash' : 'power loss'
      const disk = after(end, moment, random.int(2 ** 30))
      const scene = { job: windowed, parallelism: 1 + random.int(3), seed: random.int(2 ** 30) }
      const { isCompleted } = moment
      const second = await momentsOf(disk, scene, { isCompleted, untilStarted: true })
      expect(await publishedIn(second.ended, '/out')).toEqual(windowedOutput)
      counts.recoveries += 1
      counts.checks += second.moments.length
      const restarted = new Set(chosen(second.moments, share(6, 30), random))
      for (const cut of second.moments) {
        const how = random.int(3) === 0 ? 'crash' : 'power loss'
        const found = after(how, cut, random.int(2 ** 30))
        const check = async (): Promise<void> => {
          await checkSound(found, cut.isCompleted, false)
          if (restarted.has(cut)) await restart(found, random.int(2 ** 30))
        }
        await check().catch((error: unknown) => {
          const where = `${end} at ${moment.call} (${moment.what}), ${how} at ${cut.call} (${cut.what})`
          throw new Error(where, { cause: error })
        })
      }
      counts.restarts += restarted.size
    }
    figures('power loss: again in the recovery', counts)
  },
  WHOLE_MS,
)

async function restart(disk: MemoryDisk, seed: number): Promise<void> {
  const scene = { job: windowed, parallelism: 1 + (seed % 3), seed: seed + 1 }
  const { disk: ended } = await live(disk, scene)
  expect(await publishedIn(ended, '/out')).toEqual(windowedOutput)
}

function told(moment: Moment, end: End, seed: number): (error: unknown) => never {
  return (error) => {
    const where = `${end} before call ${moment.call} (${moment.what}), seed ${seed}`
    throw new Error(where, { cause: error })
  }
}
