import type { Logger } from '../base/logger.ts'
import type { DeadLetter, MalformedRecord } from '../operator/source.ts'
import { RecordBatch } from '../stream/record-batch.ts'

/** The source that passes records over. */
export interface MalformedSource {
  readonly uid: string
  readonly subtask: number
  readonly logger: Logger
  /** Whether its dead letters are read. */
  readonly keeps: boolean
}

/**
 * The records that one subtask of a source could not decode: counts and logs them, and keeps them
 * as dead letters where somebody reads those.
 */
export class DeadLetters {
  readonly #source: MalformedSource
  #letters: DeadLetter[] = []
  #splits: number[] = []
  count = 0

  constructor(source: MalformedSource) {
    this.#source = source
  }

  add({ split, offset, error, bytes }: MalformedRecord, splitId: string): void {
    this.count += 1
    this.#log(error.code, error.message, splitId, offset)
    const { uid: source, keeps } = this.#source
    if (!keeps) return
    const { code, message } = error
    const letter = { source, split: splitId, offset, code, error: message, bytes: bytes.slice() }
    this.#letters.push(letter)
    this.#splits.push(split)
  }

  /** What was added since the last call, as records; undefined: nothing. */
  take(): RecordBatch | undefined {
    const letters = this.#letters
    if (letters.length === 0) return undefined
    const splits = Int32Array.from(this.#splits)
    const offsets = Float64Array.from(letters, ({ offset }) => offset)
    this.#letters = []
    this.#splits = []
    const times = undefined
    return new RecordBatch(letters.length, letters, undefined, times, undefined, splits, offsets)
  }

  /** The first, second, fourth, eighth …: an input full of them does not fill the log. */
  #log(code: string, reason: string, split: string, offset: number): void {
    if ((this.count & (this.count - 1)) !== 0) return
    const { uid: operator, subtask, logger, keeps } = this.#source
    const what = keeps
      ? 'a malformed record becomes a dead letter'
      : 'a malformed record is skipped'
    logger.warn({ operator, subtask, split, offset, code, reason, malformed: this.count }, what)
  }
}
