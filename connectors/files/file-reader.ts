import { asStreamError, errnoOf } from '../../engine/index.ts'
import type {
  AssignedSplit,
  OnMalformed,
  ReaderContext,
  SourceOutput,
  SourceReader,
  SplitPosition,
  Timer,
} from '../../engine/index.ts'
import type { FormatDefinition } from '../formats/format.ts'
import { FileCursor } from './file-cursor.ts'
import type { CursorHost } from './file-cursor.ts'
import { gunzip } from './gunzip.ts'
import { changed, verifyInfo } from './file-split.ts'

/** One file is read, and the next is opened ahead. */
const OPEN_MAX = 2
/** How often the ends of watched files are looked at. */
const GROWTH_INTERVAL_MS = 250

/**
 * Reads the files of one subtask, one after the other.
 *
 * A cursor is queued → open → finished; a watched one whose end was reached is parked instead, its
 * file closed, until the file has grown: then it is queued again.
 */
export class FileReader implements SourceReader {
  readonly #context: ReaderContext
  readonly #host: CursorHost
  readonly #cursors: FileCursor[] = []
  readonly #finished = new Set<FileCursor>()
  #queued: FileCursor[] = []
  #open: FileCursor[] = []
  #parked: FileCursor[] = []
  #complete = false
  #timer: Timer | undefined
  #looking = false
  #closed = false
  /** Of the call of `poll` under way. */
  #output: SourceOutput | undefined

  constructor(format: FormatDefinition, onMalformed: OnMalformed, context: ReaderContext) {
    this.#context = context
    this.#host = {
      files: context.doors.files,
      gunzip: context.doors.gunzip ?? gunzip,
      format,
      batchRecords: context.batchRecords,
      kick: () => {
        context.kick()
      },
      fail: (error) => {
        context.fail(error)
      },
      malformed:
        onMalformed === 'fail'
          ? undefined
          : (record) => {
              this.#output!.malformed(record)
            },
    }
  }

  addSplits(splits: readonly AssignedSplit[]): void {
    for (const split of splits) {
      const cursor = new FileCursor(split, this.#host)
      this.#cursors.push(cursor)
      this.#queued.push(cursor)
    }
    this.#openNext()
  }

  noMoreSplits(): void {
    this.#complete = true
  }

  poll(output: SourceOutput): 'more' | 'waiting' | 'finished' {
    const cursor = this.#open[0]
    if (cursor === undefined) {
      return this.#complete && this.#parked.length === 0 ? 'finished' : 'waiting'
    }
    this.#output = output
    const taken = cursor.take()
    if (taken === 'waiting') return 'waiting'
    if (taken === 'passed') return 'more'
    if (taken !== 'drained') {
      output.emit(taken)
      return 'more'
    }
    this.#open.shift()
    cursor.stop().catch(this.#host.fail)
    if (cursor.watched) {
      this.#parked.push(cursor)
      this.#lookLater()
    } else {
      this.#finished.add(cursor)
      output.finishSplit(cursor.index)
    }
    this.#openNext()
    return 'more'
  }

  snapshot(): readonly SplitPosition[] {
    return this.#cursors.map((cursor) => ({
      id: cursor.id,
      position: cursor.position,
      finished: this.#finished.has(cursor),
    }))
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    // Also those that have been read to their end: their files may still be closing.
    await Promise.all(this.#cursors.map((cursor) => cursor.stop()))
  }

  #openNext(): void {
    while (this.#open.length < OPEN_MAX && this.#queued.length > 0) {
      const cursor = this.#queued.shift()!
      cursor.start()
      this.#open.push(cursor)
    }
  }

  #lookLater(): void {
    if (this.#timer !== undefined || this.#looking || this.#closed) return
    this.#timer = this.#context.doors.clock.timer(GROWTH_INTERVAL_MS, () => {
      this.#timer = undefined
      this.#looking = true
      this.#look()
        .catch(this.#host.fail)
        .finally(() => {
          this.#looking = false
          if (this.#parked.length > 0) this.#lookLater()
        })
    })
  }

  async #look(): Promise<void> {
    for (const cursor of [...this.#parked]) {
      const bytes = await this.#sizeOf(cursor)
      if (bytes <= cursor.position.at || bytes === cursor.sizeAtEnd) continue
      cursor.sizeAtEnd = bytes
      this.#parked = this.#parked.filter((other) => other !== cursor)
      this.#queued.push(cursor)
      this.#openNext()
      this.#context.kick()
    }
  }

  /** A file that was removed after its end had been read does not grow any more. */
  async #sizeOf(cursor: FileCursor): Promise<number> {
    try {
      const info = await this.#host.files.stat(cursor.split.path)
      verifyInfo(cursor.split, info, true)
      if (info.bytes < cursor.position.at) {
        throw changed(cursor.split, `has shrunk to ${info.bytes} bytes`)
      }
      return info.bytes
    } catch (thrown) {
      if (errnoOf(thrown) === 'ENOENT') return 0
      throw asStreamError(thrown, 'SOURCE_FAILED', { split: cursor.id })
    }
  }
}
