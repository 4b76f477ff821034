import { createHash } from 'node:crypto'
import { StreamError } from '../../engine/index.ts'
import type { FileInfo, Files } from '../../engine/index.ts'

/** A file, or a range of one, and what the file looked like when it was found. */
export type FileSplit = {
  readonly path: string
  readonly inode: number
  /** Size when found. A watched file may have grown since. */
  readonly bytes: number
  /** SHA-256 of the first `prefixBytes` bytes. */
  readonly prefixBytes: number
  readonly prefixHash: string
  /** The split holds the records that begin in [from, to); `to` is null for a watched file. */
  readonly from: number
  readonly to: number | null
}

/** Where the next record begins. */
export type FilePosition = {
  /** Byte offset; of a compressed file, in what comes out of it. */
  readonly at: number
  /** Line breaks before it, counted from the split's beginning. */
  readonly line: number
  /** The file's first record, where it names the columns and has been read. */
  readonly header?: string
}

const PREFIX_BYTES = 1_024

/** Whether the split is a part of its file, in which nobody counts lines. */
export function isRange({ from, to, bytes }: FileSplit): boolean {
  return from > 0 || (to !== null && to < bytes)
}

export function isGzip(path: string): boolean {
  return path.endsWith('.gz')
}

export async function hashPrefix(files: Files, path: string, bytes: number): Promise<string> {
  const handle = await files.open(path, 'read')
  try {
    return createHash('sha256')
      .update(await handle.read(0, bytes))
      .digest('hex')
  } finally {
    await handle.close()
  }
}

/** The identity of a file as it is now. */
export async function identify(
  files: Files,
  path: string,
  info: FileInfo,
): Promise<Omit<FileSplit, 'from' | 'to'>> {
  if (info.bytes === 0) await refuseSizeless(files, path)
  const prefixBytes = Math.min(PREFIX_BYTES, info.bytes)
  const prefixHash = await hashPrefix(files, path, prefixBytes)
  return { path, inode: info.inode, bytes: info.bytes, prefixBytes, prefixHash }
}

/** Files of /proc and the like hold data and say that they hold none. */
async function refuseSizeless(files: Files, path: string): Promise<void> {
  const handle = await files.open(path, 'read')
  try {
    const isSizeless = (await handle.size()) === 0 && (await handle.read(0, 1)).length > 0
    if (!isSizeless) return
  } finally {
    await handle.close()
  }
  throw new StreamError('OPTION_INVALID', `"${path}" has data, but says that it is empty`, {
    hint: 'The system makes its content when it is read: copy it to a file, and read that.',
  })
}

/** Throws SPLIT_CHANGED when the file at hand is not the one that was found. */
export function verifyInfo(split: FileSplit, info: FileInfo, mayGrow: boolean): void {
  if (info.inode !== split.inode) throw changed(split, 'is another file now')
  if (info.bytes < split.bytes) {
    throw changed(split, `has shrunk from ${split.bytes} to ${info.bytes} bytes`)
  }
  if (info.bytes > split.bytes && !(mayGrow && !isGzip(split.path))) {
    throw changed(split, `has grown from ${split.bytes} to ${info.bytes} bytes`)
  }
}

/** Throws SPLIT_CHANGED when the file at `path` does not begin as it did when it was found. */
export async function verifyPrefix(files: Files, split: FileSplit, path: string): Promise<void> {
  const hash = await hashPrefix(files, path, split.prefixBytes)
  if (hash !== split.prefixHash) throw changed(split, 'has other content now')
}

export function changed(split: FileSplit, what: string): StreamError {
  return new StreamError('SPLIT_CHANGED', `the file "${split.path}" ${what}`, {
    hint: 'Restore the file as it was, or start over with --fresh. Files may only grow, and only where fileSource has watch: true.',
  })
}
