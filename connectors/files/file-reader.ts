import { asStreamError } from '../../engine/index.ts'
import type {
  AssignedSplit,
  OnMalformed,
  ReaderContext,
  SequencePlaces,
  SourceOutput,
  SourceReader,
  SplitPosition,
  Timer,
} from '../../engine/index.ts'
import type { FormatDefinition } from '../formats/format.ts'
import { FileCursor } from './file-cursor.ts'
import type { CursorHost } from './file-cursor.ts'
import { gunzip } from './gunzip.ts'

/** One file is read, and the next is opened ahead. */
const OPEN_MAX = 2
/** How often the ends of watched files are looked at. */
const GROWTH_INTERVAL_MS = 250

/**
 * Reads the files of one subtask, one after the other.
 *
 * A cursor is queued → open → finished; a watched one whose end was reached is parked instead, its
 * file closed, until the file has grown: then it is queued again.
 *
 * R1. Of files that follow each other a parked one rests when it was looked at once more after a
 *     later one was found: what was written to it before the later one was begun has been read.
 *     A parked file that was removed rests too.
 */
export class FileReader implements SourceReader {
  readonly #context: ReaderContext
  readonly #host: CursorHost
  readonly #cursors: FileCursor[] = []
  readonly #finished = new Set<FileCursor>()
  #queued: FileCursor[] = []
  /** Indices of all that are queued or open. */
  readonly #waiting = new Set<number>()
  #open: FileCursor[] = []
  #parked: FileCursor[] = []
  readonly #resting = new Set<FileCursor>()
  /** Whose rest has begun or ended since the last poll. */
  #turned: FileCursor[] = []
  #places: SequencePlaces = {}
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
      this.#queue(cursor)
    }
    this.#openNext()
  }

  sequencesGrew(places: SequencePlaces): void {
    this.#places = places
  }

  isQueued(index: number): boolean {
    return this.#waiting.has(index) && this.#open[0]?.index !== index
  }

  noMoreSplits(): void {
    this.#complete = true
  }

  poll(output: SourceOutput): 'more' | 'waiting' | 'finished' {
    for (const cursor of this.#turned.splice(0)) {
      output.restSplit?.(cursor.index, this.#resting.has(cursor))
    }
    const cursor = this.#open[0]
    if (cursor === undefined) {
      return this.#complete && this.#parked.length === 0 ? 'finished' : 'waiting'
    }
    this.#output = output
    const from = cursor.position.at
    const taken = cursor.take()
    if (taken === 'waiting') return 'waiting'
    if (taken === 'passed') return 'more'
    if (taken !== 'drained') {
      output.emit(taken, cursor.position.at - from)
      return 'more'
    }
    this.#open.shift()
    this.#waiting.delete(cursor.index)
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

  #queue(cursor: FileCursor): void {
    this.#queued.push(cursor)
    this.#waiting.add(cursor.index)
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
      const isFollowed = this.#isFollowed(cursor)
      const bytes = await this.#sizeOf(cursor)
      if (bytes === undefined || bytes <= cursor.position.at || bytes === cursor.sizeAtEnd) {
        if (isFollowed || bytes === undefined) this.#rest(cursor, true)
        continue
      }
      cursor.sizeAtEnd = bytes
      this.#parked = this.#parked.filter((other) => other !== cursor)
      this.#queue(cursor)
      this.#rest(cursor, false)
      this.#openNext()
      this.#context.kick()
    }
  }

  #isFollowed({ sequence }: FileCursor): boolean {
    return sequence !== undefined && sequence.place < (this.#places[sequence.name] ?? '')
  }

  /** R1. */
  #rest(cursor: FileCursor, resting: boolean): void {
    if (this.#resting.has(cursor) === resting) return
    if (resting) this.#resting.add(cursor)
    else this.#resting.delete(cursor)
    this.#turned.push(cursor)
    this.#context.kick()
  }

  /** Undefined: removed after its end had been read. */
  async #sizeOf(cursor: FileCursor): Promise<number | undefined> {
    try {
      return (await cursor.file.look(cursor.position.at))?.bytes
    } catch (thrown) {
      throw asStreamError(thrown, 'SOURCE_FAILED', { split: cursor.id })
    }
  }
}
