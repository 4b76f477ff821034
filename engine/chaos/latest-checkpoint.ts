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
  hashes: ContentHashes,
): string | undefined {
  const { manifests } = workLayout(folder)
  const name = disk.names(manifests).findLast((file) => parseManifestName(file) !== undefined)
  if (name === undefined) return `"${folder}" has no checkpoint any more`
  const path = `${manifests}/${name}`
  let manifest: CheckpointManifest
  try {
    manifest = decodeManifest(disk.peek(path)!, path)
  } catch (error) {
    if (!(error instanceof StreamError)) throw error
    return error.message
  }
  for (const file of manifestFiles(manifest)) {
    const found = disk.peek(`${folder}/${file.path}`)
    if (found === undefined) return `"${path}" names "${file.path}", which is not there`
    if (found.length !== file.bytes || hashes.of(found) !== file.sha256) {
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
 * Contents of cloned disks are shared and never change in place, so each is hashed once, however
 * often it is asked for.
 */
export class ContentHashes {
  readonly #known = new WeakMap<
    ArrayBufferLike,
    { readonly length: number; readonly hash: string }
  >()

  of(bytes: Uint8Array): string {
    const known = this.#known.get(bytes.buffer)
    if (known?.length === bytes.length) return known.hash
    const hash = sha256Hex(bytes)
    this.#known.set(bytes.buffer, { length: bytes.length, hash })
    return hash
  }
}
