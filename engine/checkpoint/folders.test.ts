import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { systemFiles } from '../base/files.ts'
import { removeTree } from './folders.ts'

const root = mkdtempSync(join(tmpdir(), 'millrace-folders-'))

afterEach(() => {
  rmSync(root, { recursive: true, force: true })
})

test('a link in a folder that is removed goes; what it names stays', async () => {
  mkdirSync(join(root, 'kept', 'inner'), { recursive: true })
  writeFileSync(join(root, 'kept', 'inner', 'file'), 'kept')
  mkdirSync(join(root, 'removed', 'inner'), { recursive: true })
  writeFileSync(join(root, 'removed', 'inner', 'file'), 'removed')
  symlinkSync(join(root, 'kept'), join(root, 'removed', 'inner', 'folder'))
  symlinkSync(join(root, 'kept', 'inner', 'file'), join(root, 'removed', 'link'))
  symlinkSync(join(root, 'nowhere'), join(root, 'removed', 'broken'))
  await removeTree(systemFiles, join(root, 'removed'))
  expect(existsSync(join(root, 'removed'))).toBe(false)
  expect(existsSync(join(root, 'kept', 'inner', 'file'))).toBe(true)
})
