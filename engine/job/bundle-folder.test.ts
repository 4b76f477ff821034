import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemFiles } from '../base/files.ts'
import { seededRandom } from '../base/random.ts'
import type { Processes, ProcessState } from '../checkpoint/processes.ts'
import { makeBundleFolder, removeBundleFolder } from './bundle-folder.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bundles-'))
})
afterEach(() => rmSync(root, { recursive: true }))

const states: Readonly<Record<number, ProcessState['type']>> = {
  7: 'alive',
  8: 'alive',
  9: 'dying',
}
const processes: Processes = {
  pid: 7,
  parentPid: 1,
  inspect: (pid) => {
    const type = states[pid] ?? 'gone'
    return Promise.resolve(type === 'gone' ? { type } : { type, startTime: '1' })
  },
  kill: () => undefined,
}

function make(workRoot = root): Promise<string> {
  return makeBundleFolder({ files: systemFiles, random: seededRandom(1) }, workRoot, processes)
}

function left(name: string): void {
  mkdirSync(join(root, '.bundles', name), { recursive: true })
  writeFileSync(join(root, '.bundles', name, 'job.mjs'), 'export default 1')
}

test('a folder of this process, below the work root', async () => {
  const folder = await make()
  expect(folder).toBe(join(root, '.bundles', basename(folder)))
  expect(basename(folder)).toMatch(/^7-[0-9a-f]{16}$/)
  expect(existsSync(folder)).toBe(true)
})

test('what a process left that is gone or dead is removed; others keep theirs', async () => {
  for (const name of ['6-aa', '7-bb', '8-cc', '9-dd', 'notes']) left(name)
  const folder = await make()
  expect(readdirSync(join(root, '.bundles')).sort()).toEqual(
    ['7-bb', basename(folder), '8-cc', 'notes'].sort(),
  )
})

test('where the work root cannot be written it is a temporary folder', async () => {
  writeFileSync(join(root, 'file'), '')
  const folder = await make(join(root, 'file'))
  expect(folder).toMatch(/millrace-7-[0-9a-f]{16}$/)
  expect(folder.startsWith(tmpdir())).toBe(true)
})

test('removed, it leaves nothing of an empty work root, and all of another', async () => {
  const fresh = join(root, 'work')
  await removeBundleFolder(systemFiles, await make(fresh))
  expect(existsSync(fresh)).toBe(false)
  mkdirSync(join(fresh, 'job'), { recursive: true })
  await removeBundleFolder(systemFiles, await make(fresh))
  expect(readdirSync(fresh)).toEqual(['job'])
  left('8-cc')
  await removeBundleFolder(systemFiles, await make())
  expect(readdirSync(join(root, '.bundles'))).toEqual(['8-cc'])
})
