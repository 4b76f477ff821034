import { join } from 'node:path'
import { errnoOf, refusedOr, makeDirectories, messageOf, StreamError } from '../../engine/index.ts'
import type { Files, WriterContext } from '../../engine/index.ts'

/**
 * Where files wait to be published: `<directory>.staging/<uid>/`, beside the table, as some readers
 * look into every folder below it. What we know of a table is in `<directory>/_millrace/`.
 */
export function stagingFolder(directory: string, uid: string): string {
  return join(`${trimmed(directory)}.staging`, folderName(uid))
}

export function markerFolder(directory: string): string {
  return join(trimmed(directory), '_millrace')
}

export function markerPath(directory: string, uid: string): string {
  return join(markerFolder(directory), `${folderName(uid)}.json`)
}

function trimmed(directory: string): string {
  return directory.replace(/(?<=.)\/+$/, '')
}

/** A uid as one name of a file, another for each: odd bytes become %XX. */
function folderName(uid: string): string {
  let name = ''
  for (const byte of Buffer.from(uid)) {
    const character = String.fromCharCode(byte)
    name += /[\w-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`
  }
  return name
}

/**
 * A file to be published, as its committable holds it. Both names are relative: to the staging
 * folder of the sink and to the table.
 */
export type StagedFileEffect = {
  readonly staged: string
  readonly target: string
  readonly bytes: number
}

/** Makes the folders of a sink and proves that files can be linked from one to the other. */
export async function openStaging(directory: string, context: WriterContext): Promise<void> {
  const { files } = context.doors
  const staging = stagingFolder(directory, context.uid)
  const markers = markerFolder(directory)
  try {
    await makeDirectories(files, staging)
    await makeDirectories(files, markers)
    await probeLink(files, staging, markers, `probe-${context.uniqueName()}`)
  } catch (cause) {
    throw openFailure(directory, context.uid, cause)
  }
}

/**
 * Throws FILE_REFUSED when the folder cannot be made or written, as far as can be known without
 * writing.
 */
export async function checkStaging(directory: string, uid: string, files: Files): Promise<void> {
  for (const folder of [markerFolder(directory), stagingFolder(directory, uid)]) {
    try {
      await files.checkWritable(folder)
    } catch (cause) {
      throw openFailure(directory, uid, cause)
    }
  }
}

async function probeLink(files: Files, from: string, to: string, name: string): Promise<void> {
  const handle = await files.open(join(from, name), 'truncate')
  await handle.close()
  try {
    await files.link(join(from, name), join(to, name))
    await files.unlink(join(to, name))
  } finally {
    await files.unlink(join(from, name))
  }
}

function openFailure(directory: string, uid: string, cause: unknown): StreamError {
  const errno = errnoOf(cause)
  if (errno === 'EXDEV' || errno === 'EPERM' || errno === 'ENOTSUP') {
    const found = `files cannot be linked from "${stagingFolder(directory, uid)}" into "${directory}"`
    return new StreamError('OPTION_INVALID', found, {
      hint: 'Both have to be on one file system that knows hard links: use a folder below the mount point.',
      cause,
    })
  }
  const reason = messageOf(cause)
  return new StreamError(
    refusedOr('FILE_IO', cause),
    `the folder "${directory}" cannot be written: ${reason}`,
    { cause },
  )
}
