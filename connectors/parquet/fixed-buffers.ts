import { isTime, parseDay } from '../../engine/index.ts'
import type { SchemaData } from '../../engine/index.ts'
import { parseDecimal, parseShortDecimal } from '../formats/decimal.ts'
import { ColumnBuffer } from './column-buffer.ts'
import type { ColumnOwner } from './column-buffer.ts'

/** Columns whose values all have one size. */

export class Float64Buffer extends ColumnBuffer {
  #values = new Float64Array(0)

  append(value: unknown): void {
    if (typeof value !== 'number') this.appendNull(value)
    else if (this.count === this.capacity) this.grow()
    this.#values[this.count] = typeof value === 'number' ? value : 0
    this.count += 1
  }

  protected override resize(capacity: number): void {
    const longer = new Float64Array(capacity)
    longer.set(this.#values)
    this.#values = longer
  }

  protected override ownBytes(): number {
    return this.#values.byteLength
  }

  protected override parts() {
    return { values: this.#values.subarray(0, this.count), offsets: undefined, children: [] }
  }
}

/** int32, and date as days since 1970. */
export class Int32Buffer extends ColumnBuffer {
  #values = new Int32Array(0)
  readonly #isDate: boolean

  constructor(schema: SchemaData, nullable: boolean, owner: ColumnOwner) {
    super(schema, nullable, owner)
    this.#isDate = schema.kind === 'date'
  }

  append(value: unknown): void {
    let number: unknown = value
    if (this.#isDate && typeof value === 'string') number = parseDay(value)
    if (
      typeof number === 'number' &&
      (number | 0) === number &&
      this.#isDate === (number !== value)
    ) {
      if (this.count === this.capacity) this.grow()
      this.#values[this.count] = number
    } else {
      this.appendNull(value)
      this.#values[this.count] = 0
    }
    this.count += 1
  }

  protected override resize(capacity: number): void {
    const longer = new Int32Array(capacity)
    longer.set(this.#values)
    this.#values = longer
  }

  protected override ownBytes(): number {
    return this.#values.byteLength
  }

  protected override parts() {
    return { values: this.#values.subarray(0, this.count), offsets: undefined, children: [] }
  }
}

const TWO_32 = 2 ** 32

/** int64, and timestamp: numbers are stored as two halves, which makes no bigint. */
export class Int64Buffer extends ColumnBuffer {
  #values = new BigInt64Array(0)
  #halves = new Int32Array(0)
  readonly #isTime: boolean

  constructor(schema: SchemaData, nullable: boolean, owner: ColumnOwner) {
    super(schema, nullable, owner)
    this.#isTime = schema.kind === 'timestamp'
  }

  append(value: unknown): void {
    if (this.#isTime ? isTime(value) : Number.isSafeInteger(value)) {
      if (this.count === this.capacity) this.grow()
      const number = value as number
      this.#halves[this.count * 2] = number
      this.#halves[this.count * 2 + 1] = Math.floor(number / TWO_32)
    } else if (this.#fits(value)) {
      if (this.count === this.capacity) this.grow()
      this.#values[this.count] = value
    } else {
      this.appendNull(value)
      this.#values[this.count] = 0n
    }
    this.count += 1
  }

  #fits(value: unknown): value is bigint {
    return (
      typeof value === 'bigint' &&
      this.schema.kind === 'int64' &&
      BigInt.asIntN(64, value) === value
    )
  }

  protected override resize(capacity: number): void {
    const longer = new BigInt64Array(capacity)
    longer.set(this.#values)
    this.#values = longer
    this.#halves = new Int32Array(longer.buffer)
  }

  protected override ownBytes(): number {
    return this.#values.byteLength
  }

  protected override parts() {
    return { values: this.#values.subarray(0, this.count), offsets: undefined, children: [] }
  }
}

export class BoolBuffer extends ColumnBuffer {
  #bits = new Uint8Array(0)

  append(value: unknown): void {
    if (typeof value !== 'boolean') this.appendNull(value)
    else if (this.count === this.capacity) this.grow()
    const bit = 1 << (this.count & 7)
    if (value === true) this.#bits[this.count >> 3]! |= bit
    else this.#bits[this.count >> 3]! &= ~bit
    this.count += 1
  }

  protected override resize(capacity: number): void {
    const longer = new Uint8Array((capacity + 7) >> 3)
    longer.set(this.#bits)
    this.#bits = longer
  }

  protected override ownBytes(): number {
    return this.#bits.length
  }

  protected override parts() {
    const values = this.#bits.subarray(0, (this.count + 7) >> 3)
    return { values, offsets: undefined, children: [] }
  }
}

/** 128 bits each, little-endian, two's complement. */
export class DecimalBuffer extends ColumnBuffer {
  #words = new Uint32Array(0)
  readonly #precision: number
  readonly #scale: number

  constructor(
    schema: Extract<SchemaData, { kind: 'decimal' }>,
    nullable: boolean,
    owner: ColumnOwner,
  ) {
    super(schema, nullable, owner)
    this.#precision = schema.precision
    this.#scale = schema.scale
  }

  append(value: unknown): void {
    if (typeof value !== 'string') {
      this.appendNull(value)
      this.#words.fill(0, this.count * 4, this.count * 4 + 4)
    } else {
      const short = parseShortDecimal(value, this.#precision, this.#scale)
      if (short === short) this.#putNumber(short)
      else this.#putBigInt(parseDecimal(value, this.#precision, this.#scale), value)
    }
    this.count += 1
  }

  #putNumber(unscaled: number): void {
    if (this.count === this.capacity) this.grow()
    const at = this.count * 4
    const high = Math.floor(unscaled / TWO_32)
    this.#words[at] = unscaled
    this.#words[at + 1] = high
    this.#words[at + 2] = this.#words[at + 3] = unscaled < 0 ? -1 : 0
  }

  #putBigInt(unscaled: bigint | undefined, value: string): void {
    if (unscaled === undefined) throw this.refuse(value)
    if (this.count === this.capacity) this.grow()
    for (let word = 0; word < 4; word += 1) {
      this.#words[this.count * 4 + word] = Number((unscaled >> BigInt(word * 32)) & 0xffffffffn)
    }
  }

  protected override resize(capacity: number): void {
    const longer = new Uint32Array(capacity * 4)
    longer.set(this.#words)
    this.#words = longer
  }

  protected override ownBytes(): number {
    return this.#words.byteLength
  }

  protected override parts() {
    return { values: this.#words.subarray(0, this.count * 4), offsets: undefined, children: [] }
  }
}
