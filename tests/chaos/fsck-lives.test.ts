/**
 * What jobs of many shapes leave behind after crashes, losses of power, stops and other
 * parallelisms: `fsck --deep` finds each folder and savepoint sound, to the last cell.
 */
import { expect, test } from 'vitest'
import { auditFolder, isSound } from '../../engine/checkpoint/fsck.ts'
import { simulateJob } from '../../engine/simulation/simulation.ts'
import { shapes } from '../simulation/shapes.ts'
import { figures, firstSeed, share } from '../share.ts'

const WHOLE_MS = 3_600_000

test(
  'work folders and savepoints of many lives are sound',
  async () => {
    const counts = { runs: 0, folders: 0, savepoints: 0, checkpoints: 0, values: 0, timers: 0 }
    const seeds = share(2, 100)
    for (const { name, job } of shapes) {
      for (let seed = firstSeed(); seed < firstSeed() + seeds; seed += 1) {
        const { disk } = await simulateJob({
          job,
          parameters: {},
          parallelisms: [2, 3, 1, 2, 4, 2],
          seed,
          stepsMax: 600,
          stops: true,
          faults: seed % 2 === 1,
        })
        counts.runs += 1
        const files = disk.files()
        const folders = (await files.list('/')).filter((at) => at.startsWith('work'))
        const paths = folders.map((folder) => `/${folder}`)
        for (const folder of folders) {
          const names = await files.list(`/${folder}/savepoints`).catch(() => [])
          for (const saved of names) {
            const path = `/${folder}/savepoints/${saved}`
            // One that was cut short is none.
            if ((await files.list(path)).includes('manifest.json')) paths.push(path)
          }
        }
        for (const folder of paths) {
          const audit = await auditFolder({ files, folder, deep: true })
          const message = `${name}, seed ${seed}: ${JSON.stringify(audit, null, 1)}`
          expect(isSound(audit), message).toBe(true)
          counts[audit.type === 'savepoint' ? 'savepoints' : 'folders'] += 1
          counts.checkpoints += audit.checkpoints.length
          for (const { contents } of audit.checkpoints) {
            counts.values += contents!.values
            counts.timers += contents!.timers
          }
        }
      }
    }
    figures('fsck: what many lives leave is sound', counts)
    expect(counts.timers).toBeGreaterThan(0)
  },
  WHOLE_MS,
)
