import { expect, test } from 'vitest'
import { readWholeFile, writeDurably } from '../base/files.ts'
import { faultAt, memoryDisk, MemoryDisk, settles } from '../simulation/memory-files.ts'
import { beginEpoch, pruneEpochs, readEpochs } from './epochs.ts'
import { workLayout } from './layout.ts'

const layout = workLayout('/job')
const lineage = { id: 'lineage-a', parent: null, parentCheckpoint: null }
const life = (instance: string) => ({ instance, pid: 1, job: 'visits', lineage })

test('each start has the next number, above every checkpoint it restores', async () => {
  const files = new MemoryDisk().files()
  expect((await beginEpoch(files, layout, life('a'))).epoch).toBe(1)
  expect((await beginEpoch(files, layout, life('b'), 7)).epoch).toBe(8)
  expect((await beginEpoch(files, layout, life('c'))).epoch).toBe(9)
  expect(await readEpochs(files, layout)).toEqual([
    { epoch: 1, ...life('a') },
    { epoch: 8, ...life('b') },
    { epoch: 9, ...life('c') },
  ])
})

test('a number once given out is never given again, whenever the power goes', async () => {
  for (let at = 0; at < 60; at += 1) {
    const disk = memoryDisk(at)
    await beginEpoch(disk.files(), layout, life('a'))
    faultAt(disk, at % 20, 'power-loss')
    const isGiven = await settles(beginEpoch(disk.files(), layout, life('b')))
    disk.fault = undefined
    disk.powerLoss()
    const next = await beginEpoch(disk.files(), layout, life('c'))
    expect(next.epoch, `seed ${at}`).toBeGreaterThan(isGiven ? 2 : 1)
    expect((await readEpochs(disk.files(), layout)).at(-1)).toEqual(next)
  }
})

test('a record that cannot be read costs its instance, not its number', async () => {
  const files = new MemoryDisk().files()
  await beginEpoch(files, layout, life('a'))
  const path = '/job/epochs/00000002.json'
  await writeDurably(files, path, new Uint8Array(3), { replace: false, temporary: '/job/t' })
  expect((await readEpochs(files, layout)).map((epoch) => epoch.instance)).toEqual(['a'])
  expect((await beginEpoch(files, layout, life('c'))).epoch).toBe(3)
})

test('records that no target can name any more go, a thousand stay in any case', async () => {
  const files = new MemoryDisk().files()
  for (const above of [0, 1_000, 1_990]) await beginEpoch(files, layout, life('a'), above)
  await pruneEpochs(files, layout, 1_500)
  expect((await readEpochs(files, layout)).map((epoch) => epoch.epoch)).toEqual([1_001, 1_991])
  await pruneEpochs(files, layout, 1)
  expect(await readEpochs(files, layout)).toHaveLength(2)
})

test('a record with any byte changed is none; one of the first versions, without a hash, is', async () => {
  const files = new MemoryDisk().files()
  const known = await beginEpoch(files, layout, { ...life('a'), dropped: ['count'] })
  const path = '/job/epochs/00000001.json'
  const bytes = await readWholeFile(files, path)
  const read = async (content: Uint8Array) => {
    await writeDurably(files, path, content, { replace: true, temporary: '/job/t' })
    return await readEpochs(files, layout)
  }
  for (let at = 0; at < bytes.length; at += 1) {
    for (const bit of [0, 1, 5]) {
      const changed = Uint8Array.from(bytes)
      changed[at]! ^= 1 << bit
      expect(await read(changed), `byte ${at}, bit ${bit}`).toEqual([])
    }
  }
  expect(await read(new TextEncoder().encode(`${JSON.stringify(known)}\n`))).toEqual([known])
})
