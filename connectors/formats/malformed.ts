import { ON_MALFORMED, StreamError } from '../../engine/index.ts'
import type { OnMalformed } from '../../engine/index.ts'

const RECORD_CHARACTERS_MAX = 60
/** Of UTF-8 a character takes up to four bytes. */
const RECORD_BYTES_MAX = RECORD_CHARACTERS_MAX * 4

/** The start of a record as it was read, for messages: one line, whatever the bytes are. */
export function recordStart(bytes: Uint8Array, start: number, end: number): string {
  const head = bytes.subarray(start, Math.min(end, start + RECORD_BYTES_MAX + 1))
  const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString()
  const cut = text.slice(0, RECORD_CHARACTERS_MAX)
  const shown = cut.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd')
  return head.length < end - start || cut.length < text.length ? `${shown}…` : shown
}

/** The option of a source, checked. */
export function onMalformedOf(owner: string, given: OnMalformed | undefined): OnMalformed {
  const value = given ?? 'fail'
  if (ON_MALFORMED.includes(value)) return value
  const found = JSON.stringify(value)
  throw new StreamError('OPTION_INVALID', `${owner}: onMalformed is ${found}`, {
    hint: "Give 'fail', 'skip' or 'dead-letter'.",
  })
}
