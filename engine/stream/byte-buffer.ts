/**
 * Growing and reading a run of bytes: what the codecs of values and keys write to and read from.
 *
 * ```
 * count  := 7 bits a byte, low bits first, the top bit says that more follow    (0 .. 2^53 - 1)
 * signed := first byte: sign in bit 0, 6 bits of the magnitude in bits 1 .. 6, top bit: more
 *           follow, as in count. Sign and magnitude, so that -0 is kept.
 * text   := count (bytes)  UTF-8, lone surrogates as three bytes (text-bytes.ts)
 * block  := count (bytes)  bytes
 * ```
 */
import { assert } from '../base/assert.ts'
import { readText, textBytesMax, writeText } from './text-bytes.ts'

const FIRST_BYTES = 256
/** Bytes of a part that are copied without a view of them. */
const COPIED_SINGLY = 32

export class ByteWriter {
  bytes: Uint8Array
  length = 0
  #view: DataView | undefined

  constructor(bytes = FIRST_BYTES) {
    this.bytes = new Uint8Array(bytes)
  }

  clear(): void {
    this.length = 0
  }

  /** What was written, in memory of its own. */
  take(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }

  /** What was written, valid until the next write. */
  peek(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }

  /** Makes room for `more` bytes behind `length`. */
  reserve(more: number): void {
    const needed = this.length + more
    if (needed <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2))
    grown.set(this.bytes.subarray(0, this.length))
    this.bytes = grown
    this.#view = undefined
  }

  byte(value: number): void {
    if (this.length === this.bytes.length) this.reserve(1)
    this.bytes[this.length] = value
    this.length += 1
  }

  uint16(value: number): void {
    this.reserve(2)
    this.#viewed().setUint16(this.length, value)
    this.length += 2
  }

  uint32(value: number): void {
    this.reserve(4)
    this.#viewed().setUint32(this.length, value)
    this.length += 4
  }

  float64(value: number): void {
    this.reserve(8)
    this.#viewed().setFloat64(this.length, value)
    this.length += 8
  }

  int64(value: bigint): void {
    this.reserve(8)
    this.#viewed().setBigInt64(this.length, value)
    this.length += 8
  }

  count(value: number): void {
    let rest = value
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80)
      rest = rest > 0x7fff_ffff ? Math.floor(rest / 128) : rest >>> 7
    }
    this.byte(rest)
  }

  signed(value: number): void {
    const sign = value < 0 || (value === 0 && 1 / value < 0) ? 1 : 0
    const magnitude = sign === 1 ? -value : value
    const low = ((magnitude & 0x3f) << 1) | sign
    if (magnitude < 64) {
      this.byte(low)
    } else {
      this.byte(low | 0x80)
      this.count(magnitude > 0x7fff_ffff ? Math.floor(magnitude / 64) : magnitude >>> 6)
    }
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  block(bytes: Uint8Array): void {
    this.count(bytes.length)
    this.raw(bytes)
  }

  /** A part of `bytes` as a block. Few bytes are copied one by one: a view costs more. */
  part(bytes: Uint8Array, start: number, end: number): void {
    const size = end - start
    this.count(size)
    if (size > COPIED_SINGLY) {
      this.raw(bytes.subarray(start, end))
      return
    }
    this.reserve(size)
    for (let index = start; index < end; index += 1) {
      this.bytes[this.length] = bytes[index]!
      this.length += 1
    }
  }

  text(text: string): void {
    if (text.length < 0x80) {
      this.reserve(textBytesMax(text) + 2)
      const end = writeText(text, this.bytes, this.length + 1)
      const size = end - this.length - 1
      if (size < 0x80) {
        this.bytes[this.length] = size
        this.length = end
        return
      }
    }
    this.#longText(text)
  }

  #viewed(): DataView {
    return (this.#view ??= new DataView(this.bytes.buffer))
  }

  #longText(text: string): void {
    const encoded = new Uint8Array(textBytesMax(text))
    this.block(encoded.subarray(0, writeText(text, encoded, 0)))
  }
}

export class ByteReader {
  readonly bytes: Uint8Array
  position: number
  readonly end: number
  /** Made when first needed: most readers read a few small numbers and text. */
  #view: DataView | undefined

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes
    this.position = start
    this.end = end
  }

  get isAtEnd(): boolean {
    return this.position >= this.end
  }

  byte(): number {
    assert(this.position < this.end, 'encoded bytes end too early')
    return this.bytes[this.position++]!
  }

  uint16(): number {
    return this.#viewed().getUint16(this.#take(2))
  }

  uint32(): number {
    return this.#viewed().getUint32(this.#take(4))
  }

  float64(): number {
    return this.#viewed().getFloat64(this.#take(8))
  }

  int64(): bigint {
    return this.#viewed().getBigInt64(this.#take(8))
  }

  count(): number {
    return this.#more(0, 1)
  }

  signed(): number {
    const first = this.byte()
    const low = (first >> 1) & 0x3f
    const magnitude = first < 0x80 ? low : this.#more(low, 64)
    return (first & 1) === 1 ? -magnitude : magnitude
  }

  /** Steps over the next `length` bytes; returns where they begin. */
  skip(length: number): number {
    return this.#take(length)
  }

  /** A view of the next `length` bytes. */
  raw(length: number): Uint8Array {
    const start = this.#take(length)
    return this.bytes.subarray(start, start + length)
  }

  /** A view. */
  block(): Uint8Array {
    return this.raw(this.count())
  }

  text(): string {
    const length = this.count()
    const start = this.#take(length)
    return readText(this.bytes, start, start + length)
  }

  #viewed(): DataView {
    const { buffer, byteOffset, byteLength } = this.bytes
    return (this.#view ??= new DataView(buffer, byteOffset, byteLength))
  }

  #more(low: number, scale: number): number {
    let value = low
    let unit = scale
    for (;;) {
      const next = this.byte()
      value += (next & 0x7f) * unit
      if (next < 0x80) return value
      unit *= 128
    }
  }

  #take(length: number): number {
    const start = this.position
    assert(length <= this.end - start, 'encoded bytes end too early')
    this.position = start + length
    return start
  }
}
