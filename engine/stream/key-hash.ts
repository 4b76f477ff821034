/**
 * Hashes of keys, 32 bits. Every way to a key gives the same hash: from the value, and from the
 * entry of a column (contract K2 of `keys.ts`).
 *
 * H1. A number with an int32 value (-0 too): the murmur3 finaliser of it.
 * H2. Any other number: of the two words of its double, one bit pattern for NaN.
 * H3. A string: murmur3 over its bytes (`text-bytes.ts`).
 * H4. null, booleans, bigints and bytes: murmur3 over a tag and their bytes.
 * H5. Arrays and objects fold the hashes of what they hold; fields go in order of their names.
 */
import { textBytesMax, writeText } from './text-bytes.ts'

const C1 = 0xcc9e2d51
const C2 = 0x1b873593

export const NULL_HASH = hashInt32(0x6e756c6c)
export const FALSE_HASH = hashInt32(0x66616c73)
export const TRUE_HASH = hashInt32(0x74727565)
const LIST_SEED = 0x6c697374
const OBJECT_SEED = 0x6f626a65
const BYTES_SEED = 0x62797465
const BIGINT_SEED = 0x62696769

/** The finaliser of murmur3 (A. Appleby): every bit of the input reaches all of the result. */
export function hashInt32(value: number): number {
  let hash = value | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

const double = new Float64Array(1)
const words = new Int32Array(double.buffer)

export function hashNumber(value: number): number {
  if ((value | 0) === value) return hashInt32(value)
  double[0] = Number.isNaN(value) ? NaN : value
  return finish(mix(mix(0, words[0]!), words[1]!), 8)
}

export function hashText(text: string): number {
  const length = text.length
  const whole = length & ~3
  let hash = 0
  let seen = 0
  let index = 0
  for (; index < whole; index += 4) {
    const a = text.charCodeAt(index)
    const b = text.charCodeAt(index + 1)
    const c = text.charCodeAt(index + 2)
    const d = text.charCodeAt(index + 3)
    seen |= a | b | c | d
    hash = mix(hash, a | (b << 8) | (c << 16) | (d << 24))
  }
  let tail = 0
  for (let shift = 0; index < length; index += 1, shift += 8) {
    const code = text.charCodeAt(index)
    seen |= code
    tail |= code << shift
  }
  if (seen >= 0x80) return hashWideText(text)
  return finish(hash ^ scramble(tail), length)
}

/** The hash of the text whose bytes are `bytes[start..end)`. */
export function hashTextBytes(bytes: Uint8Array, start: number, end: number): number {
  return hashRange(0, bytes, start, end)
}

export function hashBytes(bytes: Uint8Array): number {
  return hashRange(BYTES_SEED, bytes, 0, bytes.length)
}

/** The hash of the bytes `bytes[start..end)` as a key. */
export function hashBytesIn(bytes: Uint8Array, start: number, end: number): number {
  return hashRange(BYTES_SEED, bytes, start, end)
}

export function hashBigInt(value: bigint): number {
  let hash = value < 0n ? ~BIGINT_SEED : BIGINT_SEED
  let rest = value < 0n ? -value : value
  let count = 0
  for (; rest > 0n; rest >>= 32n, count += 4) hash = mix(hash, Number(BigInt.asIntN(32, rest)))
  return finish(hash, count)
}

/** Start, step and end of the hash of a list: `endList(addItem(addItem(startList(), a), b), 2)`. */
export function startList(): number {
  return LIST_SEED
}

export function startObject(): number {
  return OBJECT_SEED
}

export function addItem(hash: number, item: number): number {
  return mix(hash, item)
}

export function endList(hash: number, count: number): number {
  return finish(hash, count)
}

function scramble(word: number): number {
  const mixed = Math.imul(word, C1)
  return Math.imul((mixed << 15) | (mixed >>> 17), C2)
}

function mix(hash: number, word: number): number {
  const mixed = hash ^ scramble(word)
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}

function finish(hash: number, length: number): number {
  return hashInt32(hash ^ length)
}

function hashRange(seed: number, bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  const whole = start + (length & ~3)
  let hash = seed
  let at = start
  for (; at < whole; at += 4) {
    const word =
      bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    hash = mix(hash, word)
  }
  let tail = 0
  for (let shift = 0; at < end; at += 1, shift += 8) tail |= bytes[at]! << shift
  return finish(hash ^ scramble(tail), length)
}

const scratchOf = { bytes: new Uint8Array(1_024) }

function hashWideText(text: string): number {
  const needed = textBytesMax(text)
  if (scratchOf.bytes.length < needed) scratchOf.bytes = new Uint8Array(needed * 2)
  return hashRange(0, scratchOf.bytes, 0, writeText(text, scratchOf.bytes, 0))
}
