import { expect, test } from 'vitest'
import type { Files } from '../base/files.ts'
import { makeDirectories, readWholeFile, writeDurably } from '../base/files.ts'
import { silentLogger } from '../base/logger.ts'
import { faultAt, memoryDisk, MemoryDisk, settles } from '../simulation/memory-files.ts'
import { workLayout } from './layout.ts'
import { manifestFiles, type CheckpointManifest } from './manifest.ts'
import {
  copySavepoint,
  importSavepoint,
  readSavepoint,
  type SavepointOptions,
} from './savepoint.ts'
import { CheckpointStore } from './store.ts'
import { sampleManifest, stateFile } from './testing/manifests.ts'
import { verifyFiles } from './verify-files.ts'

const STAGED = '/out/lake.staging/part-1'
const manifest = sampleManifest()

async function put(files: Files, path: string, content: string): Promise<void> {
  await makeDirectories(files, path.slice(0, path.lastIndexOf('/')))
  const bytes = new TextEncoder().encode(content)
  await writeDurably(files, path, bytes, { replace: true, temporary: `${path}.tmp` })
}

/** A work folder with the files that the manifest names, and a staged one. */
async function workFolder(files: Files): Promise<void> {
  const id = manifest.checkpointId
  for (const [subtask, content] of ['zero', 'one'].entries()) {
    await put(files, `/job/${stateFile('count', subtask, id, content).reference.path}`, content)
  }
  await put(files, STAGED, 'staged')
}

function options(files: Files, changes: Partial<SavepointOptions> = {}): SavepointOptions {
  const stagedFiles = (): readonly string[] => [STAGED]
  const target = '/saved/one'
  return { files, root: '/job', manifest, unpublished: [], stagedFiles, target, ...changes }
}

async function restoreInto(
  files: Files,
  root: string,
  folder: string,
  wanted: readonly string[] = [STAGED],
): Promise<CheckpointManifest> {
  const layout = workLayout(root)
  const store = new CheckpointStore({ files, layout, logger: silentLogger, retain: 1 })
  await store.open()
  const found = await readSavepoint(files, folder)
  await importSavepoint(files, layout, store, folder, found, new Set(wanted))
  const restored = await store.load((await store.latest())!)
  await verifyFiles(files, root, manifestFiles(restored))
  return restored
}

async function text(files: Files, path: string): Promise<string> {
  return new TextDecoder().decode(await readWholeFile(files, path))
}

test('a savepoint outlives its work folder and may be moved', async () => {
  const files = new MemoryDisk().files()
  await workFolder(files)
  await copySavepoint(options(files))
  await files.rename('/job', '/gone')
  await files.rename('/saved/one', '/saved/two')
  const restored = await restoreInto(files, '/other', '/saved/two')
  const sinks = manifest.sinks.map((sink) => ({ ...sink, committables: [] }))
  expect(restored).toEqual({ ...manifest, sinks })
})

test('a staged file that no sink of the job looks for is not brought back', async () => {
  const files = new MemoryDisk().files()
  await workFolder(files)
  await copySavepoint(options(files, { unpublished: manifest.sinks }))
  await files.unlink(STAGED)
  await restoreInto(files, '/other', '/saved/one', [])
  await expect(files.stat(STAGED)).rejects.toThrow('ENOENT')
})

test('what is not published yet is taken along, and put where it is looked for', async () => {
  const files = new MemoryDisk().files()
  await workFolder(files)
  await copySavepoint(options(files, { unpublished: manifest.sinks }))
  await files.unlink(STAGED)
  await files.rmdir('/out/lake.staging')
  const restored = await restoreInto(files, '/other', '/saved/one')
  expect(restored.sinks).toEqual(manifest.sinks)
  expect(await text(files, STAGED)).toBe('staged')
})

test('a savepoint is whole or none, whenever the power goes', async () => {
  const outcomes = new Set<string>()
  let isDone = false
  for (let at = 0; !isDone; at += 1) {
    const disk = memoryDisk(at)
    await workFolder(disk.files())
    faultAt(disk, at, 'power-loss')
    isDone = await settles(copySavepoint(options(disk.files(), { unpublished: manifest.sinks })))
    disk.fault = undefined
    if (isDone) disk.powerLoss()
    const files = disk.files()
    const outcome = await restoreInto(files, '/other', '/saved/one').then(
      () => 'whole',
      (error: unknown) => (error as { code: string }).code,
    )
    if (isDone) expect(outcome).toBe('whole')
    outcomes.add(outcome)
  }
  expect([...outcomes].sort()).toEqual(['CHECKPOINT_NOT_FOUND', 'whole'])
})

test('an import that was cut short is repeated', async () => {
  let isDone = false
  for (let at = 0; !isDone; at += 1) {
    const disk = memoryDisk(at)
    await workFolder(disk.files())
    await copySavepoint(options(disk.files(), { unpublished: manifest.sinks }))
    await disk.files().unlink(STAGED)
    faultAt(disk, at, 'power-loss')
    isDone = await settles(restoreInto(disk.files(), '/other', '/saved/one'))
    disk.fault = undefined
    if (isDone) disk.powerLoss()
    const files = disk.files()
    const layout = workLayout('/other')
    const store = new CheckpointStore({ files, layout, logger: silentLogger, retain: 1 })
    await store.open()
    const own = await store.latest()
    if (own === undefined) await restoreInto(files, '/other', '/saved/one')
    await verifyFiles(files, '/other', manifestFiles(await store.load(manifest.checkpointId)))
    expect(await text(files, STAGED)).toBe('staged')
  }
})

test('a damaged savepoint is refused before it becomes a checkpoint', async () => {
  const files = new MemoryDisk().files()
  await workFolder(files)
  await copySavepoint(options(files))
  const [first] = manifestFiles(manifest)
  await put(files, `/saved/one/${first!.path}`, 'eins')
  await expect(restoreInto(files, '/other', '/saved/one')).rejects.toMatchObject({
    code: 'CHECKPOINT_DAMAGED',
  })
  expect(await files.list('/other/manifests')).toEqual([])
})

test('a folder in use and a missing staged file are told', async () => {
  const files = new MemoryDisk().files()
  await workFolder(files)
  await put(files, '/saved/one/notes.txt', '')
  await expect(copySavepoint(options(files))).rejects.toMatchObject({ code: 'OPTION_INVALID' })
  await files.unlink(STAGED)
  const other = { target: '/saved/two', unpublished: manifest.sinks }
  await expect(copySavepoint(options(files, other))).rejects.toMatchObject({
    code: 'STAGED_FILE_MISSING',
    message: `the staged file "${STAGED}" is missing`,
  })
  await expect(readSavepoint(files, '/saved/two')).rejects.toMatchObject({
    code: 'CHECKPOINT_NOT_FOUND',
  })
})
