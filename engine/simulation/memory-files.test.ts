import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Files } from '../base/files.ts'
import {
  errnoOf,
  makeDirectories,
  readWholeFile,
  systemFiles,
  writeDurably,
} from '../base/files.ts'
import { faultAt, memoryDisk, MemoryDisk, settles } from './memory-files.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (content: Uint8Array): string => new TextDecoder().decode(content)

async function errno(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'ok'
  } catch (error) {
    return errnoOf(error) ?? 'no errno'
  }
}

async function write(files: Files, path: string, content: string, sync: boolean): Promise<void> {
  const handle = await files.open(path, 'truncate')
  await handle.write(bytes(content))
  if (sync) await handle.sync()
  await handle.close()
}

/** Everything one process can see of a disk, on a real one and in memory. */
async function behaviour(files: Files, root: string): Promise<readonly unknown[]> {
  const seen: unknown[] = []
  const at = (name: string): string => join(root, name)
  await files.mkdir(at('a'))
  seen.push(await errno(files.mkdir(at('a'))), await errno(files.mkdir(at('x/y'))))
  await write(files, at('a/one'), 'one', false)
  seen.push(text(await readWholeFile(files, at('a/one'))))
  seen.push(
    await errno(files.open(at('a/one'), 'create')),
    await errno(files.open(at('no'), 'read')),
  )
  await files.link(at('a/one'), at('two'))
  seen.push(
    await errno(files.link(at('a/one'), at('two'))),
    await errno(files.link(at('no'), at('n'))),
  )
  seen.push((await files.stat(at('two'))).inode === (await files.stat(at('a/one'))).inode)
  await files.unlink(at('a/one'))
  seen.push(text(await readWholeFile(files, at('two'))), await errno(files.unlink(at('a/one'))))
  await write(files, at('a/three'), 'three', false)
  await files.rename(at('a/three'), at('two'))
  seen.push(text(await readWholeFile(files, at('two'))), await files.list(at('a')))
  seen.push(await files.list(root), await errno(files.list(at('two'))))
  seen.push(await errno(files.stat(at('two/z'))), (await files.stat(at('two'))).bytes)
  await files.mkdir(at('a/b'))
  seen.push(await errno(files.rmdir(at('a'))), await errno(files.rename(at('two'), at('a'))))
  await files.rename(at('a'), at('moved'))
  seen.push(await files.list(at('moved')), (await files.stat(at('moved'))).isDirectory)
  const handle = await files.open(at('two'), 'truncate')
  await handle.write(bytes('hello'))
  await handle.write(bytes('J'), 0)
  await handle.write(bytes('!'))
  await files.unlink(at('two'))
  seen.push(text(await handle.read(0, 99)), text(await handle.read(4, 1)), await handle.size())
  await handle.close()
  await files.rmdir(at('moved/b'))
  await files.syncDirectory(root)
  seen.push(await errno(files.syncDirectory(at('gone'))), await files.list(root))
  return seen
}

test('a memory disk answers as the real one does', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'memory-files-'))
  try {
    const disk = new MemoryDisk()
    const inMemory = await behaviour(disk.files(), '/')
    expect(inMemory).toEqual(await behaviour(systemFiles, folder))
    expect(inMemory).toContain('EEXIST')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

describe('after a power loss', () => {
  test('a name is kept when its directory was synced, data when the file was', async () => {
    const disk = new MemoryDisk()
    const files = disk.files()
    await write(files, '/both', 'both', true)
    await write(files, '/name', 'name', false)
    await files.syncDirectory('/')
    await write(files, '/data', 'data', true)
    disk.powerLoss()
    const after = disk.files()
    expect(await after.list('/')).toEqual(['both', 'name'])
    expect(text(await readWholeFile(after, '/both'))).toBe('both')
    expect(text(await readWholeFile(after, '/name'))).toBe('')
  })

  test('a rename that was not synced is undone as a whole, also between directories', async () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const disk = memoryDisk(seed)
      const files = disk.files()
      await files.mkdir('/to')
      await write(files, '/file', 'x', true)
      await files.syncDirectory('/')
      await files.rename('/file', '/to/file')
      disk.powerLoss()
      const after = disk.files()
      const names = [await after.list('/'), await after.list('/to')]
      expect([
        [['file', 'to'], []],
        [['to'], ['file']],
      ]).toContainEqual(names)
    }
  })

  test('any part of unsynced data may survive', async () => {
    const kinds = new Set<string>()
    for (let seed = 0; seed < 100; seed += 1) {
      const disk = memoryDisk(seed)
      const files = disk.files()
      await write(files, '/file', 'a'.repeat(2_000), true)
      await files.syncDirectory('/')
      const handle = await files.open('/file', 'read')
      await handle.write(bytes('b'.repeat(2_000)), 0)
      disk.powerLoss()
      const content = text(await readWholeFile(disk.files(), '/file'))
      expect(content).toHaveLength(2_000)
      kinds.add(content)
    }
    expect(kinds.size).toBe(16) // Each of the four sectors, old or new.
  })

  test('data whose sync failed is lost, even when a later sync succeeds', async () => {
    const disk = new MemoryDisk()
    const files = disk.files()
    const handle = await files.open('/file', 'create')
    await files.syncDirectory('/')
    await handle.write(bytes('lost'))
    faultAt(disk, 0, { errno: 'EIO' })
    expect(await errno(handle.sync())).toBe('EIO')
    await handle.sync()
    expect(text(await handle.read(0, 9))).toBe('lost')
    disk.powerLoss()
    expect(text(await readWholeFile(disk.files(), '/file'))).toBe('')
  })
})

test('after a crash no call settles, and what was written is still there', async () => {
  const disk = new MemoryDisk()
  const files = disk.files()
  await write(files, '/file', 'kept', false)
  disk.crash()
  const settled: string[] = []
  void files.stat('/file').finally(() => settled.push('stat'))
  void files.stat('/none').catch(() => settled.push('none'))
  expect(text(await readWholeFile(disk.files(), '/file'))).toBe('kept')
  expect(settled).toEqual([])
})

describe('a clone', () => {
  test('sees nothing of what happens to the other, and keeps what was not synced so', async () => {
    const disk = new MemoryDisk()
    const files = disk.files()
    await write(files, '/synced', 'synced', true)
    await files.syncDirectory('/')
    await write(files, '/unsynced', 'unsynced', false)
    const handle = await files.open('/synced', 'read')
    await handle.write(bytes('SYN'), 0)
    const clone = disk.clone()
    await handle.write(bytes('gone'), 0)
    await handle.sync()
    await files.unlink('/unsynced')
    const cloned = clone.files()
    expect(text(await readWholeFile(cloned, '/synced'))).toBe('SYNced')
    expect(text(await readWholeFile(cloned, '/unsynced'))).toBe('unsynced')
    await write(cloned, '/synced', 'other', true)
    expect(text(await readWholeFile(files, '/synced'))).toBe('goneed')
    const lost = clone.clone()
    clone.powerLoss()
    expect(await clone.files().list('/')).toEqual(['synced'])
    expect(await lost.files().list('/')).toEqual(['synced', 'unsynced'])
    expect(text(await readWholeFile(clone.files(), '/synced'))).toBe('other')
  })

  test('has one file where there were two names of one, and undoes a rename as a whole', async () => {
    const disk = new MemoryDisk()
    const files = disk.files()
    await files.mkdir('/to')
    await write(files, '/file', 'x', true)
    await files.syncDirectory('/')
    await files.link('/file', '/twin')
    await files.rename('/file', '/to/file')
    const clone = disk.clone()
    const cloned = clone.files()
    const handle = await cloned.open('/twin', 'read')
    await handle.write(bytes('y'), 0)
    expect(text(await readWholeFile(cloned, '/to/file'))).toBe('y')
    await cloned.syncDirectory('/to')
    clone.powerLoss()
    expect(await clone.files().list('/')).toEqual(['to'])
    expect(await clone.files().list('/to')).toEqual(['file'])
    expect(text(await readWholeFile(files, '/twin'))).toBe('x')
  })
})

test('a folder that a life had made before it was cut short is durable after the next start', async () => {
  const cutShort = new MemoryDisk()
  const files = cutShort.files()
  await files.mkdir('/out')
  await write(files, '/out/file', 'x', true)
  await files.syncDirectory('/out')
  const goesOn = cutShort.clone()
  cutShort.powerLoss()
  expect(await cutShort.files().list('/')).toEqual([])
  await makeDirectories(goesOn.files(), '/out')
  goesOn.powerLoss()
  expect(await goesOn.files().list('/out')).toEqual(['file'])
})

test('a full disk takes what fits and then says ENOSPC', async () => {
  const disk = new MemoryDisk({ capacityBytes: 6 })
  const files = disk.files()
  const handle = await files.open('/file', 'create')
  await handle.write(bytes('four'))
  expect(await errno(handle.write(bytes('four')))).toBe('ENOSPC')
  expect(await handle.size()).toBe(6)
  expect(await errno(handle.write(bytes('over'), 0))).toBe('ok')
})

test('an error may come after the effect', async () => {
  const disk = new MemoryDisk()
  const files = disk.files()
  faultAt(disk, 0, { errno: 'EIO', done: true })
  expect(await errno(files.mkdir('/made'))).toBe('EIO')
  expect(await files.list('/')).toEqual(['made'])
})

test('a durable write leaves the old or the new, whenever the power goes', async () => {
  let operations = Infinity
  for (let seed = 0; seed < 20; seed += 1) {
    for (let at = 0; at < operations; at += 1) {
      const disk = memoryDisk(seed * 1_000 + at)
      await writeDurably(disk.files(), '/file', bytes('old'), { replace: true, temporary: '/tmp' })
      const begun = disk.operations
      faultAt(disk, at, 'power-loss')
      const isDone = await settles(
        writeDurably(disk.files(), '/file', bytes('new'), { replace: true, temporary: '/tmp' }),
      )
      disk.fault = undefined
      if (isDone) {
        operations = disk.operations - begun
        disk.powerLoss()
      }
      const content = text(await readWholeFile(disk.files(), '/file'))
      expect(isDone ? ['new'] : ['old', 'new']).toContain(content)
    }
  }
})
