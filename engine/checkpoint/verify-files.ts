import { join } from 'node:path'
import type { Files } from '../base/files.ts'
import { errnoOf } from '../base/files.ts'
import { Sha256 } from '../base/hash.ts'
import { FILE_CHUNK_BYTES, FILES_IN_FLIGHT_MAX } from '../base/limits.ts'
import { damaged, readingFile } from './manifest-codec.ts'
import type { FileReference } from './snapshot.ts'

/** Reads every file whole; throws CHECKPOINT_DAMAGED naming one that is not what was written. */
export async function verifyFiles(
  files: Files,
  root: string,
  references: readonly FileReference[],
): Promise<void> {
  await forEachBounded(references, (reference) =>
    readVerified(files, join(root, reference.path), reference, () => Promise.resolve()),
  )
}

/**
 * Gives the content of a file in pieces. Resolves when all of it has been given and was what the
 * reference says; so nothing may be believed before.
 */
export function readVerified(
  files: Files,
  path: string,
  reference: FileReference,
  each: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  return readingFile(path, () => readPieces(files, path, reference, each))
}

async function readPieces(
  files: Files,
  path: string,
  reference: FileReference,
  each: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const handle = await openOrDamaged(files, path)
  try {
    const bytes = await handle.size()
    if (bytes !== reference.bytes) {
      throw damaged(path, `it has ${bytes} bytes, the checkpoint says ${reference.bytes}`)
    }
    const hash = new Sha256()
    for (let position = 0; position < bytes; position += FILE_CHUNK_BYTES) {
      const chunk = await handle.read(position, Math.min(FILE_CHUNK_BYTES, bytes - position))
      hash.update(chunk)
      await each(chunk)
    }
    if (hash.hex() !== reference.sha256) throw damaged(path, 'its content does not match its hash')
  } finally {
    await handle.close()
  }
}

async function openOrDamaged(files: Files, path: string): ReturnType<Files['open']> {
  try {
    return await files.open(path, 'read')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw damaged(path, 'it is missing', error)
    throw error
  }
}

/** Some at a time, in order; the first failure ends it. */
export async function forEachBounded<T>(
  items: readonly T[],
  act: (item: T) => Promise<void>,
): Promise<void> {
  const next = items.values()
  const lane = async (): Promise<void> => {
    for (const item of next) await act(item)
  }
  await Promise.all(Array.from({ length: FILES_IN_FLIGHT_MAX }, lane))
}
