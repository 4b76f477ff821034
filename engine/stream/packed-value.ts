/**
 * Any plain value as bytes and back, exactly: what schema `packed` means.
 *
 * ```
 * packed := 0 msgpack | 1 exact
 * exact  := UNDEFINED | NULL | FALSE | TRUE | HOLE | INTEGER signed | DOUBLE float64 | TEXT text
 *         | BIGINT sign (0 | 1) block (magnitude, low byte first)
 *         | ARRAY count exact* | OBJECT count (text exact)* | MAP count (exact exact)*
 *         | SET count exact* | DATE float64 | BINARY constructor (byte) block
 * ```
 *
 * Plain arrays and objects go through msgpackr, without shared structures, so that every value
 * stands alone. It alone would turn -0 into 0, rename a field `__proto__`, lose lone surrogates and
 * refuse large bigints; a value that holds anything beyond its safe ground, and every scalar,
 * takes the exact form. What no bytes can hold (functions, symbols, instances of classes, cycles)
 * is refused with VALUE_UNFIT. Two references to one object become two objects.
 */
import { Packr, RESET_BUFFER_MODE } from 'msgpackr'
import { StreamError } from '../base/errors.ts'
import { ByteReader, ByteWriter } from './byte-buffer.ts'
import { hasLoneSurrogate } from './text-bytes.ts'

const MSGPACK = 0
const EXACT = 1

const UNDEFINED = 0
const NULL = 1
const FALSE = 2
const TRUE = 3
const INTEGER = 4
const DOUBLE = 5
const BIGINT = 6
const TEXT = 7
const ARRAY = 8
const OBJECT = 9
const MAP = 10
const SET = 11
const DATE = 12
const BINARY = 13
const HOLE = 14

/** Order is part of the format: only append. */
const BINARIES = [
  Uint8Array,
  Buffer,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  ArrayBuffer,
  DataView,
] as const

/** Deeper is taken for a cycle. */
const DEPTH_MAX = 500

const packr = new Packr({ useRecords: false, moreTypes: true, copyBuffers: true, useToJSON: false })
const scratch = new ByteWriter(4_096)

/** Throws VALUE_UNFIT for what no bytes can hold. */
export function packValue(value: unknown): Uint8Array {
  scratch.clear()
  writePacked(scratch, value)
  return scratch.take()
}

/** `bytes` is not kept: nothing in the value is a view of it. */
export function unpackValue(bytes: Uint8Array): unknown {
  return readPacked(new ByteReader(bytes))
}

/** Appends what `packValue` gives, without a length. */
export function writePacked(writer: ByteWriter, value: unknown): void {
  if (typeof value === 'object' && value !== null && isSafe(value, 0)) {
    writer.byte(MSGPACK)
    writer.raw(packr.pack(value, RESET_BUFFER_MODE)) // Copied: its buffer is used again.
  } else {
    writer.byte(EXACT)
    writeExact(writer, value, 0)
  }
}

/** Reads a packed value that ends with the reader. */
export function readPacked(reader: ByteReader): unknown {
  if (reader.byte() === EXACT) return readExact(reader)
  const bytes = reader.raw(reader.end - reader.position)
  return packr.unpack(bytes)
}

/** Whether msgpackr gives the value back exactly. */
function isSafe(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
      return !hasLoneSurrogate(value)
    case 'number':
      return value !== 0 || 1 / value > 0
    case 'boolean':
      return true
    case 'object':
      if (value === null) return true
      if (depth >= DEPTH_MAX) return false
      return Array.isArray(value) ? isSafeArray(value, depth) : isSafeObject(value, depth)
    default:
      return false
  }
}

function isSafeArray(array: readonly unknown[], depth: number): boolean {
  // Not `every`: it passes over holes, which msgpackr would fill.
  for (let index = 0; index < array.length; index += 1) {
    if (!isSafe(array[index], depth + 1)) return false
  }
  return true
}

function isSafeObject(value: object, depth: number): boolean {
  if (Object.getPrototypeOf(value) !== Object.prototype) return false
  const fields = value as Readonly<Record<string, unknown>>
  for (const name of Object.keys(fields)) {
    if (name === '__proto__' || hasLoneSurrogate(name)) return false
    if (!isSafe(fields[name], depth + 1)) return false
  }
  return true
}

function writeExact(writer: ByteWriter, value: unknown, depth: number): void {
  switch (typeof value) {
    case 'undefined':
      writer.byte(UNDEFINED)
      return
    case 'boolean':
      writer.byte(value ? TRUE : FALSE)
      return
    case 'number':
      if (Number.isSafeInteger(value)) {
        writer.byte(INTEGER)
        writer.signed(value)
      } else {
        writer.byte(DOUBLE)
        writer.float64(value)
      }
      return
    case 'bigint':
      writer.byte(BIGINT)
      writeBigInt(writer, value)
      return
    case 'string':
      writer.byte(TEXT)
      writer.text(value)
      return
    case 'object':
      if (value === null) writer.byte(NULL)
      else writeObject(writer, value, depth)
      return
    default:
      throw unfit(`a ${typeof value}`)
  }
}

function writeObject(writer: ByteWriter, value: object, depth: number): void {
  if (depth >= DEPTH_MAX) throw unfit(`nested more than ${DEPTH_MAX} deep, or holds itself`)
  if (Array.isArray(value)) {
    writer.byte(ARRAY)
    writer.count(value.length)
    for (let index = 0; index < value.length; index += 1) {
      if (index in value) writeExact(writer, value[index], depth + 1)
      else writer.byte(HOLE)
    }
  } else if (value instanceof Map) {
    writer.byte(MAP)
    writer.count(value.size)
    for (const [key, item] of value) {
      writeExact(writer, key, depth + 1)
      writeExact(writer, item, depth + 1)
    }
  } else if (value instanceof Set) {
    writer.byte(SET)
    writer.count(value.size)
    for (const item of value) writeExact(writer, item, depth + 1)
  } else if (value instanceof Date) {
    writer.byte(DATE)
    writer.float64(value.getTime())
  } else if (!writeBinary(writer, value)) {
    writeFields(writer, value, depth)
  }
}

function writeFields(writer: ByteWriter, value: object, depth: number): void {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw unfit(`an instance of ${value.constructor.name}`)
  }
  const fields = value as Readonly<Record<string, unknown>>
  const names = Object.keys(fields)
  writer.byte(OBJECT)
  writer.count(names.length)
  for (const name of names) {
    writer.text(name)
    writeExact(writer, fields[name], depth + 1)
  }
}

function writeBinary(writer: ByteWriter, value: object): boolean {
  const index = BINARIES.findIndex((binary) => binary.prototype === Object.getPrototypeOf(value))
  if (index < 0) return false
  writer.byte(BINARY)
  writer.byte(index)
  if (ArrayBuffer.isView(value)) {
    writer.block(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
  } else {
    writer.block(new Uint8Array(value as ArrayBuffer))
  }
  return true
}

function writeBigInt(writer: ByteWriter, value: bigint): void {
  writer.byte(value < 0n ? 1 : 0)
  let digits = (value < 0n ? -value : value).toString(16)
  if (digits.length % 2 === 1) digits = `0${digits}`
  writer.block(Buffer.from(digits, 'hex').reverse())
}

function readExact(reader: ByteReader): unknown {
  const tag = reader.byte()
  switch (tag) {
    case UNDEFINED:
      return undefined
    case NULL:
      return null
    case FALSE:
      return false
    case TRUE:
      return true
    case INTEGER:
      return reader.signed()
    case DOUBLE:
      return reader.float64()
    case BIGINT:
      return readBigInt(reader)
    case TEXT:
      return reader.text()
    case ARRAY:
      return readArray(reader)
    case OBJECT:
      return readFields(reader)
    case MAP:
      return readMap(reader)
    case SET:
      return readSet(reader)
    case DATE:
      return new Date(reader.float64())
    case BINARY:
      return readBinary(reader)
    default:
      throw new StreamError('ASSERTION_FAILED', `a packed value has the unknown tag ${tag}`)
  }
}

function readArray(reader: ByteReader): unknown[] {
  const count = reader.count()
  const array: unknown[] = []
  for (let index = 0; index < count; index += 1) {
    if (reader.bytes[reader.position] === HOLE) reader.position += 1
    else array[index] = readExact(reader)
  }
  array.length = count
  return array
}

function readFields(reader: ByteReader): object {
  const count = reader.count()
  const fields: Record<string, unknown> = {}
  for (let index = 0; index < count; index += 1) {
    const name = reader.text()
    const value = readExact(reader)
    if (name === '__proto__') {
      const property = { value, writable: true, enumerable: true, configurable: true }
      Object.defineProperty(fields, name, property)
    } else {
      fields[name] = value
    }
  }
  return fields
}

function readMap(reader: ByteReader): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>()
  for (let count = reader.count(); count > 0; count -= 1) {
    const key = readExact(reader)
    map.set(key, readExact(reader))
  }
  return map
}

function readSet(reader: ByteReader): Set<unknown> {
  const set = new Set<unknown>()
  for (let count = reader.count(); count > 0; count -= 1) set.add(readExact(reader))
  return set
}

function readBinary(reader: ByteReader): unknown {
  const binary = BINARIES[reader.byte()]
  const { buffer } = new Uint8Array(reader.block()) // A copy, aligned and exactly as long.
  if (binary === Buffer) return Buffer.from(buffer)
  if (binary === ArrayBuffer) return buffer
  return new (binary as typeof Uint8Array)(buffer)
}

function readBigInt(reader: ByteReader): bigint {
  const isNegative = reader.byte() === 1
  const digits = Buffer.from(reader.block()).reverse().toString('hex')
  const magnitude = BigInt(`0x${digits}`)
  return isNegative ? -magnitude : magnitude
}

function unfit(what: string): StreamError {
  return new StreamError('VALUE_UNFIT', `a value cannot be kept as bytes: it is or holds ${what}`, {
    hint: 'Keep plain values: numbers, text, bigints, dates, bytes, arrays, maps, sets and objects.',
  })
}
