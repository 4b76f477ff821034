import { mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { errnoOf, makeDirectories, systemFiles, writeDurably, writeWholeFile } from './files.ts'

test('what the system refuses of an open file names the file', async () => {
  const folder = tmpdir()
  const handle = await systemFiles.open(folder, 'read')
  const refused = await handle.read(0, 10).catch((error: unknown) => error)
  await handle.close()
  expect(errnoOf(refused)).toBe('EISDIR')
  expect((refused as Error).message).toContain(`'${folder}'`)
})

test('files and folders get what the umask lets others do; a private folder does not', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-modes-'))
  const mode = async (name: string): Promise<string> =>
    ((await stat(join(folder, name))).mode & 0o777).toString(8)
  try {
    // What the umask of this process gives, by node itself.
    await writeFile(join(folder, 'usual'), 'a')
    await mkdir(join(folder, 'usual-folder'))
    await writeWholeFile(systemFiles, join(folder, 'whole'), 'a')
    const durable = { replace: false, temporary: join(folder, 'tmp') }
    await writeDurably(systemFiles, join(folder, 'durable'), new Uint8Array(1), durable)
    await makeDirectories(systemFiles, join(folder, 'work/job/owner'), join(folder, 'work/job'))
    expect(await mode('whole')).toBe(await mode('usual'))
    expect(await mode('durable')).toBe(await mode('usual'))
    expect(await mode('work')).toBe(await mode('usual-folder'))
    expect(await mode('work/job')).toBe('700')
    expect(await mode('work/job/owner')).toBe(await mode('usual-folder'))
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('a folder that cannot be made is told with its reason, before it is made and when', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-refused-'))
  try {
    await symlink('nowhere', join(folder, 'dangling'))
    await symlink('circle', join(folder, 'circle'))
    await writeFile(join(folder, 'file'), '')
    const toNothing = {
      code: 'FILE_REFUSED',
      message: `"${join(folder, 'dangling')}" is a symbolic link to "nowhere", which is missing`,
    }
    for (const [name, refused] of [
      ['dangling', toNothing],
      ['dangling/a/b', toNothing],
      ['circle/a', { code: 'ELOOP' }],
      ['file/a', { code: 'ENOTDIR' }],
      [`${'x'.repeat(300)}/a`, { code: 'ENAMETOOLONG' }],
    ] as const) {
      await expect(systemFiles.checkWritable(join(folder, name))).rejects.toMatchObject(refused)
      await expect(makeDirectories(systemFiles, join(folder, name))).rejects.toMatchObject(refused)
    }
    await systemFiles.checkWritable(join(folder, 'a/b/c'))
    await mkdir(join(folder, 'nowhere'))
    await makeDirectories(systemFiles, join(folder, 'dangling/a/b'))
    expect((await stat(join(folder, 'nowhere/a/b'))).isDirectory()).toBe(true)
  } finally {
    await rm(folder, { recursive: true })
  }
})
