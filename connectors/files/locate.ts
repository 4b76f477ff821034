import { dirname, join } from 'node:path'
import { errnoOf } from '../../engine/index.ts'
import type { FileInfo, Files } from '../../engine/index.ts'
import { hashPrefix } from './file-split.ts'
import type { FileSplit } from './file-split.ts'

/** A file that was found, where it is now. */
export interface Located {
  readonly path: string
  readonly info: FileInfo
}

/**
 * Finds the file of a split: at `path`, or under another name in its folder, as a rotation or the
 * end of an upload gives it. Undefined: it is in neither place. Size and prefix are the caller's to
 * check where the path still has the inode; under another name the prefix is compared here.
 */
export async function locate(
  files: Files,
  split: FileSplit,
  path: string,
): Promise<Located | undefined> {
  const here = await statOrNone(files, path)
  if (here?.inode === split.inode) return { path, info: here }
  const folder = dirname(split.path)
  for (const name of await namesIn(files, folder)) {
    const other = join(folder, name)
    const info = await statOrNone(files, other)
    if (info !== undefined && (await isSameFile(files, split, other, info))) {
      return { path: other, info }
    }
  }
  return undefined
}

/** By inode and prefix: an inode alone is given to another file once its own is gone. */
export async function isSameFile(
  files: Files,
  split: FileSplit,
  path: string,
  info: FileInfo,
): Promise<boolean> {
  if (!info.isFile || info.inode !== split.inode || info.bytes < split.prefixBytes) return false
  try {
    return (await hashPrefix(files, path, split.prefixBytes)) === split.prefixHash
  } catch (error) {
    // Renamed or removed since.
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}

export async function statOrNone(files: Files, path: string): Promise<FileInfo | undefined> {
  try {
    return await files.stat(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    throw error
  }
}

async function namesIn(files: Files, folder: string): Promise<readonly string[]> {
  try {
    return await files.list(folder)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return []
    throw error
  }
}
