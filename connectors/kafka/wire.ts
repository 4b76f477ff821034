/**
 * Kafka's wire types. A message of a flexible version has compact lengths (one more than the
 * length, as an unsigned varint; 0 is null) and a block of tagged fields after each structure;
 * an older one has fixed lengths and no tags. Both sides take the kind once and hide it.
 */
export class WireWriter {
  readonly #flexible: boolean
  #bytes = Buffer.allocUnsafe(512)
  #at = 0

  /** A flexible request also begins with the tagged fields of its header: none. */
  constructor(flexible: boolean) {
    this.#flexible = flexible
    this.tags()
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  int8(value: number): this {
    this.#reserve(1)
    this.#at = this.#bytes.writeInt8(value, this.#at)
    return this
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0)
  }

  int16(value: number): this {
    this.#reserve(2)
    this.#at = this.#bytes.writeInt16BE(value, this.#at)
    return this
  }

  int32(value: number): this {
    this.#reserve(4)
    this.#at = this.#bytes.writeInt32BE(value, this.#at)
    return this
  }

  int64(value: number): this {
    this.#reserve(8)
    this.#at = this.#bytes.writeBigInt64BE(BigInt(value), this.#at)
    return this
  }

  uuid(id: string): this {
    return this.raw(Buffer.from(id, 'base64url'))
  }

  string(value: string | null): this {
    if (value === null) {
      if (this.#flexible) this.#unsignedVarint(0)
      else this.int16(-1)
      return this
    }
    const encoded = Buffer.from(value, 'utf8')
    if (this.#flexible) this.#unsignedVarint(encoded.length + 1)
    else this.int16(encoded.length)
    return this.raw(encoded)
  }

  bytes(value: Uint8Array): this {
    if (this.#flexible) this.#unsignedVarint(value.length + 1)
    else this.int32(value.length)
    return this.raw(value)
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    if (this.#flexible) this.#unsignedVarint(items.length + 1)
    else this.int32(items.length)
    for (const item of items) write(item)
    return this
  }

  /** The tagged fields of a structure: none. Stands at the end of each one. */
  tags(): this {
    if (this.#flexible) this.#unsignedVarint(0)
    return this
  }

  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
    return this
  }

  #unsignedVarint(value: number): void {
    this.#reserve(5)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#bytes[this.#at++] = rest
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + more))
    this.#bytes.copy(grown, 0, 0, this.#at)
    this.#bytes = grown
  }
}

/** Reads a response; a read beyond its end throws a RangeError. */
export class WireReader {
  readonly #flexible: boolean
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array, flexible: boolean) {
    this.#flexible = flexible
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.tags()
  }

  int8(): number {
    const value = this.#bytes.readInt8(this.#at)
    this.#at += 1
    return value
  }

  boolean(): boolean {
    return this.int8() !== 0
  }

  int16(): number {
    const value = this.#bytes.readInt16BE(this.#at)
    this.#at += 2
    return value
  }

  int32(): number {
    const value = this.#bytes.readInt32BE(this.#at)
    this.#at += 4
    return value
  }

  int64(): number {
    const value = readInt64(this.#bytes, this.#at)
    this.#at += 8
    return value
  }

  uuid(): string {
    return this.#take(16).toString('base64url')
  }

  string(): string | null {
    const length = this.#flexible ? this.#unsignedVarint() - 1 : this.int16()
    return length < 0 ? null : this.#take(length).toString('utf8')
  }

  /** A view of the response, not a copy. Null reads as empty. */
  bytes(): Buffer {
    const length = this.#flexible ? this.#unsignedVarint() - 1 : this.int32()
    return this.#take(Math.max(length, 0))
  }

  array<T>(read: () => T): T[] {
    const count = this.#flexible ? this.#unsignedVarint() - 1 : this.int32()
    const items: T[] = []
    for (let index = 0; index < count; index += 1) items.push(read())
    return items
  }

  tags(): void {
    if (!this.#flexible) return
    const count = this.#unsignedVarint()
    for (let index = 0; index < count; index += 1) {
      this.#unsignedVarint()
      this.#take(this.#unsignedVarint())
    }
  }

  #take(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#bytes.length) throw new RangeError('the response ends inside a field')
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }

  #unsignedVarint(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < 5; count += 1) {
      const byte = this.#bytes.readUInt8(this.#at)
      this.#at += 1
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
    throw new RangeError('a varint of the response is longer than five bytes')
  }
}

/** Offsets, ids and times are far below 2^53, where a number is exact. */
export function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 4_294_967_296 + bytes.readUInt32BE(at + 4)
}
