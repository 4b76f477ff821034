import { dirname, join } from 'node:path'
import type { Files } from '../base/files.ts'
import { errnoOf, exists } from '../base/files.ts'

/** Names in a folder, none when it is not there. */
export async function listOrNone(files: Files, path: string): Promise<readonly string[]> {
  try {
    return await files.list(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
}

/**
 * Removes a folder with all in it; nothing there is no error. Never for what must be durable. A
 * link in it is removed, and what it names is not gone into: that is not ours.
 */
export async function removeTree(files: Files, path: string): Promise<void> {
  for (const name of await listOrNone(files, path)) {
    const child = join(path, name)
    if (!(await unlinked(files, child))) await removeTree(files, child)
  }
  if (await exists(files, path)) await files.rmdir(path)
}

/** False for a folder that holds something. Neither call goes through a link. */
async function unlinked(files: Files, path: string): Promise<boolean> {
  try {
    await files.unlink(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'EISDIR') return false
    if (errnoOf(error) !== 'EPERM') throw error
  }
  // What macOS says of a folder.
  try {
    await files.rmdir(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOTEMPTY') return false
    throw error
  }
}

/** Gives a folder the first free name `<path>.<n>`, durably. */
export async function setAside(files: Files, path: string): Promise<string> {
  for (let number = 1; ; number += 1) {
    const aside = `${path}.${number}`
    if (await exists(files, aside)) continue
    await files.rename(path, aside)
    await files.syncDirectory(dirname(path))
    return aside
  }
}
