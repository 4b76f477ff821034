import type { CheckpointManifest } from '../checkpoint/manifest.ts'
import type { MemoryDisk } from '../simulation/memory-files.ts'
import { StreamError } from '../base/errors.ts'
import { sha256Hex } from '../base/hash.ts'
import { parseManifestName, workLayout } from '../checkpoint/layout.ts'
import { decodeManifest } from '../checkpoint/manifest-codec.ts'
import { manifestFiles } from '../checkpoint/manifest.ts'

/**
 * Why the next start could not go on from the latest checkpoint of a work folder; undefined when
 * it can: there is one, it is what was written, and so is every file that it names; and whatever it
 * has still to publish lies somewhere. Nothing waits for anything, so it can be asked at any moment
 * of a run. The disk is a clone.
 */
export function firstFault(
  disk: MemoryDisk,
  folder: string,
  contents: KnownContents,
): string | undefined {
  const { manifests } = workLayout(folder)
  const name = disk.names(manifests).findLast((file) => parseManifestName(file) !== undefined)
  if (name === undefined) return `"${folder}" has no checkpoint any more`
  const path = `${manifests}/${name}`
  const manifest = contents.manifest(disk.peek(path)!, path)
  if (typeof manifest === 'string') return manifest
  for (const file of manifestFiles(manifest)) {
    const found = disk.peek(`${folder}/${file.path}`)
    if (found === undefined) return `"${path}" names "${file.path}", which is not there`
    if (found.length !== file.bytes || contents.hash(found) !== file.sha256) {
      return `"${path}" names "${file.path}", which is not what was written`
    }
  }
  return missingOutput(disk, manifest)
}

/** Output that is neither published nor staged is lost. */
function missingOutput(disk: MemoryDisk, manifest: CheckpointManifest): string | undefined {
  const names = manifest.sinks.flatMap(({ committables }) => committables.flatMap(uniqueNames))
  if (names.length === 0) return undefined
  const there = new Set(disk.paths().flatMap((path) => uniqueNames(path)))
  const lost = names.find((name) => !there.has(name))
  return lost === undefined ? undefined : `"${lost}" is to be published, and is gone`
}

const UNIQUE_NAME = /[0-9a-f]{16}-\d{1,6}-\d{1,16}-\d{1,16}/g

/**
 * The names of `WriterContext.uniqueName` in a path, or anywhere in plain data such as a
 * committable: whatever its sink calls a file, the name is part of it.
 */
export function uniqueNames(value: unknown): readonly string[] {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.match(UNIQUE_NAME) ?? []
}

/**
 * Contents of cloned disks are shared and never change in place, so each is hashed and decoded
 * once, however often it is asked for.
 */
export class KnownContents {
  readonly #hashes = new Known<string>()
  readonly #manifests = new Known<CheckpointManifest | string>()

  hash(bytes: Uint8Array): string {
    return this.#hashes.of(bytes, () => sha256Hex(bytes))
  }

  /** Text: why it cannot be read. */
  manifest(bytes: Uint8Array, path: string): CheckpointManifest | string {
    return this.#manifests.of(bytes, () => decoded(bytes, path))
  }
}

class Known<T> {
  readonly #known = new WeakMap<ArrayBufferLike, { readonly length: number; readonly what: T }>()

  of(bytes: Uint8Array, make: () => T): T {
    const known = this.#known.get(bytes.buffer)
    if (known?.length === bytes.length) return known.what
    const what = make()
    this.#known.set(bytes.buffer, { length: bytes.length, what })
    return what
  }
}

function decoded(bytes: Uint8Array, path: string): CheckpointManifest | string {
  try {
    return decodeManifest(bytes, path)
  } catch (error) {
    if (!(error instanceof StreamError)) throw error
    return error.message
  }
}
