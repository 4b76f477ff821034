import { decodeKey, encodeKey } from '../stream/key-codec.ts'
import type { Key } from '../stream/keys.ts'
import { bytesOfText, textOfBytes } from './cell.ts'

/** Longest text that `LEB128` needs one byte for. */
const SHORT = 0x7f

/**
 * The canonical bytes of a key, one a character. The two common kinds are written by hand, which is
 * ten times as fast; that they equal `encodeKey` is tested.
 */
export function keyText(key: unknown): string {
  if (typeof key === 'number' && (key | 0) === key) {
    return String.fromCharCode(3, key >>> 24, (key >> 16) & 0xff, (key >> 8) & 0xff, key & 0xff)
  }
  if (typeof key === 'string' && key.length <= SHORT && isAscii(key)) {
    return `${SHORT_TEXT[key.length]!}${key}`
  }
  return textOfBytes(encodeKey(key))
}

export function keyOfText(text: string): Key {
  if (text.charCodeAt(0) === 3) {
    const high = (text.charCodeAt(1) << 24) | (text.charCodeAt(2) << 16)
    return high | (text.charCodeAt(3) << 8) | text.charCodeAt(4)
  }
  return decodeKey(bytesOfText(text))
}

const SHORT_TEXT = Array.from(
  { length: SHORT + 1 },
  (_, length) => `\u0006${String.fromCharCode(length)}`,
)

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index += 1)
    if (text.charCodeAt(index) > 0x7f) return false
  return true
}
