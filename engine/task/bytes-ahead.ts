/** In so many steps what was read ahead is forgotten again. */
const MARKS = 16

interface Mark {
  /** The watermark behind the last of these bytes. */
  ms: number
  bytes: number
}

/**
 * How many of the bytes that a subtask has read lie beyond a limit in event time that moves on.
 * Coarse: bytes are counted in marks of a part of the bound, and at most twice that many are kept.
 */
export class BytesAhead {
  readonly #markBytes: number
  readonly #marks: Mark[] = []
  #bytes = 0

  constructor(boundBytes: number) {
    this.#markBytes = boundBytes / MARKS
  }

  get bytes(): number {
    return this.#bytes
  }

  get marks(): number {
    return this.#marks.length
  }

  /** Bytes were read, with the watermark `ms` behind them, which lies beyond the limit. */
  add(ms: number, bytes: number): void {
    this.#bytes += bytes
    const last = this.#marks.at(-1)
    const isFull = last !== undefined && last.bytes >= this.#markBytes
    if (last === undefined || (isFull && this.#marks.length < 2 * MARKS)) {
      this.#marks.push({ ms, bytes })
      return
    }
    last.ms = Math.max(last.ms, ms)
    last.bytes += bytes
  }

  /** Forgets what the limit has passed. */
  passed(limitMs: number): void {
    let kept = 0
    for (const mark of this.#marks) {
      if (mark.ms <= limitMs) this.#bytes -= mark.bytes
      else this.#marks[kept++] = mark
    }
    this.#marks.length = kept
  }
}
