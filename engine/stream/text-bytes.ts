/**
 * Text as bytes: UTF-8, extended so that every JavaScript string survives.
 *
 * T1. A well-formed string is plain UTF-8.
 * T2. A lone surrogate, which UTF-8 has no bytes for, is written as the three bytes its code unit
 *     would have (`ED A0..BF xx`; known as WTF-8). Different strings have different bytes.
 */
import { Buffer } from 'node:buffer'

/** Below this length a loop over code units beats the call into the runtime. */
const LOOP_LENGTH_MAX = 32

/** Bytes that `text` needs at most. */
export function textBytesMax(text: string): number {
  return text.length * 3
}

/** Writes `text` at `at` and returns the end. There must be room for `textBytesMax`. */
export function writeText(text: string, into: Uint8Array, at: number): number {
  const length = text.length
  if (length > LOOP_LENGTH_MAX) return writeLongText(text, into, at)
  let end = at
  for (let index = 0; index < length; index += 1) {
    const code = text.charCodeAt(index)
    if (code >= 0x80) return writeUnits(text, into, at)
    into[end] = code
    end += 1
  }
  return end
}

/** The text of `bytes[start..end)`, the inverse of `writeText`. */
export function readText(bytes: Uint8Array, start: number, end: number): string {
  if (hasSurrogate(bytes, start, end)) return readUnits(bytes, start, end)
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8')
}

function writeLongText(text: string, into: Uint8Array, at: number): number {
  if (hasLoneSurrogate(text)) return writeUnits(text, into, at)
  const buffer = Buffer.from(into.buffer, into.byteOffset + at, into.byteLength - at)
  return at + buffer.write(text, 'utf8')
}

/** Whether UTF-8 has no bytes for some part of the text. */
export function hasLoneSurrogate(text: string): boolean {
  return !(text as string & { isWellFormed(): boolean }).isWellFormed()
}

function writeUnits(text: string, into: Uint8Array, at: number): number {
  let end = at
  for (let index = 0; index < text.length; index += 1) {
    const code = text.codePointAt(index)!
    if (code < 0x80) {
      into[end++] = code
    } else if (code < 0x800) {
      into[end++] = 0xc0 | (code >> 6)
      into[end++] = 0x80 | (code & 63)
    } else if (code < 0x10000) {
      into[end++] = 0xe0 | (code >> 12)
      into[end++] = 0x80 | ((code >> 6) & 63)
      into[end++] = 0x80 | (code & 63)
    } else {
      into[end++] = 0xf0 | (code >> 18)
      into[end++] = 0x80 | ((code >> 12) & 63)
      into[end++] = 0x80 | ((code >> 6) & 63)
      into[end++] = 0x80 | (code & 63)
      index += 1
    }
  }
  return end
}

/** In UTF-8 proper `ED` is never followed by a byte above `9F`. */
function hasSurrogate(bytes: Uint8Array, start: number, end: number): boolean {
  const text = bytes.subarray(start, end)
  for (let at = text.indexOf(0xed); at >= 0; at = text.indexOf(0xed, at + 1)) {
    if (at + 1 < text.length && text[at + 1]! >= 0xa0) return true
  }
  return false
}

function readUnits(bytes: Uint8Array, start: number, end: number): string {
  let text = ''
  for (let at = start; at < end;) {
    const first = bytes[at]!
    if (first < 0x80) {
      text += String.fromCharCode(first)
      at += 1
    } else if (first < 0xe0) {
      text += String.fromCharCode(((first & 31) << 6) | (bytes[at + 1]! & 63))
      at += 2
    } else if (first < 0xf0) {
      const low = ((bytes[at + 1]! & 63) << 6) | (bytes[at + 2]! & 63)
      text += String.fromCharCode(((first & 15) << 12) | low)
      at += 3
    } else {
      const high = ((first & 7) << 18) | ((bytes[at + 1]! & 63) << 12)
      text += String.fromCodePoint(high | ((bytes[at + 2]! & 63) << 6) | (bytes[at + 3]! & 63))
      at += 4
    }
  }
  return text
}
