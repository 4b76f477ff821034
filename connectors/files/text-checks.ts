import { StreamError } from '../../engine/index.ts'
import type { RecordCutter } from './record-cutter.ts'

/** What tells that a file is no text in UTF-8 with lines: each is RECORD_MALFORMED. */

const CARRIAGE_RETURN = 13

export function refuseUtf16(first: number | undefined, second: number | undefined): void {
  const isMark = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)
  if (!isMark) return
  throw new StreamError('RECORD_MALFORMED', 'the file is in UTF-16, by its byte order mark', {
    hint: 'Convert it to UTF-8, as with: iconv -f UTF-16 -t UTF-8.',
  })
}

/** UTF-16 without a mark, binary data, and the hole that a writer leaves in a truncated log. */
export function refuseNul({ bytes, start, end }: RecordCutter): void {
  const at = bytes.subarray(start, end).indexOf(0)
  if (at < 0) return
  throw new StreamError('RECORD_MALFORMED', `byte ${at + 1} of the record is zero`, {
    hint: 'The file is no text in UTF-8: it may be compressed (only files in .gz are unpacked), in UTF-16, binary, or truncated while it was written.',
  })
}

/** What would be one endless record, or wait for its end for ever. */
export function refuseCarriageReturns(rest: Uint8Array): void {
  const at = rest.indexOf(CARRIAGE_RETURN)
  if (at < 0 || at >= rest.length - 1) return
  throw new StreamError('RECORD_MALFORMED', 'the file has carriage returns, and no line feed', {
    hint: "Lines end with a line feed here: convert the file, as with: tr '\\r' '\\n'.",
  })
}
