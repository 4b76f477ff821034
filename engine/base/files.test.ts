import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { errnoOf, systemFiles } from './files.ts'

test('what the system refuses of an open file names the file', async () => {
  const folder = tmpdir()
  const handle = await systemFiles.open(folder, 'read')
  const refused = await handle.read(0, 10).catch((error: unknown) => error)
  await handle.close()
  expect(errnoOf(refused)).toBe('EISDIR')
  expect((refused as Error).message).toContain(`'${folder}'`)
})
