import { constants, promises } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { StreamError } from './errors.ts'

/**
 * The door for the disk. Every call is one asynchronous event, so that a simulation can stop,
 * fail or forget at each of them. Errors are node's own (`error.code` is ENOENT, EEXIST, …), but for
 * a symbolic link to nothing in the way of a new folder: FILE_REFUSED, as node's ENOENT misleads.
 */
export interface FileHandle {
  /** Appends at the current position, or writes at `position`; writes all bytes. */
  write(bytes: Uint8Array, position?: number): Promise<void>
  /** Reads up to `length` bytes at `position`; fewer only at the end of the file. */
  read(position: number, length: number): Promise<Uint8Array>
  sync(): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}

export interface FileInfo {
  readonly bytes: number
  readonly isDirectory: boolean
  /** False also for pipes, sockets and devices: reading those may wait for ever. */
  readonly isFile: boolean
  readonly inode: number
  readonly modifiedMs: number
}

export interface Files {
  /** `read`: must exist. `create`: must not exist (EEXIST). `truncate`: made or emptied. */
  open(path: string, mode: 'read' | 'create' | 'truncate'): Promise<FileHandle>
  /** A second name for the same file; fails with EEXIST. */
  link(existing: string, path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** 'private': for its owner only, whatever the umask lets others do. */
  mkdir(path: string, access?: 'private'): Promise<void>
  rmdir(path: string): Promise<void>
  /** Names in a directory, sorted. */
  list(path: string): Promise<readonly string[]>
  stat(path: string): Promise<FileInfo>
  /** The path without links and dots; what is there must exist. */
  realPath(path: string): Promise<string>
  /**
   * Throws, as making the folder if need be and a file in it would, when that cannot be. Writes
   * nothing: the nearest folder that is there decides.
   */
  checkWritable(directory: string): Promise<void>
  /** fsync of a directory: makes its entries durable. */
  syncDirectory(path: string): Promise<void>
}

export const systemFiles: Files = {
  async open(path, mode) {
    const flags =
      mode === 'read'
        ? constants.O_RDONLY
        : mode === 'create'
          ? constants.O_RDWR | constants.O_CREAT | constants.O_EXCL
          : constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC
    return new SystemFileHandle(await promises.open(path, flags), path)
  },
  link: (existing, path) => promises.link(existing, path),
  rename: (from, to) => promises.rename(from, to),
  unlink: (path) => promises.unlink(path),
  async mkdir(path, access) {
    try {
      await promises.mkdir(path, { mode: access === 'private' ? 0o700 : 0o777 })
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') await refuseDangling(path)
      throw error
    }
  },
  rmdir: (path) => promises.rmdir(path),
  async list(path) {
    return (await promises.readdir(path)).sort()
  },
  async stat(path) {
    const info = await promises.stat(path)
    return {
      bytes: info.size,
      isDirectory: info.isDirectory(),
      isFile: info.isFile(),
      inode: info.ino,
      modifiedMs: info.mtimeMs,
    }
  },
  realPath: (path) => promises.realpath(path),
  async checkWritable(directory) {
    for (let at = resolve(directory); ; at = dirname(at)) {
      try {
        // The slash makes the system refuse what is no folder.
        await promises.access(`${at}/`, constants.W_OK | constants.X_OK)
        return
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT' || dirname(at) === at) throw error
        await refuseDangling(at)
      }
    }
  },
  async syncDirectory(path) {
    const handle = await promises.open(path, constants.O_RDONLY)
    try {
      await naming(path, () => handle.sync())
    } finally {
      await handle.close()
    }
  },
}

async function refuseDangling(path: string): Promise<void> {
  const target = await promises.readlink(path).catch(() => undefined)
  if (target === undefined || (await exists(systemFiles, path))) return
  throw new StreamError(
    'FILE_REFUSED',
    `"${path}" is a symbolic link to "${target}", which is missing`,
    {
      hint: 'Make the folder that the link names, or correct the link.',
    },
  )
}

class SystemFileHandle implements FileHandle {
  readonly #handle: promises.FileHandle
  readonly #path: string

  constructor(handle: promises.FileHandle, path: string) {
    this.#handle = handle
    this.#path = path
  }

  write(bytes: Uint8Array, position?: number): Promise<void> {
    return naming(this.#path, async () => {
      let done = 0
      while (done < bytes.length) {
        const at = position === undefined ? null : position + done
        const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, at)
        done += bytesWritten
      }
    })
  }

  read(position: number, length: number): Promise<Uint8Array> {
    return naming(this.#path, async () => {
      const bytes = new Uint8Array(length)
      let done = 0
      while (done < length) {
        const { bytesRead } = await this.#handle.read(bytes, done, length - done, position + done)
        if (bytesRead === 0) break
        done += bytesRead
      }
      return done === length ? bytes : bytes.subarray(0, done)
    })
  }

  sync(): Promise<void> {
    return naming(this.#path, () => this.#handle.sync())
  }

  size(): Promise<number> {
    return naming(this.#path, async () => (await this.#handle.stat()).size)
  }

  close(): Promise<void> {
    return naming(this.#path, () => this.#handle.close())
  }
}

/** What the system refuses of an open file comes without the file's name: it gets it here. */
async function naming<T>(path: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    const isNameless = error instanceof Error && errnoOf(error) !== undefined && !('path' in error)
    if (!isNameless) throw error
    error.message = `${error.message} '${path}'`
    throw Object.assign(error, { path })
  }
}

/** The `code` of a node error, or undefined. */
export function errnoOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined
  return typeof thrown.code === 'string' ? thrown.code : undefined
}

export async function exists(files: Files, path: string): Promise<boolean> {
  try {
    await files.stat(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return false
    throw error
  }
}

/**
 * The path of what may not be there yet, without the links on its way, as far as this process may
 * look.
 */
export async function realPlace(files: Files, path: string): Promise<string> {
  const full = resolve(path)
  const parent = dirname(full)
  try {
    return await files.realPath(full)
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    if (parent === full) return full
    return join(await realPlace(files, parent), basename(full))
  }
}

/**
 * Makes `path` and its missing parents, each entry made durable. An existing one is fine, but its
 * name may not be durable yet: a life that was cut short may have made it. `owned` is the one of
 * them that only its owner may enter.
 */
export async function makeDirectories(files: Files, path: string, owned?: string): Promise<void> {
  const parent = dirname(path)
  if (await exists(files, path)) {
    await syncIfAllowed(files, parent)
    return
  }
  if (parent !== path) await makeDirectories(files, parent, owned)
  try {
    await files.mkdir(path, path === owned ? 'private' : undefined)
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
  await files.syncDirectory(parent)
}

/** A folder above those of the user may be closed to them; what is in it was not made by us. */
async function syncIfAllowed(files: Files, path: string): Promise<void> {
  try {
    await files.syncDirectory(path)
  } catch (error) {
    if (!CLOSED.has(errnoOf(error) ?? '')) throw error
  }
}

const CLOSED = new Set(['EACCES', 'EPERM', 'EINVAL'])

/** For what a user names: a pipe or a device would be waited for, and a pipe says it has no bytes. */
export async function readNamedFile(files: Files, path: string): Promise<Uint8Array> {
  if (!(await files.stat(path)).isFile) {
    throw Object.assign(new Error(`'${path}' is no regular file`), { path })
  }
  return readWholeFile(files, path)
}

export async function readWholeFile(files: Files, path: string): Promise<Uint8Array> {
  const handle = await files.open(path, 'read')
  try {
    return await handle.read(0, await handle.size())
  } finally {
    await handle.close()
  }
}

/** Makes or replaces a file that does not matter: not durable, and in part while it is written. */
export async function writeWholeFile(
  files: Files,
  path: string,
  content: Uint8Array | string,
): Promise<void> {
  const handle = await files.open(path, 'truncate')
  try {
    await handle.write(typeof content === 'string' ? new TextEncoder().encode(content) : content)
  } finally {
    await handle.close()
  }
}

/**
 * The durable write: the only way a file that matters comes to be.
 *
 * open(temporary, create) → write → fsync → close → link or rename → fsync(directory).
 * With `replace` an existing file is replaced in one step, without it EEXIST is thrown. An error
 * before the link leaves nothing under `path`; a failed fsync is never retried on its descriptor.
 * The caller removes a leftover temporary by the sweep of its folder.
 */
export async function writeDurably(
  files: Files,
  path: string,
  bytes: Uint8Array,
  options: { readonly replace: boolean; readonly temporary: string },
): Promise<void> {
  const handle = await files.open(options.temporary, 'truncate')
  try {
    await handle.write(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
  if (options.replace) {
    await files.rename(options.temporary, path)
  } else {
    await files.link(options.temporary, path)
    await files.unlink(options.temporary)
  }
  await files.syncDirectory(dirname(path))
}
