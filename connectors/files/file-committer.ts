import { dirname, isAbsolute, join, resolve } from 'node:path'
import {
  errnoOf,
  exists,
  readWholeFile,
  messageOf,
  StreamError,
  writeDurably,
} from '../../engine/index.ts'
import type {
  Committable,
  Committer,
  CommitterContext,
  Files,
  TargetMarker,
} from '../../engine/index.ts'
import { markerFolder, markerPath, stagingFolder } from './staging.ts'
import type { StagedFileEffect } from './staging.ts'

/** File system calls under way at a time while thousands of files are published. */
const CALLS_MAX = 16

/**
 * Publishes staged files: links them into their folders.
 *
 * P1. Under the table there are only complete, durable files: a name appears by link, at once.
 * P2. No name is used twice. One that is taken by another file is a conflict, never replaced.
 * P3. The order is links → their folders durable → marker durable → staged names removed. So a
 *     committable above the marker has its staged file, and one that has not is a loud failure.
 */
export class FileCommitter implements Committer {
  readonly markerFile: string
  readonly #directory: string
  readonly #staging: string
  readonly #marker: string
  readonly #uid: string
  readonly #files: Files

  constructor(directory: string, context: CommitterContext) {
    this.#directory = join(directory, '.')
    this.#staging = stagingFolder(directory, context.uid)
    this.#marker = markerPath(directory, context.uid)
    this.markerFile = resolve(this.#marker)
    this.#uid = context.uid
    this.#files = context.doors.files
  }

  async readMarker(): Promise<TargetMarker | undefined> {
    const seen = new Set<string>()
    let path = this.#marker
    while (!seen.has(path)) {
      seen.add(path)
      const marker = await this.#readMarker(path)
      if (marker?.handedTo === undefined) return marker
      path = markerPath(this.#directory, marker.handedTo)
    }
    throw noMarker(path)
  }

  /** The one file may be handed over to another only once that one has its own marker. */
  async handOver(uid: string): Promise<void> {
    const marker = await this.#readMarker(this.#marker)
    if (marker !== undefined) await this.#writeMarker({ ...marker, handedTo: uid })
  }

  async #readMarker(path: string): Promise<FileMarker | undefined> {
    let bytes: Uint8Array
    try {
      bytes = await readWholeFile(this.#files, path)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
      throw error
    }
    return parseMarker(bytes, path)
  }

  async commit(committables: readonly Committable[], marker: TargetMarker): Promise<void> {
    try {
      const effects = committables.map(effectOf)
      await this.#publish(effects)
      await this.#writeMarker(marker)
      await inParallel(effects, ({ staged }) => this.#remove(join(this.#staging, staged)))
    } catch (cause) {
      if (cause instanceof StreamError) throw cause
      const reason = messageOf(cause)
      const found = `files of "${this.#uid}" could not be published: ${reason}`
      throw new StreamError('SINK_COMMIT_FAILED', found, { cause })
    }
  }

  async sweep(keep: readonly Committable[]): Promise<void> {
    const kept = new Set(keep.map((committable) => effectOf(committable).staged))
    if (!(await exists(this.#files, this.#staging))) return
    const names = await this.#files.list(this.#staging)
    const lost = names.filter((name) => !kept.has(name))
    await inParallel(lost, (name) => this.#remove(join(this.#staging, name)))
  }

  stagedFiles(committables: readonly Committable[]): readonly string[] {
    return committables.map((committable) => join(this.#staging, effectOf(committable).staged))
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  async #publish(effects: readonly StagedFileEffect[]): Promise<void> {
    const folders = new Set(effects.map(({ target }) => dirname(join(this.#directory, target))))
    const touched = await this.#makeFolders(folders)
    await inParallel(effects, (effect) => this.#link(effect))
    await inParallel(touched, (folder) => this.#files.syncDirectory(folder))
  }

  /** Makes what is missing; returns all folders that get a new entry. */
  async #makeFolders(folders: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const touched = new Set(folders)
    const known = new Set<string>()
    const make = async (folder: string): Promise<void> => {
      if (known.has(folder)) return
      known.add(folder)
      if (await exists(this.#files, folder)) return
      const parent = dirname(folder)
      await make(parent)
      try {
        await this.#files.mkdir(folder)
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error
      }
      touched.add(parent)
    }
    for (const folder of folders) await make(folder)
    // A life that was cut short may have made folders whose names are not durable yet.
    for (const folder of folders) {
      for (let at = folder; at !== this.#directory && at !== dirname(at); at = dirname(at)) {
        touched.add(dirname(at))
      }
    }
    return touched
  }

  async #link({ staged, target, bytes }: StagedFileEffect): Promise<void> {
    const from = join(this.#staging, staged)
    const to = join(this.#directory, target)
    const found = await this.#statStaged(from)
    if (found.bytes !== bytes) {
      throw missing(from, `has ${found.bytes} bytes instead of ${bytes}`)
    }
    try {
      await this.#files.link(from, to)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') throw missing(from, 'is gone')
      if (errnoOf(error) !== 'EEXIST') throw error
      const there = await this.#files.stat(to)
      if (there.inode === found.inode) return
      // A staged file that a savepoint brought back is a copy of the one that was linked.
      if (there.bytes === bytes && (await sameContent(this.#files, from, to))) return
      throw new StreamError('SINK_TARGET_CONFLICT', `"${to}" is there already, and not ours`, {
        hint: 'Move that file away, and let no other job write into this folder.',
      })
    }
  }

  async #statStaged(path: string): Promise<{ readonly bytes: number; readonly inode: number }> {
    try {
      return await this.#files.stat(path)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR')
        throw missing(path, 'is gone')
      throw error
    }
  }

  async #writeMarker(marker: FileMarker): Promise<void> {
    const folder = markerFolder(this.#directory)
    for (const made of await this.#makeFolders(new Set([folder]))) {
      await this.#files.syncDirectory(made)
    }
    const bytes = new TextEncoder().encode(`${JSON.stringify(marker)}\n`)
    const temporary = `${this.#marker}.tmp`
    await writeDurably(this.#files, this.#marker, bytes, { replace: true, temporary })
  }

  async #remove(path: string): Promise<void> {
    try {
      await this.#files.unlink(path)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
    }
  }
}

/** A checkpoint is input too: what it names must lie in the folders of its sink. */
function effectOf({ uid, effect }: Committable): StagedFileEffect {
  const { staged, target } = effect as StagedFileEffect
  const isInside = !staged.includes('/') && !isAbsolute(target)
  const parts = [staged, ...target.split('/')]
  if (isInside && !parts.includes('..') && !parts.includes('')) return effect as StagedFileEffect
  throw new StreamError(
    'CHECKPOINT_DAMAGED',
    `the checkpoint has "${staged}" published by "${uid}" as "${target}", outside of its folder`,
    { hint: 'No sink writes that. Restore another checkpoint, from somebody you trust.' },
  )
}

function missing(path: string, what: string): StreamError {
  return new StreamError('STAGED_FILE_MISSING', `the staged file "${path}" ${what}`, {
    hint: 'The checkpoint names it, so its records would be lost: bring the file back, or start over with --fresh.',
  })
}

/** `handedTo`: the sink has that uid now, and its marker counts. */
interface FileMarker extends TargetMarker {
  readonly handedTo?: string
}

function parseMarker(bytes: Uint8Array, path: string): FileMarker {
  try {
    const { lineage, instance, checkpointId, handedTo } = JSON.parse(
      new TextDecoder().decode(bytes),
    ) as Partial<FileMarker>
    if (
      typeof lineage === 'string' &&
      typeof instance === 'string' &&
      Number.isSafeInteger(checkpointId)
    ) {
      const handed = typeof handedTo === 'string' ? { handedTo } : {}
      return { lineage, instance, checkpointId: checkpointId!, ...handed }
    }
  } catch {
    // Not JSON: reported below.
  }
  throw noMarker(path)
}

function noMarker(path: string): StreamError {
  return new StreamError('SINK_FOREIGN', `"${path}" is no marker of ours`, {
    hint: 'The file says which checkpoint was published last: bring it back as it was.',
  })
}

const COMPARED_BYTES = 1_024 * 1_024

/** Of two files of one size. */
async function sameContent(files: Files, left: string, right: string): Promise<boolean> {
  const leftHandle = await files.open(left, 'read')
  try {
    const rightHandle = await files.open(right, 'read')
    try {
      for (let at = 0; ; at += COMPARED_BYTES) {
        const expected = await leftHandle.read(at, COMPARED_BYTES)
        if (expected.length === 0) return true
        if (!Buffer.from(expected).equals(await rightHandle.read(at, COMPARED_BYTES))) return false
      }
    } finally {
      await rightHandle.close()
    }
  } finally {
    await leftHandle.close()
  }
}

/** Calls `step` for every item, CALLS_MAX at a time. The first error stops the rest. */
async function inParallel<T>(
  items: readonly T[] | ReadonlySet<T>,
  step: (item: T) => Promise<unknown>,
): Promise<void> {
  const iterator = items[Symbol.iterator]()
  let failed = false
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      try {
        await step(next.value)
      } catch (error) {
        failed = true
        throw error
      }
      if (failed) return
    }
  }
  const count = 'size' in items ? items.size : items.length
  const workers = Array.from({ length: Math.min(CALLS_MAX, count) }, worker)
  const results = await Promise.allSettled(workers)
  for (const result of results) if (result.status === 'rejected') throw result.reason
}
