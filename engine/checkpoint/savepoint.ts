import { join } from 'node:path'
import { StreamError } from '../base/errors.ts'
import type { FileHandle, Files } from '../base/files.ts'
import { errnoOf, exists, makeDirectories, readWholeFile, writeDurably } from '../base/files.ts'
import { Sha256 } from '../base/hash.ts'
import { FILE_CHUNK_BYTES } from '../base/limits.ts'
import { listOrNone } from './folders.ts'
import { temporaryName, type WorkLayout } from './layout.ts'
import { decodeManifest, encodeManifest, readingFile } from './manifest-codec.ts'
import { manifestFiles, type CheckpointManifest, type StagedCopy } from './manifest.ts'
import type { FileReference, SinkState } from './snapshot.ts'
import type { CheckpointStore } from './store.ts'
import { forEachBounded, readVerified } from './verify-files.ts'

/**
 * A savepoint is a complete checkpoint with every file it names, in a folder of its own.
 *
 *     <folder>/manifest.json   written last: without it the folder is no savepoint
 *     <folder>/state/…         files of state, under the names they have in the work folder
 *     <folder>/staged/<n>      files that committables not yet published name
 *
 * V1. It refers to nothing outside, so it may be moved, and kept after its work folder is gone.
 * V2. Whatever it holds is verified while it is copied, out and in.
 */
export interface SavepointOptions {
  readonly files: Files
  /** The work folder. */
  readonly root: string
  readonly manifest: CheckpointManifest
  /** What of the checkpoint is not published yet; nothing, once it has been committed. */
  readonly unpublished: readonly SinkState[]
  /** Paths of the staged files that these committables name. */
  readonly stagedFiles: (sink: SinkState) => readonly string[]
  /** Must be empty, or not be there. */
  readonly target: string
}

const MANIFEST = 'manifest.json'

export async function copySavepoint(options: SavepointOptions): Promise<void> {
  const { files, root, manifest, target, unpublished } = options
  if ((await listOrNone(files, target)).length > 0) {
    throw new StreamError('OPTION_INVALID', `the folder "${target}" is not empty`, {
      hint: 'Name a new folder for the savepoint.',
    })
  }
  for (const folder of ['state', 'staged']) await makeDirectories(files, join(target, folder))
  await forEachBounded(manifestFiles(manifest), (file) =>
    copyVerified(files, join(root, file.path), join(target, file.path), file),
  )
  const originals = [...new Set(unpublished.flatMap((sink) => options.stagedFiles(sink)))]
  const staged: StagedCopy[] = []
  for (const [index, original] of originals.entries()) {
    const path = `staged/${index}`
    staged.push({ original, file: await copyStaged(files, original, join(target, path), path) })
  }
  for (const folder of ['state', 'staged']) await files.syncDirectory(join(target, folder))
  const sinks = manifest.sinks.map(
    ({ uid, kind }): SinkState =>
      unpublished.find((sink) => sink.uid === uid) ?? { uid, kind, committables: [] },
  )
  const path = join(target, MANIFEST)
  const bytes = encodeManifest({ ...manifest, sinks, staged })
  await writeDurably(files, path, bytes, { replace: false, temporary: temporaryName(path) })
}

/** Throws CHECKPOINT_NOT_FOUND when the folder is no savepoint, CHECKPOINT_DAMAGED when it was. */
export async function readSavepoint(files: Files, folder: string): Promise<CheckpointManifest> {
  const path = join(folder, MANIFEST)
  try {
    const bytes = await readingFile(path, () => readWholeFile(files, path))
    return decodeManifest(bytes, path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error
    throw new StreamError('CHECKPOINT_NOT_FOUND', `"${folder}" holds no savepoint`, {
      hint: 'Name the folder that a savepoint was written to; it holds a manifest.json.',
      cause: error,
    })
  }
}

/**
 * Brings a savepoint into a work folder: state and staged files where they are looked for, then
 * its manifest, with which it becomes the folder's own latest checkpoint. Can be repeated after a
 * crash.
 *
 * It says itself where its staged files lay, and may come from anywhere: only those are brought
 * back that a sink of this job looks for (`wanted`). One that is looked for and not there is missed,
 * by name, when it is to be published.
 */
export async function importSavepoint(
  files: Files,
  layout: WorkLayout,
  store: CheckpointStore,
  folder: string,
  manifest: CheckpointManifest,
  wanted: ReadonlySet<string>,
): Promise<void> {
  const staged = manifest.staged.filter(({ original }) => wanted.has(original))
  const originals = new Map(staged.map(({ file, original }) => [file.path, original]))
  const folders = new Set([layout.state])
  for (const original of originals.values()) folders.add(join(original, '..'))
  for (const path of folders) await makeDirectories(files, path)
  await forEachBounded(manifestFiles({ ...manifest, staged }), (file) =>
    copyVerified(
      files,
      join(folder, file.path),
      originals.get(file.path) ?? join(layout.root, file.path),
      file,
    ),
  )
  for (const path of folders) await files.syncDirectory(path)
  await store.write({ ...manifest, staged: [] })
}

/** The copy gets its name only when all of it is known to be right; replaces what is there. */
async function copyVerified(
  files: Files,
  from: string,
  to: string,
  reference: FileReference,
): Promise<void> {
  const temporary = temporaryName(to)
  await writing(files, temporary, (handle) =>
    readVerified(files, from, reference, (bytes) => handle.write(bytes)),
  )
  await files.rename(temporary, to)
}

async function copyStaged(
  files: Files,
  from: string,
  to: string,
  path: string,
): Promise<FileReference> {
  if (!(await exists(files, from))) {
    throw new StreamError('STAGED_FILE_MISSING', `the staged file "${from}" is missing`, {
      hint: 'Staged files belong to the job until they are published: restore it from a backup.',
    })
  }
  const source = await files.open(from, 'read')
  try {
    const bytes = await source.size()
    const hash = new Sha256()
    await writing(files, to, async (target) => {
      for (let position = 0; position < bytes; position += FILE_CHUNK_BYTES) {
        const chunk = await source.read(position, FILE_CHUNK_BYTES)
        hash.update(chunk)
        await target.write(chunk)
      }
    })
    return { path, bytes, sha256: hash.hex() }
  } finally {
    await source.close()
  }
}

async function writing(
  files: Files,
  path: string,
  fill: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const handle = await files.open(path, 'truncate')
  try {
    await fill(handle)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
