import type { SchemaData } from '../../engine/index.ts'
import { parseDecimal, parseShortDecimal } from '../formats/decimal.ts'
import { parseDay } from '../formats/iso-time.ts'
import { unfit } from '../formats/unfit.ts'

/**
 * Columns that grow value by value, in Arrow's memory layout, and are emptied and filled again.
 *
 * B1. Every value is checked: one that does not fit throws VALUE_UNFIT and is not appended.
 * B2. `settle` is called after the last append of a batch: texts are encoded then, all at once.
 * B3. What `column` gives are views: they hold until the next append.
 */
export interface PlainColumn {
  readonly schema: SchemaData
  readonly nullable: boolean
  readonly count: number
  readonly nulls: number
  readonly validity: Uint8Array | undefined
  readonly values: FixedArray | Uint8Array | undefined
  readonly offsets: Int32Array | undefined
  readonly children: readonly PlainColumn[]
}

type FixedArray = Float64Array | Int32Array | BigInt64Array | Uint32Array

/** Whose column it is, for messages. */
export interface ColumnOwner {
  readonly field: string
  readonly sink: string
}

const ROWS_MIN = 16

export abstract class ColumnBuffer {
  readonly schema: SchemaData
  readonly nullable: boolean
  readonly owner: ColumnOwner
  count = 0
  nulls = 0
  #validity: Uint8Array | undefined
  protected capacity = 0

  constructor(schema: SchemaData, nullable: boolean, owner: ColumnOwner) {
    this.schema = schema
    this.nullable = nullable
    this.owner = owner
  }

  abstract append(value: unknown): void

  /** Heap bytes that are held, whether filled or not. */
  get bytes(): number {
    return (this.#validity?.length ?? 0) + this.ownBytes()
  }

  settle(): void {
    // Only texts have something to do.
  }

  clear(): void {
    this.count = 0
    this.nulls = 0
    this.#validity = undefined
  }

  column(): PlainColumn {
    const { schema, nullable, count, nulls } = this
    const validity = this.#validity?.subarray(0, (count + 7) >> 3)
    return { schema, nullable, count, nulls, validity, ...this.parts() }
  }

  protected abstract ownBytes(): number
  protected abstract parts(): Pick<PlainColumn, 'values' | 'offsets' | 'children'>
  protected abstract resize(capacity: number): void

  protected grow(): void {
    this.capacity = Math.max(ROWS_MIN, this.capacity * 2)
    this.resize(this.capacity)
    if (this.#validity === undefined) return
    const longer = new Uint8Array((this.capacity + 7) >> 3).fill(255)
    longer.set(this.#validity)
    this.#validity = longer
  }

  /** Counts a null, or throws. The subclass leaves some value in its place. */
  protected appendNull(value: unknown): void {
    if ((value !== null && value !== undefined) || !this.nullable) throw this.refuse(value)
    if (this.count === this.capacity) this.grow()
    this.#validity ??= new Uint8Array((this.capacity + 7) >> 3).fill(255)
    this.#validity[this.count >> 3]! &= ~(1 << (this.count & 7))
    this.nulls += 1
  }

  protected refuse(value: unknown): Error {
    const schema = this.nullable ? ({ kind: 'nullable', of: this.schema } as const) : this.schema
    return unfit(this.owner.field, schema, value, this.owner.sink)
  }
}

class Float64Buffer extends ColumnBuffer {
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
class Int32Buffer extends ColumnBuffer {
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
class Int64Buffer extends ColumnBuffer {
  #values = new BigInt64Array(0)
  #halves = new Int32Array(0)

  append(value: unknown): void {
    if (Number.isSafeInteger(value)) {
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

class BoolBuffer extends ColumnBuffer {
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
class DecimalBuffer extends ColumnBuffer {
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

/** Offsets, and one block of bytes behind them: what texts, bytes and lists begin with. */
abstract class VariableBuffer extends ColumnBuffer {
  protected offsets = new Int32Array(1)

  protected override resize(capacity: number): void {
    const longer = new Int32Array(capacity + 1)
    longer.set(this.offsets)
    this.offsets = longer
  }
}

abstract class BlockBuffer extends VariableBuffer {
  protected block = new Uint8Array(0)
  protected used = 0

  protected reserve(bytes: number): void {
    if (this.used + bytes <= this.block.length) return
    const longer = new Uint8Array(Math.max(256, this.block.length * 2, this.used + bytes))
    longer.set(this.block.subarray(0, this.used))
    this.block = longer
  }

  override clear(): void {
    super.clear()
    this.used = 0
  }

  protected override ownBytes(): number {
    return this.offsets.byteLength + this.block.length
  }

  protected override parts() {
    return {
      values: this.block.subarray(0, this.used),
      offsets: this.offsets.subarray(0, this.count + 1),
      children: [],
    }
  }
}

class BinaryBuffer extends BlockBuffer {
  append(value: unknown): void {
    if (value instanceof Uint8Array) {
      if (this.count === this.capacity) this.grow()
      this.reserve(value.length)
      this.block.set(value, this.used)
      this.used += value.length
    } else this.appendNull(value)
    this.count += 1
    this.offsets[this.count] = this.used
  }
}

const encoder = new TextEncoder()
const LONE_SURROGATE = /\p{Surrogate}/u

/**
 * Texts are gathered and encoded in one call a batch. When that gives a byte a character, the
 * lengths of the texts are those of their bytes; else each text is measured.
 */
class TextBuffer extends BlockBuffer {
  #text = ''
  #texts: string[] = []
  /** Texts before this one are encoded. */
  #settled = 0
  readonly #allowed: ReadonlySet<string> | undefined

  constructor(
    schema: Extract<SchemaData, { kind: 'utf8' }>,
    nullable: boolean,
    owner: ColumnOwner,
  ) {
    super(schema, nullable, owner)
    this.#allowed = schema.oneOf === undefined ? undefined : new Set(schema.oneOf)
  }

  append(value: unknown): void {
    if (typeof value === 'string') {
      if (this.#allowed?.has(value) === false) throw this.refuse(value)
      if (this.count === this.capacity) this.grow()
      this.#text += value
      this.#texts.push(value)
    } else {
      this.appendNull(value)
      this.#texts.push('')
    }
    this.count += 1
  }

  override settle(): void {
    const text = this.#text
    const texts = this.#texts
    if (texts.length === 0) return
    this.reserve(text.length * 3)
    const free = this.block.subarray(this.used)
    const { written } = encoder.encodeInto(text, free)
    const { offsets } = this
    let at = this.used
    if (written === text.length) {
      for (let index = 0; index < texts.length; index += 1) {
        at += texts[index]!.length
        offsets[this.#settled + index + 1] = at
      }
    } else {
      for (let index = 0; index < texts.length; index += 1) {
        const each = texts[index]!
        // A lone surrogate has no bytes, and would be replaced.
        if (LONE_SURROGATE.test(each)) throw this.refuse(each)
        at += Buffer.byteLength(each)
        offsets[this.#settled + index + 1] = at
      }
    }
    this.used = at
    this.#settled = this.count
    this.#text = ''
    this.#texts = []
  }

  override clear(): void {
    super.clear()
    this.#settled = 0
  }
}

class ListBuffer extends VariableBuffer {
  readonly #items: ColumnBuffer

  constructor(schema: SchemaData, nullable: boolean, owner: ColumnOwner, items: ColumnBuffer) {
    super(schema, nullable, owner)
    this.#items = items
  }

  append(value: unknown): void {
    if (Array.isArray(value)) {
      if (this.count === this.capacity) this.grow()
      for (const item of value as readonly unknown[]) this.#items.append(item)
    } else this.appendNull(value)
    this.count += 1
    this.offsets[this.count] = this.#items.count
  }

  override settle(): void {
    this.#items.settle()
  }

  override clear(): void {
    super.clear()
    this.#items.clear()
  }

  protected override ownBytes(): number {
    return this.offsets.byteLength + this.#items.bytes
  }

  protected override parts() {
    const offsets = this.offsets.subarray(0, this.count + 1)
    return { values: undefined, offsets, children: [this.#items.column()] }
  }
}

class StructBuffer extends ColumnBuffer {
  readonly #names: readonly string[]
  readonly #fields: readonly ColumnBuffer[]

  constructor(
    schema: Extract<SchemaData, { kind: 'struct' }>,
    nullable: boolean,
    owner: ColumnOwner,
    fields: readonly ColumnBuffer[],
  ) {
    super(schema, nullable, owner)
    this.#names = schema.fields.map((field) => field.name)
    this.#fields = fields
  }

  append(value: unknown): void {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      if (this.count === this.capacity) this.grow()
      const record = value as Readonly<Record<string, unknown>>
      for (let index = 0; index < this.#fields.length; index += 1) {
        const name = this.#names[index]!
        this.#fields[index]!.append(Object.hasOwn(record, name) ? record[name] : undefined)
      }
    } else {
      this.appendNull(value)
      for (const field of this.#fields) appendFiller(field)
    }
    this.count += 1
  }

  /** What stands in the fields where the whole struct is null. */
  appendFiller(): void {
    if (this.nullable) this.append(null)
    else {
      if (this.count === this.capacity) this.grow()
      for (const field of this.#fields) appendFiller(field)
      this.count += 1
    }
  }

  override settle(): void {
    for (const field of this.#fields) field.settle()
  }

  override clear(): void {
    super.clear()
    for (const field of this.#fields) field.clear()
  }

  protected override resize(): void {
    // The fields hold the values.
  }

  protected override ownBytes(): number {
    return this.#fields.reduce((sum, field) => sum + field.bytes, 0)
  }

  protected override parts() {
    const children = this.#fields.map((field) => field.column())
    return { values: undefined, offsets: undefined, children }
  }
}

function appendFiller(buffer: ColumnBuffer): void {
  if (buffer.nullable) buffer.append(null)
  else if (buffer instanceof StructBuffer) buffer.appendFiller()
  else buffer.append(fillerOf(buffer.schema))
}

function fillerOf(schema: SchemaData): unknown {
  switch (schema.kind) {
    case 'utf8':
      return schema.oneOf?.[0] ?? ''
    case 'bool':
      return false
    case 'binary':
      return new Uint8Array(0)
    case 'date':
      return '1970-01-01'
    case 'decimal':
      return '0'
    case 'list':
      return []
    default:
      return 0
  }
}

/** The buffer for a column of `schema`, which parquetSink has found fit for one. */
export function columnBuffer(
  schema: SchemaData,
  owner: ColumnOwner,
  nullable = false,
): ColumnBuffer {
  switch (schema.kind) {
    case 'nullable':
      return columnBuffer(schema.of, owner, true)
    case 'utf8':
      return new TextBuffer(schema, nullable, owner)
    case 'int32':
    case 'date':
      return new Int32Buffer(schema, nullable, owner)
    case 'int64':
    case 'timestamp':
      return new Int64Buffer(schema, nullable, owner)
    case 'float64':
      return new Float64Buffer(schema, nullable, owner)
    case 'bool':
      return new BoolBuffer(schema, nullable, owner)
    case 'binary':
    case 'packed':
      return new BinaryBuffer(schema, nullable, owner)
    case 'decimal':
      return new DecimalBuffer(schema, nullable, owner)
    case 'list': {
      const item = columnBuffer(schema.item, { ...owner, field: `${owner.field}[]` })
      return new ListBuffer(schema, nullable, owner, item)
    }
    case 'struct': {
      const fields = schema.fields.map((field) =>
        columnBuffer(field.schema, { ...owner, field: `${owner.field}.${field.name}` }),
      )
      return new StructBuffer(schema, nullable, owner, fields)
    }
  }
}
