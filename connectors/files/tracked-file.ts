import { errnoOf, StreamError } from '../../engine/index.ts'
import type { FileHandle, FileInfo, Files } from '../../engine/index.ts'
import { changed, verifyInfo, verifyPrefix } from './file-split.ts'
import type { FileSplit } from './file-split.ts'
import { locate, statOrNone } from './locate.ts'

/** A file that is renamed again and again while it is opened is not waited for. */
const RENAMES_MAX = 5

/**
 * The file of a split, known by inode, length and prefix, wherever it is in its folder: it may be
 * renamed while it is read, or by a rotation while it is watched.
 */
export class TrackedFile {
  readonly #files: Files
  readonly #split: FileSplit
  /** Where it was seen last. */
  #path: string
  /** It is in its folder no more; nothing comes back under its inode. */
  #gone = false
  /** Its size when its prefix was compared last. */
  #comparedBytes = -1

  constructor(files: Files, split: FileSplit) {
    this.#files = files
    this.#split = split
    this.#path = split.path
  }

  /**
   * What is said of the file now; undefined when it is gone. `at`: up to where it has been read.
   * Throws SPLIT_CHANGED when it is no longer what was found.
   */
  async look(at: number): Promise<FileInfo | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#lookOnce(at)
      } catch (thrown) {
        // Renamed between two calls.
        if (errnoOf(thrown) !== 'ENOENT' || attempt === RENAMES_MAX) throw thrown
      }
    }
  }

  async #lookOnce(at: number): Promise<FileInfo | undefined> {
    const split = this.#split
    const found = this.#gone ? undefined : await locate(this.#files, split, this.#path)
    if (found === undefined) {
      this.#gone = true
      return undefined
    }
    const { path, info } = found
    verifyInfo(split, info, this.#isWatched)
    if (this.#isWatched && info.bytes < at) {
      throw changed(split, `has shrunk to ${info.bytes} bytes, of which ${at} have been read`)
    }
    if (info.bytes !== this.#comparedBytes) await verifyPrefix(this.#files, split, path)
    this.#comparedBytes = info.bytes
    this.#path = path
    return info
  }

  /** Undefined: a watched file is gone, and what was in it when it was found has been read. */
  async open(at: number): Promise<FileHandle | undefined> {
    const split = this.#split
    // It may be renamed between any two calls.
    for (let attempt = 1; (await this.look(at)) !== undefined; attempt += 1) {
      const handle = await this.#openHere(attempt === RENAMES_MAX)
      if (handle !== undefined) return handle
    }
    if (this.#isWatched && at >= split.bytes) return undefined
    throw await this.#lost()
  }

  /** Of a bounded file that was read to its end. */
  async verifyUnchanged(): Promise<void> {
    this.#comparedBytes = -1
    if ((await this.look(0)) === undefined) throw await this.#lost()
  }

  get #isWatched(): boolean {
    return this.#split.to === null
  }

  /** Undefined, unless this is the last attempt: the path leads to another file, or to none. */
  async #openHere(isLast: boolean): Promise<FileHandle | undefined> {
    let handle: FileHandle | undefined
    try {
      handle = await this.#files.open(this.#path, 'read')
      verifyInfo(this.#split, await this.#files.stat(this.#path), this.#isWatched)
      return handle
    } catch (thrown) {
      await handle?.close()
      const isMoved = errnoOf(thrown) === 'ENOENT' || thrown instanceof StreamError
      if (isMoved && !isLast) return undefined
      throw thrown
    }
  }

  async #lost(): Promise<StreamError> {
    const isReplaced = (await statOrNone(this.#files, this.#split.path)) !== undefined
    return changed(this.#split, isReplaced ? 'is another file now' : 'is gone')
  }
}
