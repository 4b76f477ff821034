import type {
  EnumeratorContext,
  Files,
  Logger,
  SourceSplit,
  SplitEnumerator,
} from '../../engine/index.ts'
import { findFiles } from './file-pattern.ts'
import type { FoundFile } from './file-pattern.ts'
import { changed, hashPrefix, identify, isGzip, isRange, verifyInfo } from './file-split.ts'
import type { FileSplit } from './file-split.ts'

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
  /** Paths whose prefix was compared in this life. */
  readonly #verified = new Set<string>()
  #warned = false

  constructor(options: FileSearch, context: EnumeratorContext) {
    this.#path = options.path
    this.#watch = options.watch
    this.#cuttable = options.cuttable
    this.#inOrder = options.inOrder
    this.#files = context.doors.files
    this.#logger = context.doors.logger
    this.#uid = context.uid
  }

  async discover(
    known: readonly SourceSplit[],
  ): Promise<{ splits: readonly SourceSplit[]; complete: boolean }> {
    const splits = [...known]
    const paths = new Set<string>()
    for (const { start } of known) paths.add((start as FileSplit).path)
    const found = await findFiles(this.#files, this.#path)
    await this.#verify(known, found)
    if (this.#watch || known.length === 0) {
      for (const file of found) {
        if (!paths.has(file.path)) splits.push(...(await this.#split(file)))
      }
    }
    if (splits.length === 0 && !this.#warned) {
      this.#warned = true
      this.#logger.warn({ uid: this.#uid, path: this.#path }, 'no file was found')
    }
    return { splits: splits.map((split) => this.#placed(split)), complete: !this.#watch }
  }

  close(): Promise<void> {
    return Promise.resolve()
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
      verifyInfo(split, info, this.#watch)
      if (this.#verified.has(split.path)) continue
      const hash = await hashPrefix(this.#files, split.path, split.prefixBytes)
      if (hash !== split.prefixHash) throw changed(split, 'has other content now')
      this.#verified.add(split.path)
    }
  }

  async #split({ name, path, info }: FoundFile): Promise<SourceSplit[]> {
    const identity = await identify(this.#files, path, info)
    this.#verified.add(path)
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
