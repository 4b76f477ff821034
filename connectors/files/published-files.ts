import { join } from 'node:path'
import { errnoOf, readWholeFile } from '../../engine/index.ts'
import type { Files } from '../../engine/index.ts'

/** A file that a reader of a table sees. */
export interface PublishedFile {
  readonly path: string
  /** Below the table: '' for one that lies in it. */
  readonly folder: string
}

/**
 * The files of a table, in the order in which they were published. Names tell it: each ends in
 * `<subtask>-<checkpoint id>-<sequence>` (`WriterContext.uniqueName`). Foreign names come last.
 */
export async function publishedFiles(
  files: Files,
  directory: string,
  extension: string,
): Promise<readonly PublishedFile[]> {
  const found: { readonly file: PublishedFile; readonly place: readonly number[] }[] = []
  const look = async (folder: string): Promise<void> => {
    for (const name of await namesIn(files, join(directory, folder))) {
      // As readers do: what begins so is not part of a table.
      if (/^[._]/.test(name)) continue
      const path = join(directory, folder, name)
      if ((await files.stat(path)).isDirectory) await look(join(folder, name))
      else if (name.endsWith(extension)) {
        found.push({ file: { path, folder }, place: placeOf(name.slice(0, -extension.length)) })
      }
    }
  }
  await look('')
  found.sort((left, right) => compare(left.place, right.place))
  return found.map(({ file }) => file)
}

/** The lines of all files of a table that are not empty, as they stand there, behind their folder. */
export async function publishedLines(
  files: Files,
  directory: string,
  extension: string,
): Promise<readonly string[]> {
  const lines: string[] = []
  for (const { path, folder } of await publishedFiles(files, directory, extension)) {
    const text = new TextDecoder().decode(await readWholeFile(files, path))
    for (const line of text.split('\n')) {
      if (line !== '') lines.push(folder === '' ? line : `${folder} ${line}`)
    }
  }
  return lines
}

async function namesIn(files: Files, directory: string): Promise<readonly string[]> {
  try {
    return await files.list(directory)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
}

/** Checkpoint id, subtask, sequence. */
function placeOf(name: string): readonly number[] {
  const match = /-(\d+)-(\d+)-(\d+)$/.exec(name)
  if (match === null) return [Infinity]
  return [Number(match[2]), Number(match[1]), Number(match[3])]
}

function compare(left: readonly number[], right: readonly number[]): number {
  for (const [index, value] of left.entries()) {
    const other = right[index] ?? 0
    if (value !== other) return value < other ? -1 : 1
  }
  return 0
}
