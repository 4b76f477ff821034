/** `millrace chaos fsck` as a person meets it: what it says, and with which exit code. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { fsckCommand } from '../../cli/chaos/fsck.ts'
import { readWholeFile, type Files } from '../../engine/base/files.ts'
import { MemoryDisk } from '../../engine/simulation/memory-files.ts'
import { live, WORK } from './disk-life.ts'
import { windowed } from './power-jobs.ts'

let disk: MemoryDisk
let folder: string
let said: string

beforeAll(async () => {
  disk = new MemoryDisk()
  const asked: Promise<unknown>[] = []
  const ended = await live(disk, {
    job: windowed,
    parallelism: 2,
    seed: 1,
    started: (life) => {
      asked.push(life.savepoint({ type: 'savepoint', target: '/saved' }))
    },
  })
  await Promise.all(asked)
  disk = ended.disk
})

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-fsck-'))
  for (const path of [WORK, '/saved']) await copyOut(disk.files(), path, join(folder, path))
  said = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    said += String(text)
    return true
  })
})

afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true })
})

async function copyOut(files: Files, from: string, to: string): Promise<void> {
  mkdirSync(to, { recursive: true })
  for (const name of await files.list(from)) {
    const path = `${from}/${name}`
    if ((await files.stat(path)).isDirectory) await copyOut(files, path, join(to, name))
    else writeFileSync(join(to, name), await readWholeFile(files, path))
  }
}

const state = async (path: string): Promise<string> =>
  join(folder, path, 'state', (await disk.files().list(`${path}/state`)).at(-1)!)

test('a sound work folder and a sound savepoint: a line each, and 0', async () => {
  expect(await fsckCommand(join(folder, WORK), { deep: true })).toBe(0)
  expect(said).toMatch(/^windowed, work folder .*: sound\n {2}checkpoint 1\.\d+: sound, final, /)
  expect(said).toMatch(/\d+ values?, \d+ timers?, \d+ splits, publishes \d+ outputs?/)
  said = ''
  expect(await fsckCommand(join(folder, 'saved'), {})).toBe(0)
  expect(said).toMatch(/^windowed, savepoint .*: sound\n {2}checkpoint 1\.\d+: sound, \d+ files, /)
})

test('a damaged file is named, with what to do: 3', async () => {
  const path = await state(WORK)
  writeFileSync(path, 'x')
  expect(await fsckCommand(join(folder, WORK), {})).toBe(3)
  expect(said).toContain(`damaged: ${path}: it has 1 bytes, the checkpoint says `)
  expect(said).toMatch(/: 1 of 2 checkpoints damaged\n/)
  expect(said).toContain('Put each damaged file back')
})

test('state of several checkpoints without any manifest is no folder that is merely new: 3', async () => {
  const manifests = join(folder, WORK, 'manifests')
  rmSync(manifests, { recursive: true })
  mkdirSync(manifests)
  writeFileSync(join(folder, WORK, 'state', `${'0'.repeat(16)}-0-4294967297-0`), 'x')
  expect(await fsckCommand(join(folder, WORK), {})).toBe(3)
  expect(said).toMatch(/: damaged\n/)
  expect(said).toMatch(/there is state of \d checkpoints and no manifest/)
})

test('as one object for programs', async () => {
  const path = await state('/saved')
  rmSync(path)
  expect(await fsckCommand(join(folder, 'saved'), { json: true })).toBe(3)
  const found = JSON.parse(said) as Record<string, unknown>
  expect(found).toMatchObject({ sound: false, type: 'savepoint', job: 'windowed' })
  expect(found['checkpoints']).toMatchObject([
    { findings: [{ level: 'damage', file: path, what: 'it is missing' }] },
  ])
})

test('leftovers of a crash are notes: 0', async () => {
  writeFileSync(join(folder, WORK, 'manifests', '0000004294967399.json.tmp'), '{')
  writeFileSync(join(folder, WORK, 'state', 'ffffffffffffffff-0-4294967300-7'), 'half a file')
  writeFileSync(join(folder, WORK, 'owner.json'), '{"pid": 1')
  writeFileSync(join(folder, WORK, 'state', 'readme'), '')
  expect(await fsckCommand(join(folder, WORK), {})).toBe(0)
  expect(said.match(/note: /g)).toHaveLength(4)
  expect(said).toContain('left over from a write that was cut short')
})

test('the record of a start that cannot be read: 3, and it is named', async () => {
  const path = join(folder, WORK, 'epochs', '00000001.json')
  writeFileSync(path, '')
  expect(await fsckCommand(join(folder, WORK), {})).toBe(3)
  expect(said).toContain(`damaged: ${path}: `)
})

test('a call that names nothing is refused as USAGE (2), a folder with no checkpoint with 3', async () => {
  await expect(fsckCommand(join(folder, 'nothing'), {})).rejects.toMatchObject({
    code: 'USAGE',
    consequence: { exit: 2 },
  })
  rmSync(join(folder, 'saved', 'manifest.json'))
  await expect(fsckCommand(join(folder, 'saved'), {})).rejects.toMatchObject({
    code: 'CHECKPOINT_NOT_FOUND',
    consequence: { exit: 3 },
  })
})
