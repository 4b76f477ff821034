import { isUtf8 } from 'node:buffer'
import { StreamError } from '../../engine/index.ts'

/** What stands in a text for bytes that were no UTF-8. */
const REPLACEMENT = '\ufffd'

/** Reads UTF-8 out of blocks of bytes; keeps its view of the last block, as most calls share one. */
export class TextReader {
  #block: Uint8Array | undefined
  #view: Buffer = Buffer.alloc(0)

  /** The text of `bytes[start, end)`. Throws RECORD_MALFORMED where that is no UTF-8. */
  read(bytes: Uint8Array, start: number, end: number): string {
    if (bytes !== this.#block) {
      this.#block = bytes
      this.#view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    }
    const text = this.#view.toString('utf8', start, end)
    if (text.includes(REPLACEMENT) && !isUtf8(bytes.subarray(start, end))) {
      throw new StreamError('RECORD_MALFORMED', 'the record is not UTF-8', {
        hint: 'Convert the input to UTF-8.',
      })
    }
    return text
  }
}
