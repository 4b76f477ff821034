/**
 * Keys as bytes, as hashes, as primitives for a `Map`. Contract: `keys.ts`.
 *
 *     key    := 0                                   null
 *             | 1 | 2                               false, true
 *             | 3 int32 BE                          a number with an int32 value
 *             | 4 float64 BE                        any other number, one bit pattern for NaN
 *             | 5 sign: 0|1 length magnitude BE     bigint
 *             | 6 length text                       string, as in `text-bytes.ts`
 *             | 7 length bytes                      Uint8Array
 *             | 8 length key*                       array
 *             | 9 length (length text key)*         object, fields in order of their names
 *     length := LEB128, unsigned
 *
 * Each part says its own length, so no key's bytes are the beginning of another's.
 */
import type { Key } from './keys.ts'
import { assert } from '../base/assert.ts'
import { StreamError } from '../base/errors.ts'
import {
  addItem,
  endList,
  FALSE_HASH,
  hashBigInt,
  hashBytes,
  hashNumber,
  hashText,
  NULL_HASH,
  startList,
  startObject,
  TRUE_HASH,
} from './key-hash.ts'
import { invalidKey } from './key-selector.ts'
import { readText, textBytesMax, writeText } from './text-bytes.ts'

export { selectKey } from './key-selector.ts'

/** The canonical bytes of a key: equal exactly for equal keys (K1). */
export function encodeKey(key: unknown): Uint8Array {
  return new KeyWriter().encode(key)
}

/** The key whose canonical bytes these are. */
export function decodeKey(bytes: Uint8Array): Key {
  const reader = new KeyReader(bytes)
  const key = reader.key()
  assert(reader.atEnd, 'bytes follow a key')
  return key
}

/** The hash of a key (K2). */
export function keyHash(key: unknown): number {
  if (typeof key === 'number') return hashNumber(key)
  if (typeof key === 'string') return hashText(key)
  return hashOther(key)
}

/** A primitive that is the same Map key exactly for equal keys (K4). */
export function heapKey(key: unknown): string | number | bigint | boolean | null {
  if (typeof key === 'number') return key
  if (typeof key === 'string') return key.charCodeAt(0) === 0 ? `\u0000${key}` : key
  if (typeof key === 'bigint' || typeof key === 'boolean' || key === null) return key
  return `\u0000(${describeKey(key)}`
}

function hashOther(key: unknown): number {
  if (key === null) return NULL_HASH
  if (typeof key === 'number' || typeof key === 'string') return keyHash(key)
  if (typeof key === 'boolean') return key ? TRUE_HASH : FALSE_HASH
  if (typeof key === 'bigint') return hashBigInt(key)
  if (typeof key !== 'object') throw invalidKey('in part', key)
  if (key instanceof Uint8Array) return hashBytes(key)
  if (Array.isArray(key)) {
    let hash = startList()
    for (const item of key as readonly unknown[]) hash = addItem(hash, keyHash(item))
    return endList(hash, key.length)
  }
  const names = fieldsOf(key)
  let hash = startObject()
  for (const name of names) {
    hash = addItem(addItem(hash, hashText(name)), keyHash((key as Record<string, unknown>)[name]))
  }
  return endList(hash, names.length)
}

/** Own field names in order; refuses anything but a plain object. */
function fieldsOf(key: object): string[] {
  const prototype: unknown = Object.getPrototypeOf(key)
  if (prototype !== Object.prototype && prototype !== null) throw invalidKey('in part', key)
  return Object.keys(key).sort()
}

/** Text that tells keys apart: each part is followed by a mark or preceded by its length. */
function describeKey(key: unknown): string {
  switch (typeof key) {
    case 'number':
      return `d${key};`
    case 'string':
      return `s${key.length}:${key}`
    case 'bigint':
      return `b${key};`
    case 'boolean':
      return key ? 't' : 'f'
    case 'object':
      return key === null ? 'n' : describeObject(key)
    default:
      throw invalidKey('in part', key)
  }
}

function describeObject(key: object): string {
  if (key instanceof Uint8Array) return `u${key.length}:${Buffer.from(key).toString('latin1')}`
  if (Array.isArray(key)) {
    let text = `a${key.length}:`
    for (const item of key as readonly unknown[]) text += describeKey(item)
    return text
  }
  const names = fieldsOf(key)
  let text = `o${names.length}:`
  for (const name of names) {
    text += `${name.length}:${name}${describeKey((key as Record<string, unknown>)[name])}`
  }
  return text
}

class KeyWriter {
  #bytes = new Uint8Array(64)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  encode(key: unknown): Uint8Array {
    this.#key(key)
    return this.#bytes.slice(0, this.#length)
  }

  #key(key: unknown): void {
    switch (typeof key) {
      case 'number':
        return this.#number(key)
      case 'string':
        this.#tag(6)
        return this.#text(key)
      case 'boolean':
        return this.#tag(key ? 2 : 1)
      case 'bigint':
        return this.#bigint(key)
      case 'object':
        return key === null ? this.#tag(0) : this.#object(key)
      default:
        throw invalidKey('in part', key)
    }
  }

  #number(key: number): void {
    const isInt32 = (key | 0) === key
    this.#tag(isInt32 ? 3 : 4)
    const at = this.#reserve(8)
    if (isInt32) this.#view.setInt32(at, key)
    else this.#view.setFloat64(at, Number.isNaN(key) ? NaN : key)
    this.#length += isInt32 ? 4 : 8
  }

  #bigint(key: bigint): void {
    this.#tag(5)
    this.#tag(key < 0n ? 1 : 0)
    let digits = (key < 0n ? -key : key).toString(16)
    if (digits.length % 2 === 1) digits = `0${digits}`
    this.#raw(Buffer.from(digits, 'hex'))
  }

  #object(key: object): void {
    if (key instanceof Uint8Array) {
      this.#tag(7)
      return this.#raw(key)
    }
    if (Array.isArray(key)) {
      this.#tag(8)
      this.#size(key.length)
      for (const item of key as readonly unknown[]) this.#key(item)
      return
    }
    const names = fieldsOf(key)
    this.#tag(9)
    this.#size(names.length)
    for (const name of names) {
      this.#text(name)
      this.#key((key as Record<string, unknown>)[name])
    }
  }

  #text(text: string): void {
    const bytes = new Uint8Array(textBytesMax(text))
    this.#raw(bytes.subarray(0, writeText(text, bytes, 0)))
  }

  #raw(bytes: Uint8Array): void {
    this.#size(bytes.length)
    const at = this.#reserve(bytes.length)
    this.#bytes.set(bytes, at)
    this.#length += bytes.length
  }

  #tag(tag: number): void {
    const at = this.#reserve(1)
    this.#bytes[at] = tag
    this.#length += 1
  }

  #size(size: number): void {
    let rest = size
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#tag((rest & 0x7f) | 0x80)
    this.#tag(rest)
  }

  /** Makes room for `count` more bytes and returns where they go. */
  #reserve(count: number): number {
    const needed = this.#length + count
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(needed * 2)
      grown.set(this.#bytes)
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    return this.#length
  }
}

class KeyReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  key(): Key {
    const tag = this.#byte()
    switch (tag) {
      case 0:
        return null
      case 1:
        return false
      case 2:
        return true
      case 3:
        return this.#view.getInt32(this.#skip(4))
      case 4:
        return this.#view.getFloat64(this.#skip(8))
      case 5:
        return this.#bigint()
      case 6:
        return this.#text()
      case 7:
        return this.#raw().slice()
      case 8:
        return Array.from({ length: this.#size() }, () => this.key())
      case 9:
        return this.#object()
      default:
        throw new StreamError('ASSERTION_FAILED', `the bytes of a key hold the unknown tag ${tag}`)
    }
  }

  #bigint(): bigint {
    const isNegative = this.#byte() === 1
    const digits = Buffer.from(this.#raw()).toString('hex')
    const magnitude = BigInt(`0x${digits}`)
    return isNegative ? -magnitude : magnitude
  }

  #object(): Key {
    const fields: [string, Key][] = []
    for (let rest = this.#size(); rest > 0; rest -= 1) fields.push([this.#text(), this.key()])
    return Object.fromEntries(fields)
  }

  #text(): string {
    const bytes = this.#raw()
    return readText(bytes, 0, bytes.length)
  }

  #raw(): Uint8Array {
    const size = this.#size()
    const start = this.#skip(size)
    return this.#bytes.subarray(start, start + size)
  }

  #byte(): number {
    return this.#bytes[this.#skip(1)]!
  }

  #size(): number {
    let size = 0
    for (let unit = 1; ; unit *= 0x80) {
      const byte = this.#byte()
      size += (byte & 0x7f) * unit
      if (byte < 0x80) return size
    }
  }

  #skip(count: number): number {
    const start = this.#at
    this.#at += count
    assert(this.#at <= this.#bytes.length, 'the bytes of a key end early')
    return start
  }
}
