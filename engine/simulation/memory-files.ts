import { resolve } from 'node:path'
import { errnoOf, type Files } from '../base/files.ts'
import type { Random } from '../base/random.ts'
import type { DiskOperation } from './disk-operation.ts'
import { seededRandom } from '../base/random.ts'
import { MemoryHandle, type Run } from './memory-handle.ts'
import { fileError, MemoryDirectory, MemoryFile } from './memory-inodes.ts'

/** A change of names or their durability, or of what is open, just after it took effect. */
export interface DiskEffect {
  readonly kind: 'open' | 'close' | 'link' | 'rename' | 'unlink' | 'syncDirectory'
  readonly path: string
  /** Of a link or a rename: the name that was there before. */
  readonly from?: string
}

/** What happens in place of, or besides, the effect of an operation. */
export type DiskFault =
  /** Fails with that errno; `done`: only after it has taken effect. */
  | { readonly errno: string; readonly done?: boolean }
  /** The process dies here: this and every later call of the same life never settles. */
  | 'crash'
  /** As 'crash', and what was not fsynced may be lost. */
  | 'power-loss'

export interface MemoryDiskOptions {
  readonly fault?: (operation: DiskOperation) => DiskFault | undefined
  /** Awaited before each effect: a simulation decides here which operation goes next. */
  readonly gate?: (operation: DiskOperation) => Promise<void>
  /** What survives a power loss: nothing that was not fsynced, or any part of it, by chance. */
  readonly survivors?: 'none' | Random
  /** Writing beyond it fails with ENOSPC. */
  readonly capacityBytes?: number
}

/**
 * A disk in memory that forgets as a real one may.
 *
 * D1. Data of a file survives a power loss only when its handle was synced after the write; what
 *     was not synced survives in any part, in sectors.
 * D2. A name survives only when its directory was synced after it was made; of later changes to a
 *     directory any subset survives, a rename as a whole.
 * D3. A failed sync loses what it was to make durable, though reads still show it (as Linux does).
 * D4. After a crash no call of that life ever settles, not even in a `finally`.
 */
export class MemoryDisk {
  readonly #options: MemoryDiskOptions
  #root: MemoryDirectory
  #operations = 0
  #inodes = 1
  #doors = new Map<Files, Door>()
  /** Replaced by tests between two lives. */
  fault: MemoryDiskOptions['fault']

  constructor(options: MemoryDiskOptions = {}) {
    this.#options = options
    this.fault = options.fault
    this.#root = new MemoryDirectory(1)
  }

  get operations(): number {
    return this.#operations
  }

  /**
   * The door as one process sees it. It is dead after the next `crash` or `powerLoss`. `observe`
   * is told of each effect before anything else happens.
   */
  files(observe?: (effect: DiskEffect) => void): Files {
    const door: Door = { isAlive: true }
    const run: Run = (kind, path, effect) => this.#run(door, kind, path, effect)
    const tell = (kind: DiskEffect['kind'], path: string, from?: string): void => {
      observe?.(from === undefined ? { kind, path } : { kind, path, from })
    }
    /** A call of one path, which is made normal once. */
    const call = <T>(
      kind: DiskOperation['kind'],
      given: string,
      effect: (path: string) => T,
    ): Promise<T> => {
      const path = normal(given)
      return run(kind, path, () => effect(path))
    }
    const files: Files = {
      open: (given, mode) =>
        call('open', given, (path) => {
          const handle = new MemoryHandle(this.#open(path, mode), path, run, this, () => {
            tell('close', path)
          })
          tell('open', path)
          return handle
        }),
      link: (existing, given) =>
        call('link', given, (path) => {
          const from = normal(existing)
          this.#link(from, path)
          tell('link', path, from)
        }),
      rename: (old, given) =>
        call('rename', given, (path) => {
          const from = normal(old)
          this.#rename(from, path)
          tell('rename', path, from)
        }),
      unlink: (given) =>
        call('unlink', given, (path) => {
          this.#unlink(path)
          tell('unlink', path)
        }),
      mkdir: (given) => call('mkdir', given, (path) => this.#mkdir(path)),
      rmdir: (given) => call('rmdir', given, (path) => this.#rmdir(path)),
      list: (given) => call('list', given, (path) => this.#directory(path).names()),
      stat: (given) => call('stat', given, (path) => this.#find(path).info()),
      realPath: (given) =>
        call('stat', given, (path) => {
          this.#find(path)
          return path
        }),
      checkWritable: (given) =>
        call('stat', given, (path) => {
          this.#checkWritable(path)
        }),
      syncDirectory: (given) =>
        call('syncDirectory', given, (path) => {
          this.#directory(path).sync()
          tell('syncDirectory', path)
        }),
    }
    this.#doors.set(files, door)
    return files
  }

  /**
   * The process that has this door dies, or all do; what was written is still in the page cache.
   */
  crash(files?: Files): void {
    const dead = files === undefined ? [...this.#doors.keys()] : [files]
    for (const door of dead) {
      this.#doors.get(door)!.isAlive = false
      this.#doors.delete(door)
    }
  }

  /** The machine dies: what was not made durable is gone, or partly gone (D1, D2). */
  powerLoss(): void {
    this.crash()
    const survivors = this.#options.survivors ?? 'none'
    this.#root.powerLoss(survivors === 'none' ? undefined : survivors)
  }

  /**
   * A disk of the same files, names and unsynced changes, of which neither sees what happens to
   * the other. Its gate, its faults and what chance spares are its own. No handle leads to it.
   */
  clone(options: MemoryDiskOptions = {}): MemoryDisk {
    const { capacityBytes } = this.#options
    const clone = new MemoryDisk({
      ...(capacityBytes === undefined ? {} : { capacityBytes }),
      ...options,
    })
    clone.#root = this.#root.clone(new Map())
    clone.#operations = this.#operations
    clone.#inodes = this.#inodes
    return clone
  }

  /** What a file holds now; undefined when there is none of that name. Nothing waits for it. */
  peek(path: string): Uint8Array | undefined {
    const clean = normal(path)
    const found = this.#peekDirectory(parentOf(clean))?.get(nameOf(clean))
    return found instanceof MemoryFile ? found.whole() : undefined
  }

  /** The paths of all files, and of empty folders with a slash at their end. */
  paths(): readonly string[] {
    const found: string[] = []
    this.#root.walk('', found)
    return found
  }

  /** Names in a folder, sorted; none when there is no such folder. */
  names(path: string): readonly string[] {
    return this.#peekDirectory(normal(path))?.names() ?? []
  }

  /** Bytes that all files hold, counted once each. */
  usedBytes(): number {
    return this.#root.usedBytes(new Set())
  }

  freeBytes(): number {
    const { capacityBytes } = this.#options
    if (capacityBytes === undefined) return Number.MAX_SAFE_INTEGER
    return Math.max(0, capacityBytes - this.usedBytes())
  }

  async #run<T>(
    door: Door,
    kind: DiskOperation['kind'],
    path: string,
    effect: () => T,
  ): Promise<T> {
    const operation = { index: this.#operations, kind, path }
    this.#operations += 1
    await this.#options.gate?.(operation)
    if (!door.isAlive) return never()
    const fault = this.fault?.(operation)
    if (fault === 'crash') this.crash()
    if (fault === 'power-loss') this.powerLoss()
    if (fault === 'crash' || fault === 'power-loss') return never()
    if (fault === undefined) return effect()
    // A failed sync of a file is told to the file, which loses what it was to keep (D3).
    if (fault.done === true) effect()
    throw fileError(fault.errno, kind, path)
  }

  #open(path: string, mode: 'read' | 'create' | 'truncate'): MemoryFile {
    const parent = this.#directory(parentOf(path))
    const name = nameOf(path)
    const found = parent.get(name)
    if (found instanceof MemoryDirectory) throw fileError('EISDIR', 'open', path)
    if (found === undefined) {
      if (mode === 'read') throw fileError('ENOENT', 'open', path)
      const file = new MemoryFile(this.#nextInode())
      parent.change([[name, file]])
      return file
    }
    if (mode === 'create') throw fileError('EEXIST', 'open', path)
    if (mode === 'truncate') found.truncate()
    return found
  }

  #link(existing: string, path: string): void {
    const found = this.#find(existing)
    if (found instanceof MemoryDirectory) throw fileError('EPERM', 'link', path)
    const parent = this.#directory(parentOf(path))
    if (parent.get(nameOf(path)) !== undefined) throw fileError('EEXIST', 'link', path)
    parent.change([[nameOf(path), found]])
  }

  #rename(from: string, to: string): void {
    const source = this.#directory(parentOf(from))
    const target = this.#directory(parentOf(to))
    const moved = this.#find(from)
    const replaced = target.get(nameOf(to))
    if (replaced === moved) return
    if (replaced instanceof MemoryDirectory) {
      if (!(moved instanceof MemoryDirectory)) throw fileError('EISDIR', 'rename', to)
      if (replaced.names().length > 0) throw fileError('ENOTEMPTY', 'rename', to)
    } else if (replaced !== undefined && moved instanceof MemoryDirectory) {
      throw fileError('ENOTDIR', 'rename', to)
    }
    source.moveTo(target, nameOf(from), nameOf(to), moved)
  }

  #unlink(path: string): void {
    if (this.#find(path) instanceof MemoryDirectory) throw fileError('EISDIR', 'unlink', path)
    this.#directory(parentOf(path)).change([[nameOf(path), undefined]])
  }

  #mkdir(path: string): void {
    const parent = this.#directory(parentOf(path))
    if (nameOf(path) === '' || parent.get(nameOf(path)) !== undefined) {
      throw fileError('EEXIST', 'mkdir', path)
    }
    parent.change([[nameOf(path), new MemoryDirectory(this.#nextInode())]])
  }

  #rmdir(path: string): void {
    if (this.#directory(path).names().length > 0) throw fileError('ENOTEMPTY', 'rmdir', path)
    this.#directory(parentOf(path)).change([[nameOf(path), undefined]])
  }

  #find(path: string): MemoryFile | MemoryDirectory {
    let found: MemoryFile | MemoryDirectory | undefined = this.#root
    for (const part of path.split('/')) {
      if (part === '') continue
      if (found === undefined) break
      if (found instanceof MemoryFile) throw fileError('ENOTDIR', 'stat', path)
      found = found.get(part)
    }
    if (found === undefined) throw fileError('ENOENT', 'stat', path)
    return found
  }

  #peekDirectory(path: string): MemoryDirectory | undefined {
    let found: MemoryDirectory | undefined = this.#root
    for (const part of path.split('/')) {
      if (part === '') continue
      const next: MemoryFile | MemoryDirectory | undefined = found?.get(part)
      found = next instanceof MemoryDirectory ? next : undefined
    }
    return found
  }

  #directory(path: string): MemoryDirectory {
    const found = this.#find(path)
    if (found instanceof MemoryFile) throw fileError('ENOTDIR', 'scandir', path)
    return found
  }

  #checkWritable(path: string): void {
    try {
      this.#directory(path)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
      this.#checkWritable(parentOf(path))
    }
  }

  #nextInode(): number {
    this.#inodes += 1
    return this.#inodes
  }
}

/** What one process sees of the disk; after its death no call of it settles. */
interface Door {
  isAlive: boolean
}

function never<T>(): Promise<T> {
  return new Promise(() => undefined)
}

/** What a path may hold that leads elsewhere than its parts say. */
const ODD_PATH = /\/(?:\.|\/|$)/

function normal(path: string): string {
  if (path.startsWith('/') && !ODD_PATH.test(path)) return path
  // As everywhere, a relative path begins at the current folder.
  return resolve(path)
}

/** Of a path that is normal; so is the root's. */
function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')))
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** A disk that fails or dies at its n-th operation from now, as `fault` says, and only there. */
export function faultAt(disk: MemoryDisk, operation: number, fault: DiskFault): void {
  const at = disk.operations + operation
  disk.fault = ({ index }) => (index === at ? fault : undefined)
}

/** Any part of what was not fsynced survives a power loss, as the seed says. */
export function memoryDisk(seed: number): MemoryDisk {
  return new MemoryDisk({ survivors: seededRandom(seed) })
}

/**
 * Whether the work of one life comes to its end: false when a crash of its disk keeps it from ever
 * settling. Everything it waits for must be on the disk.
 */
export async function settles(work: Promise<unknown>): Promise<boolean> {
  let outcome: 'never' | 'done' | { readonly error: unknown } = 'never'
  work.then(
    () => {
      outcome = 'done'
    },
    (error: unknown) => {
      outcome = { error }
    },
  )
  await new Promise((resolve) => setImmediate(resolve))
  return ended(outcome)
}

function ended(outcome: 'never' | 'done' | { readonly error: unknown }): boolean {
  if (typeof outcome === 'object') throw outcome.error
  return outcome === 'done'
}
