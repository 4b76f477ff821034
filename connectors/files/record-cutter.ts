import { StreamError } from '../../engine/index.ts'

const LINE_FEED = 10
const CARRIAGE_RETURN = 13
const QUOTE = 34
/** A record without an end up to here is taken for a mistake, not for a record. */
export const RECORD_BYTES_MAX = 64 * 1_024 * 1_024

/**
 * Cuts bytes that arrive in blocks into records at their line breaks.
 *
 * R1. `bytes[from, to)` has arrived and was not cut off yet.
 * R2. After `cut` returned true the record is `bytes[start, end)`, without its line break, and
 *     `from` stands behind it.
 */
export class RecordCutter {
  bytes: Uint8Array = new Uint8Array(0)
  from = 0
  start = 0
  end = 0
  /** Line breaks in the record that was cut last, its own included. */
  lines = 0
  /** The record that was cut last ends with the input, without a line break. */
  isUnended = false
  readonly #quoted: boolean
  #view: Buffer = Buffer.alloc(0)
  /** How far the search for the next line break has come, and what it has seen. */
  #searched = 0
  #inQuotes = false
  #linesSeen = 0

  constructor(quoted: boolean) {
    this.#quoted = quoted
  }

  /** Bytes that have arrived and belong to no record yet. */
  get rest(): number {
    return this.bytes.length - this.from
  }

  append(block: Uint8Array): void {
    const rest = this.rest
    if (rest === 0) this.bytes = block
    else {
      const joined = new Uint8Array(rest + block.length)
      joined.set(this.bytes.subarray(this.from))
      joined.set(block, rest)
      this.bytes = joined
    }
    this.#searched -= this.from
    this.from = 0
    if (rest === 0) this.#searched = 0
    this.#view = Buffer.from(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length)
    if (this.bytes.length > RECORD_BYTES_MAX && rest > RECORD_BYTES_MAX / 2) throw endless()
  }

  /** Drops `count` bytes that are no part of a record. */
  skip(count: number): void {
    this.from += count
    this.#searched = Math.max(this.#searched, this.from)
  }

  /** Cuts off the next record. `last`: nothing follows, so that the rest is a record too. */
  cut(last: boolean): boolean {
    const lineBreak = this.#quoted ? this.#findOutsideQuotes() : this.#find()
    if (lineBreak < 0) {
      if (!last || this.rest === 0) return false
      return this.#finish(this.bytes.length, this.bytes.length)
    }
    return this.#finish(lineBreak, lineBreak + 1)
  }

  /** Takes the record that was cut last back, so that it is cut again. */
  restore(): void {
    this.from = this.start
    this.#searched = this.start
  }

  #finish(end: number, next: number): boolean {
    this.start = this.from
    this.isUnended = end === next
    this.end = end > this.from && this.bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end
    this.lines = this.#linesSeen + 1
    this.#linesSeen = 0
    this.#inQuotes = false
    this.from = next
    this.#searched = next
    return true
  }

  #find(): number {
    const found = this.#view.indexOf(LINE_FEED, this.#searched)
    if (found < 0) this.#searched = this.bytes.length
    return found
  }

  #findOutsideQuotes(): number {
    const { bytes } = this
    let inQuotes = this.#inQuotes
    for (let at = this.#searched; at < bytes.length; at += 1) {
      const byte = bytes[at]!
      // A doubled quote closes and opens again.
      if (byte === QUOTE) inQuotes = !inQuotes
      else if (byte === LINE_FEED) {
        if (!inQuotes) return at
        this.#linesSeen += 1
      }
    }
    this.#inQuotes = inQuotes
    this.#searched = bytes.length
    return -1
  }
}

function endless(): StreamError {
  const found = `a record is longer than ${RECORD_BYTES_MAX / 2} bytes`
  return new StreamError('RECORD_MALFORMED', found, {
    hint: 'Records end with a line break; look for a missing one, or for a quote that is not closed.',
  })
}
