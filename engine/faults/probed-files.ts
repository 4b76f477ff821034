import { basename, dirname } from 'node:path'
import type { FileHandle, Files } from '../base/files.ts'
import type { FaultPlace } from './place.ts'
import type { FaultPointName } from './points.ts'
import type { CallOtherwise, FaultProbe } from './probe.ts'

type Call = keyof Files | 'write' | 'read' | 'sync'

/**
 * The disk with its fault points: what a call is for is seen from the path. Files that the protocol
 * does not know pass untouched.
 */
export function probedFiles(files: Files, probe: FaultProbe): Files {
  const paths = new KnownPaths()
  const around: Around = (call, path, run, otherwise) => {
    const point = diskPoint(call, path, paths)
    return point === undefined ? run() : probe.around(point, paths.at(path).place, run, otherwise)
  }
  return {
    open: async (path, mode) => {
      if (mode === 'read') paths.onRead(path)
      return new ProbedHandle(await files.open(path, mode), path, around)
    },
    link: (existing, path) => around('link', path, () => files.link(existing, path)),
    rename: (from, to) => around('rename', to, () => files.rename(from, to)),
    unlink: (path) => around('unlink', path, () => files.unlink(path)),
    mkdir: (path, access) => {
      paths.onMkdir(path)
      return around('mkdir', path, () => files.mkdir(path, access))
    },
    rmdir: (path) => around('rmdir', path, () => files.rmdir(path)),
    list: (path) => around('list', `${path}/`, () => files.list(path)),
    stat: (path) => around('stat', path, () => files.stat(path)),
    realPath: (path) => files.realPath(path),
    checkWritable: (directory) => files.checkWritable(directory),
    syncDirectory: (path) => around('syncDirectory', `${path}/`, () => files.syncDirectory(path)),
  }
}

/** What a path says by itself. */
interface NamedPath {
  readonly area: Area
  readonly place: FaultPlace
}

/** A file has a few calls, one soon after another: so many paths are kept in mind. */
const NAMED_MAX = 1_000

/** What paths say, and what earlier calls have told of those that do not speak for themselves. */
class KnownPaths {
  readonly #named = new Map<string, NamedPath>()
  /** Folders that got folders in them whose names are not durable yet, and how many. */
  readonly #parents = new Map<string, number>()
  /** Folders of savepoints outside of the work folder. */
  readonly #savepoints = new Set<string>()

  at(path: string): NamedPath {
    let named = this.#named.get(path)
    if (named === undefined) {
      named = { area: areaOf(path), place: placeOf(path) }
      if (this.#named.size === NAMED_MAX) this.#named.clear()
      this.#named.set(path, named)
    }
    return named
  }

  onMkdir(path: string): void {
    const parent = `${dirname(path)}/`
    this.#parents.set(parent, (this.#parents.get(parent) ?? 0) + 1)
    if (basename(path) === 'staged') this.#savepoints.add(`${dirname(path)}/`)
  }

  onRead(path: string): void {
    if (this.at(path).area === 'other' && basename(path) === 'manifest.json') {
      this.#savepoints.add(`${dirname(path)}/`)
    }
  }

  isSavepoint(path: string): boolean {
    for (const folder of this.#savepoints) if (path.startsWith(folder)) return true
    return false
  }

  /** Once for each folder that was made. */
  takeParent(folder: string): boolean {
    const parent = folder.replace(/\/+$/, '/')
    const count = this.#parents.get(parent) ?? 0
    if (count > 1) this.#parents.set(parent, count - 1)
    else this.#parents.delete(parent)
    return count > 0
  }
}

type Around = <T>(
  call: Call,
  path: string,
  run: () => Promise<T>,
  otherwise?: CallOtherwise,
) => Promise<T>

/** Of a disk that is simulated: what was not durable yet is lost to every sync that follows. */
interface ForgetfulHandle extends FileHandle {
  syncFailed(): void
}

class ProbedHandle implements FileHandle {
  readonly #handle: FileHandle
  readonly #path: string
  readonly #around: Around

  constructor(handle: FileHandle, path: string, around: Around) {
    this.#handle = handle
    this.#path = path
    this.#around = around
  }

  write(bytes: Uint8Array, position?: number): Promise<void> {
    return this.#around('write', this.#path, () => this.#handle.write(bytes, position), {
      part: (length) => this.#handle.write(bytes.subarray(0, length), position),
    })
  }

  read(position: number, length: number): Promise<Uint8Array> {
    return this.#around('read', this.#path, () => this.#handle.read(position, length))
  }

  sync(): Promise<void> {
    return this.#around('sync', this.#path, () => this.#handle.sync(), {
      fail: () => {
        if (isForgetful(this.#handle)) this.#handle.syncFailed()
      },
    })
  }

  size(): Promise<number> {
    return this.#handle.size()
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

function isForgetful(handle: FileHandle): handle is ForgetfulHandle {
  return 'syncFailed' in handle
}

/** Calls that change nothing. */
const READS: ReadonlySet<Call> = new Set<Call>(['read', 'list', 'stat'])

/**
 * Which step of the protocol a call is; undefined for one that is none. A folder is given with a
 * slash at its end.
 */
function diskPoint(call: Call, path: string, paths: KnownPaths): FaultPointName | undefined {
  const area = paths.isSavepoint(path) ? 'savepoint' : paths.at(path).area
  if (area === 'scratch') return call === 'unlink' || call === 'mkdir' ? 'disk.scratch' : undefined
  if (call === 'mkdir') return 'disk.folder.make'
  if (call === 'syncDirectory' && area !== 'savepoint' && paths.takeParent(path)) {
    return 'disk.folder.sync'
  }
  // A temporary name goes when the file has its own, or will be written anew: that is no step.
  if (call === 'unlink' && path.endsWith('.tmp')) return undefined
  // Whether a folder is there is asked everywhere: that is no reading of input.
  if (area === 'other' && call === 'stat') return undefined
  const points: Points = POINTS[area]
  return points[READS.has(call) ? 'read' : call]
}

type Points = Readonly<Partial<Record<Call, FaultPointName>>>

const POINTS = {
  owner: { write: 'disk.owner.write', sync: 'disk.owner.sync', rename: 'disk.owner.rename' },
  epoch: {
    write: 'disk.epoch.write',
    sync: 'disk.epoch.sync',
    link: 'disk.epoch.link',
    syncDirectory: 'disk.epoch.folder',
    read: 'disk.epoch.read',
  },
  state: {
    write: 'disk.state.write',
    sync: 'disk.state.sync',
    link: 'disk.state.link',
    rename: 'disk.state.link',
    unlink: 'disk.state.unlink',
    syncDirectory: 'disk.state.folder',
    read: 'disk.state.read',
  },
  manifest: {
    write: 'disk.manifest.write',
    sync: 'disk.manifest.sync',
    link: 'disk.manifest.link',
    unlink: 'disk.manifest.unlink',
    syncDirectory: 'disk.manifest.folder',
    read: 'disk.manifest.read',
  },
  savepoint: {
    write: 'disk.savepoint.write',
    sync: 'disk.savepoint.sync',
    link: 'disk.savepoint.link',
    rename: 'disk.savepoint.link',
    syncDirectory: 'disk.savepoint.sync',
    read: 'disk.savepoint.read',
  },
  staged: {
    write: 'disk.staged.write',
    sync: 'disk.staged.sync',
    unlink: 'disk.staged.unlink',
    syncDirectory: 'disk.staged.folder',
    read: 'disk.staged.read',
  },
  marker: {
    write: 'disk.marker.write',
    sync: 'disk.marker.sync',
    rename: 'disk.marker.rename',
    syncDirectory: 'disk.marker.folder',
    read: 'disk.marker.read',
  },
  published: { link: 'disk.publish.link', read: 'disk.publish.read' },
  other: {
    link: 'disk.publish.link',
    syncDirectory: 'disk.publish.folder',
    read: 'disk.input.read',
  },
} as const satisfies Record<string, Points>

type Area = keyof typeof POINTS | 'scratch'

function areaOf(path: string): Area {
  if (/\/owner\.json(\.tmp)?$/.test(path)) return 'owner'
  if (path.includes('/savepoints/')) return 'savepoint'
  if (/\/epochs\/(\d{8}\.json(\.tmp)?)?$/.test(path)) return 'epoch'
  if (/\/manifests\/(\d{16}\.json(\.tmp)?)?$/.test(path)) return 'manifest'
  if (/\/state\/([0-9a-f]{16}-[\d-]+(\.tmp)?)?$/.test(path)) return 'state'
  if (/\/scratch(\/|$)/.test(path)) return 'scratch'
  if (path.includes('.staging/')) return 'staged'
  if (path.includes('/_millrace/')) return 'marker'
  if (/\/[0-9a-f]{16}(-\d+){3}(\.\w+)?$/.test(path)) return 'published'
  return 'other'
}

function placeOf(path: string): FaultPlace {
  const file = basename(path)
  const ours = /^[0-9a-f]{16}-(\d+)-(\d+)-\d+/.exec(file)
  if (ours !== null) return { file, subtask: Number(ours[1]), checkpointId: Number(ours[2]) }
  const manifest = /^(\d{16})\.json/.exec(file)
  return manifest === null ? { file } : { file, checkpointId: Number(manifest[1]) }
}
