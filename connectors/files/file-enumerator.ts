import { errnoOf, StreamError } from '../../engine/index.ts'
import type {
  EnumeratorContext,
  Files,
  Logger,
  SourceSplit,
  SplitEnumerator,
} from '../../engine/index.ts'
import { findFiles, OwnFiles } from './file-pattern.ts'
import type { FoundFile } from './file-pattern.ts'
import { identify, isGzip, isRange, verifyInfo, verifyPrefix } from './file-split.ts'
import type { FileSplit } from './file-split.ts'
import { isSameFile, locate } from './locate.ts'

/** A large file of lines is read in ranges of this size, by several subtasks. */
export const RANGE_BYTES = 64 * 1_024 * 1_024
const RANGE_DIGITS = 15
const WATCH_INTERVAL_MS = 1_000

export interface FileSearch {
  readonly path: string
  readonly watch: boolean
  /** Whether a line's beginning can be found from anywhere in a file. */
  readonly cuttable: boolean
  readonly inOrder: boolean
}

/**
 * Finds the files of a source.
 *
 * E1. Bounded: the files are those of the first search, also after a restart.
 * E2. A file that was found once stays a split, and is checked against what it was.
 * E3. The ranges of a file follow each other; with `inOrder` all files do, by name.
 * E4. When watched, a file is read once, also under another name: it is known by inode and prefix.
 * E5. A file that the job itself has written is no input, whatever way leads to it.
 */
export class FileEnumerator implements SplitEnumerator {
  readonly discoveryIntervalMs = WATCH_INTERVAL_MS
  readonly #path: string
  readonly #watch: boolean
  readonly #cuttable: boolean
  readonly #inOrder: boolean
  readonly #files: Files
  readonly #logger: Logger
  readonly #uid: string
  readonly #own: OwnFiles
  /** Sizes of the files, by path, at which their prefix was compared in this life. */
  readonly #verified = new Map<string, number>()
  /** Files under another name, as `path inode size`: the prefix was compared. */
  readonly #renamed = new Set<string>()
  #warned = false

  constructor(options: FileSearch, context: EnumeratorContext) {
    this.#path = options.path
    this.#watch = options.watch
    this.#cuttable = options.cuttable
    this.#inOrder = options.inOrder
    this.#files = context.doors.files
    this.#logger = context.doors.logger
    this.#uid = context.uid
    this.#own = new OwnFiles(context.doors.files, context.own ?? [])
  }

  async discover(
    known: readonly SourceSplit[],
  ): Promise<{ splits: readonly SourceSplit[]; complete: boolean }> {
    const splits = [...known]
    // Files that were found once may have been read and removed.
    const found = await findFiles(this.#files, this.#path, this.#watch || known.length > 0)
    await this.#verify(known, found)
    if (this.#watch || known.length === 0) {
      const ids = new Set(known.map(({ id }) => id))
      for (const file of found) {
        // An empty file has nothing yet that it could be known by.
        if (this.#watch && file.info.bytes === 0) continue
        if (this.#watch && (await this.#isKnown(splits, file))) continue
        await this.#refuseOwn(file)
        splits.push(...(await this.#split(file, freeName(file, ids))))
      }
    }
    if (splits.length === 0 && !this.#warned) {
      this.#warned = true
      const fields = { uid: this.#uid, path: this.#path }
      this.#logger.warn(fields, this.#watch ? 'no file was found yet' : noFile(this.#path))
    }
    return { splits: splits.map((split) => this.#placed(split)), complete: !this.#watch }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** E5. */
  async #refuseOwn({ path }: FoundFile): Promise<void> {
    const own = await this.#own.find(path)
    if (own === undefined) return
    const message = `the source "${this.#uid}" finds a file of ${own.what}: "${path}"`
    throw new StreamError('OPTION_INVALID', message, {
      hint: 'Give input and output a folder each, and no link from one to the other.',
    })
  }

  /** E3. */
  #placed({ id, start }: SourceSplit): SourceSplit {
    const split = start as FileSplit
    if (!this.#inOrder && !isRange(split)) return { id, start }
    const name = isRange(split) ? id.slice(0, id.lastIndexOf('#')) : id
    const place = `${name}\0${String(split.from).padStart(RANGE_DIGITS, '0')}`
    return { id, start, sequence: { name: this.#inOrder ? 'files' : `file ${name}`, place } }
  }

  /** A file that is gone is no error here: it may have been read. The reader knows. */
  async #verify(known: readonly SourceSplit[], found: readonly FoundFile[]): Promise<void> {
    const infos = new Map(found.map(({ path, info }) => [path, info]))
    for (const { start } of known) {
      const split = start as FileSplit
      const info = infos.get(split.path)
      if (info === undefined) continue
      if (info.inode !== split.inode && (await this.#wasRotated(known, split))) continue
      verifyInfo(split, info, this.#watch)
      if (this.#verified.get(split.path) === info.bytes) continue
      if (!(await isThere(verifyPrefix(this.#files, split, split.path)))) continue
      this.#verified.set(split.path, info.bytes)
    }
  }

  /** Another file stands at the path of a watched one, which has another name or was read before. */
  async #wasRotated(known: readonly SourceSplit[], split: FileSplit): Promise<boolean> {
    if (!this.#watch) return false
    // Splits are in the order in which they were found.
    const last = known.findLast(({ start }) => (start as FileSplit).path === split.path)
    return last?.start !== split || (await locate(this.#files, split, split.path)) !== undefined
  }

  /** E4. */
  async #isKnown(known: readonly SourceSplit[], { path, info }: FoundFile): Promise<boolean> {
    const mark = `${path} ${info.inode} ${info.bytes}`
    if (this.#renamed.has(mark)) return true
    for (const { start } of known) {
      const split = start as FileSplit
      // What is wrong with a file at its own path, `#verify` has said.
      const isAtPath = split.path === path && split.inode === info.inode
      if (isAtPath) return true
      if (!(await isSameFile(this.#files, split, path, info))) continue
      this.#renamed.add(mark)
      return true
    }
    return false
  }

  async #split({ path, info }: FoundFile, name: string): Promise<SourceSplit[]> {
    const identity = await identify(this.#files, path, info).catch(noneIfGone)
    if (identity === undefined) return []
    this.#verified.set(path, info.bytes)
    const { bytes } = identity
    if (this.#watch && !isGzip(path)) {
      return [{ id: name, start: { ...identity, from: 0, to: null } }]
    }
    if (!this.#cuttable || isGzip(path) || bytes <= RANGE_BYTES) {
      return [{ id: name, start: { ...identity, from: 0, to: bytes } }]
    }
    const ranges: SourceSplit[] = []
    for (let from = 0; from < bytes; from += RANGE_BYTES) {
      const to = Math.min(from + RANGE_BYTES, bytes)
      const id = `${name}#${String(from).padStart(RANGE_DIGITS, '0')}`
      ranges.push({ id, start: { ...identity, from, to } })
    }
    return ranges
  }
}

/** A bounded source that begins with an empty folder is at its end. */
export function noFile(path: string): string {
  return `no file is in the folder "${path}" (names with . or _ in front do not count): nothing is read`
}

/** An id that no split has: the name of a file may be that of one that was renamed since. */
function freeName({ name, info }: FoundFile, ids: Set<string>): string {
  const isTaken = (id: string): boolean =>
    ids.has(id) || ids.has(`${id}#${'0'.repeat(RANGE_DIGITS)}`)
  let free = name
  for (let count = 1; isTaken(free); count += 1) {
    free = `${name}@${info.inode}${count === 1 ? '' : `-${count}`}`
  }
  ids.add(free)
  return free
}

/** A file may be renamed or removed between the search and the look into it: the next one finds out. */
function noneIfGone(thrown: unknown): undefined {
  if (errnoOf(thrown) !== 'ENOENT') throw thrown
}

async function isThere(look: Promise<void>): Promise<boolean> {
  return (await look.then(() => true).catch(noneIfGone)) ?? false
}
