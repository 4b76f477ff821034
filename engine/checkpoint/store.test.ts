import { expect, test } from 'vitest'
import { StreamError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import { readWholeFile, writeDurably } from '../base/files.ts'
import { silentLogger } from '../base/logger.ts'
import {
  faultAt,
  memoryDisk,
  MemoryDisk,
  settles,
  type DiskFault,
} from '../simulation/memory-files.ts'
import { checkpointIdOf, workLayout } from './layout.ts'
import { manifestFiles, type CheckpointManifest } from './manifest.ts'
import { CheckpointStore } from './store.ts'
import { planSweep } from './sweep.ts'
import { sampleManifest, stateFile } from './testing/manifests.ts'
import { verifyFiles } from './verify-files.ts'

const layout = workLayout('/job')

function storeOn(files: Files, retain = 2): CheckpointStore {
  return new CheckpointStore({ files, layout, logger: silentLogger, retain })
}

/** A manifest of one operator whose chain has these contents, its files written. */
async function take(files: Files, id: number, ...contents: string[]): Promise<CheckpointManifest> {
  const [operator] = sampleManifest().operators
  const parts = contents.map((content) => stateFile('count', content.charCodeAt(0), id, content))
  const chain = parts.map((part) => part.reference)
  for (const { reference, bytes } of parts) await put(files, `/job/${reference.path}`, bytes)
  return sampleManifest({
    checkpointId: id,
    operators: [{ ...operator!, parallelism: 1, subtasks: [{ chain, watermarkMs: 0 }] }],
  })
}

async function put(
  files: Files,
  path: string,
  bytes: Uint8Array = new Uint8Array(1),
): Promise<void> {
  await writeDurably(files, path, bytes, { replace: true, temporary: `${path}.tmp` })
}

test('a checkpoint is complete, or it never was, whenever the power goes', async () => {
  const first = checkpointIdOf(1, 1)
  const second = checkpointIdOf(1, 2)
  const outcomes = new Set<string>()
  for (let seed = 0; seed < 12; seed += 1) {
    let isDone = false
    for (let at = 0; !isDone; at += 1) {
      const disk = memoryDisk(seed * 100 + at)
      const store = storeOn(disk.files())
      await store.open()
      await store.write(await take(disk.files(), first, 'a'))
      const next = await take(disk.files(), second, 'a', 'b')
      faultAt(disk, at, 'power-loss')
      isDone = await settles(store.write(next))
      disk.fault = undefined
      if (isDone) disk.powerLoss()
      const after = storeOn(disk.files())
      await after.open()
      const latest = (await after.latest())!
      if (isDone) expect(latest).toBe(second)
      const manifest = await after.load(latest)
      await verifyFiles(disk.files(), '/job', manifestFiles(manifest))
      outcomes.add(`${at}: ${latest === second ? 'new' : 'old'}`)
      expect((await disk.files().list(layout.manifests)).join()).not.toContain('tmp')
    }
  }
  expect(outcomes).toContain('5: new') // The link can survive before its fsync…
  expect(outcomes).toContain('5: old') // …or not.
})

test('a manifest seen by recovery stays, though its fsync was never reached', async () => {
  const disk = new MemoryDisk()
  const store = storeOn(disk.files())
  await store.open()
  faultAt(disk, 5, 'crash')
  expect(await settles(store.write(sampleManifest()))).toBe(false)
  disk.fault = undefined
  const after = storeOn(disk.files())
  const latest = (await after.latest())!
  await after.makeDurable(latest)
  disk.powerLoss()
  expect(await storeOn(disk.files()).latest()).toBe(latest)
})

test('an error before the link is a failed checkpoint, one at or after it is in doubt', async () => {
  const codes: string[] = []
  for (const done of [false, true]) {
    for (let at = 0; at < 7; at += 1) {
      const disk = new MemoryDisk()
      const store = storeOn(disk.files())
      await store.open()
      const fault: DiskFault = { errno: 'EIO', done }
      faultAt(disk, at, fault)
      const code = await store.write(sampleManifest()).then(
        () => 'ok',
        (error: unknown) => (error instanceof StreamError ? error.code : 'other'),
      )
      if (code === 'CHECKPOINT_FAILED') expect(await storeOn(disk.files()).list()).toEqual([])
      codes.push(code)
    }
  }
  const four = Array<string>(4).fill('CHECKPOINT_FAILED')
  const each = [...four, 'CHECKPOINT_IN_DOUBT', 'CHECKPOINT_IN_DOUBT', 'ok']
  expect(codes).toEqual([...each, ...each])
})

test('a manifest under a wrong name is refused', async () => {
  const files = new MemoryDisk().files()
  const store = storeOn(files)
  await store.open()
  await store.write(sampleManifest({ checkpointId: checkpointIdOf(1, 1) }))
  const [from, to] = [checkpointIdOf(1, 1), checkpointIdOf(1, 3)]
  await files.rename(store.pathOf(from), store.pathOf(to))
  await expect(storeOn(files).load(to)).rejects.toMatchObject({
    code: 'CHECKPOINT_DAMAGED',
    message: `"${store.pathOf(to)}" is damaged: it is of checkpoint 1.1`,
  })
})

test('a state file that is missing, longer or changed is found, and named', async () => {
  const files = new MemoryDisk().files()
  await storeOn(files).open()
  const manifest = await take(files, checkpointIdOf(1, 1), 'a', 'bb', 'c', 'd', 'e', 'f')
  const references = manifestFiles(manifest)
  const verify = (): Promise<void> => verifyFiles(files, '/job', references)
  await verify()
  const path = `/job/${references[4]!.path}`
  const original = await readWholeFile(files, path)
  for (const [bytes, message] of [
    [new Uint8Array(9), /has 9 bytes/],
    [original.map((byte) => byte ^ 1), /does not match its hash/],
  ] as const) {
    await put(files, path, bytes)
    await expect(verify()).rejects.toThrow(message)
    await expect(verify()).rejects.toThrow(path)
  }
  await files.unlink(path)
  await expect(verify()).rejects.toThrow(/is missing/)
})

test('the newest checkpoints stay with all they name, and those that are still in use', async () => {
  const files = new MemoryDisk().files()
  const store = storeOn(files)
  await store.open()
  const ids = [1, 2, 3, 4].map((counter) => checkpointIdOf(1, counter))
  for (const id of ids) await store.write(await take(files, id, 'a'))
  await put(files, '/job/state/notes.txt')
  await store.retire(1, ids[1]!)
  expect(await store.list()).toEqual(ids.slice(1))
  await store.retire(1, ids[3]!)
  expect(await store.list()).toEqual(ids.slice(2))
  expect(await files.list(layout.state)).toEqual([
    ...ids.slice(2).map((id) => stateFile('count', 97, id, 'a').reference.path.slice(6)),
    'notes.txt',
  ])
})

test('an unreadable manifest stops all deleting', async () => {
  const files = new MemoryDisk().files()
  const store = storeOn(files, 1)
  await store.open()
  const ids = [1, 2, 3].map((counter) => checkpointIdOf(1, counter))
  for (const id of ids) await store.write(await take(files, id, 'a'))
  await put(files, store.pathOf(ids[0]!), new Uint8Array(9))
  const after = storeOn(files, 1)
  await after.retire(2, ids[2]!)
  expect([await after.list(), (await files.list(layout.state)).length]).toEqual([ids, 3])
})

test('retained checkpoints are whole at every moment of a retirement', async () => {
  for (let at = 0; at < 12; at += 1) {
    const disk = memoryDisk(at)
    const store = storeOn(disk.files(), 1)
    await store.open()
    for (const counter of [1, 2]) {
      await store.write(await take(disk.files(), checkpointIdOf(1, counter), 'a', 'b'))
    }
    faultAt(disk, at, 'power-loss')
    await settles(store.retire(1, checkpointIdOf(1, 2)))
    disk.fault = undefined
    const after = storeOn(disk.files(), 1)
    expect(await after.latest()).toBe(checkpointIdOf(1, 2))
    for (const id of await after.list()) {
      await verifyFiles(disk.files(), '/job', manifestFiles(await after.load(id)))
    }
  }
})

test('files of this life that no manifest has named yet are not swept', async () => {
  const files = new MemoryDisk().files()
  await storeOn(files).open()
  const [old, now] = [checkpointIdOf(1, 9), checkpointIdOf(2, 3)]
  const latest = await take(files, now, 'a')
  const nameOf = (subtask: number, id: number): string =>
    stateFile('count', subtask, id, '').reference.path.slice(6)
  const present = [nameOf(5, old), nameOf(5, now), `${nameOf(6, old)}.tmp`, 'notes.txt']
  const plan = planSweep({ present, retained: [latest], dropped: [], epoch: 2 })
  expect(plan).toEqual([nameOf(5, old), `${nameOf(6, old)}.tmp`])
  expect(planSweep({ present, retained: [], dropped: [], epoch: 2 })).toEqual([])
})

test('a manifest with the id of an earlier one of this life is a bug, and nothing is written', async () => {
  const files = new MemoryDisk().files()
  const store = storeOn(files)
  await store.open()
  await store.write(await take(files, checkpointIdOf(1, 2), 'a'))
  for (const counter of [1, 2]) {
    const late = await take(files, checkpointIdOf(1, counter), 'a')
    await expect(store.write(late)).rejects.toThrow('in the order of their ids')
  }
  expect(await store.list()).toEqual([checkpointIdOf(1, 2)])
})
