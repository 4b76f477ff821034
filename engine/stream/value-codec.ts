/**
 * One value of a declared schema as bytes and back: what state and files of state hold.
 *
 * ```
 * value(utf8, date, decimal) := text          value(int32)                := signed
 * value(float64, timestamp)  := float64       value(int64 as bigint)      := 8 bytes, big-endian
 * value(bool)                := 0 | 1         value(int64 as number)      := signed
 * value(binary)              := block         value(list of T)            := count value(T)*
 * value(struct)              := value(field)*, in the order of the schema
 * value(nullable of T)       := 0 (null) | 1 value(T) | 2 (undefined)
 * value(packed)              := block (packed, see packed-value.ts)
 * ```
 *
 * `count`, `signed`, `text`, `block`: byte-buffer.ts. Nothing of the schema is in the bytes: the
 * schema they were written with stands in the manifest, and reading with a later one goes through
 * `evolvedReader` (engine/state/schema-evolution.ts).
 */
import { StreamError } from '../base/errors.ts'
import type { FieldData, SchemaData } from './schema.ts'
import { ByteReader, ByteWriter } from './byte-buffer.ts'
import { readPacked, writePacked } from './packed-value.ts'

export { packValue, unpackValue } from './packed-value.ts'

/** In every manifest. A changed format gets the next number, and a reader for the old one. */
export const VALUE_CODEC_VERSION = 1

export type ValueWriter = (writer: ByteWriter, value: unknown) => void
export type ValueReader = (reader: ByteReader) => unknown

export class ValueCodec {
  readonly schema: SchemaData
  /** Throws VALUE_UNFIT when the value is not of the schema. */
  readonly write: ValueWriter
  readonly read: ValueReader
  readonly #fits: (value: unknown) => boolean
  readonly #writer = new ByteWriter()

  /** `name` is what error messages call the value. */
  constructor(schema: SchemaData, name = 'value') {
    this.schema = schema
    this.write = valueWriter(schema, name)
    this.read = valueReader(schema)
    this.#fits = fitting(schema)
  }

  /** Throws VALUE_UNFIT where it can be told at little cost: lists and packed values are not entered. */
  check(value: unknown): void {
    if (!this.#fits(value)) this.encode(value) // Says in full what does not fit.
  }

  encode(value: unknown): Uint8Array {
    this.#writer.clear()
    this.write(this.#writer, value)
    return this.#writer.take()
  }
}

/** Whether a value fits, but for what is in lists and packed values. */
function fitting(schema: SchemaData): (value: unknown) => boolean {
  switch (schema.kind) {
    case 'utf8':
    case 'date':
    case 'decimal':
      return (value) => typeof value === 'string'
    case 'int32':
      return (value) => typeof value === 'number' && (value | 0) === value
    case 'int64':
      if (schema.as === 'number') return Number.isSafeInteger
      return (value) => typeof value === 'bigint' && BigInt.asIntN(64, value) === value
    case 'float64':
    case 'timestamp':
      return (value) => typeof value === 'number'
    case 'bool':
      return (value) => typeof value === 'boolean'
    case 'binary':
      return (value) => value instanceof Uint8Array
    case 'list':
      return (value) => Array.isArray(value)
    case 'struct':
      return fittingStruct(schema.fields)
    case 'nullable':
      return fittingOrNull(fitting(schema.of))
    case 'packed':
      return () => true
    default:
      return schema satisfies never
  }
}

function fittingStruct(fields: readonly FieldData[]): (value: unknown) => boolean {
  const parts = fields.map(({ name, schema }) => ({ name, fits: fitting(schema) }))
  return (value) => {
    if (typeof value !== 'object' || value === null) return false
    for (const { name, fits } of parts) {
      if (!fits((value as Readonly<Record<string, unknown>>)[name])) return false
    }
    return true
  }
}

function fittingOrNull(fits: (value: unknown) => boolean): (value: unknown) => boolean {
  return (value) => value === null || value === undefined || fits(value)
}

export function valueWriter(schema: SchemaData, name: string): ValueWriter {
  switch (schema.kind) {
    case 'utf8':
    case 'date':
    case 'decimal':
      return (writer, value) => {
        if (typeof value !== 'string') throw unfit(name, schema, value)
        writer.text(value)
      }
    case 'int32':
      return (writer, value) => {
        if (typeof value !== 'number' || (value | 0) !== value) throw unfit(name, schema, value)
        writer.signed(value)
      }
    case 'int64':
      return schema.as === 'bigint' ? bigintWriter(schema, name) : safeIntegerWriter(schema, name)
    case 'float64':
    case 'timestamp':
      return (writer, value) => {
        if (typeof value !== 'number') throw unfit(name, schema, value)
        writer.float64(value)
      }
    case 'bool':
      return (writer, value) => {
        if (typeof value !== 'boolean') throw unfit(name, schema, value)
        writer.byte(value ? 1 : 0)
      }
    case 'binary':
      return (writer, value) => {
        if (!(value instanceof Uint8Array)) throw unfit(name, schema, value)
        writer.block(value)
      }
    case 'list':
      return listWriter(schema, valueWriter(schema.item, `${name}[]`), name)
    case 'struct':
      return structWriter(schema, schema.fields, name)
    case 'nullable':
      return nullableWriter(valueWriter(schema.of, name))
    case 'packed':
      return packedWriter()
    default:
      return schema satisfies never
  }
}

function bigintWriter(schema: SchemaData, name: string): ValueWriter {
  return (writer, value) => {
    if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value) {
      throw unfit(name, schema, value)
    }
    writer.int64(value)
  }
}

function safeIntegerWriter(schema: SchemaData, name: string): ValueWriter {
  return (writer, value) => {
    if (!Number.isSafeInteger(value)) throw unfit(name, schema, value)
    writer.signed(value as number)
  }
}

function listWriter(schema: SchemaData, item: ValueWriter, name: string): ValueWriter {
  return (writer, value) => {
    if (!Array.isArray(value)) throw unfit(name, schema, value)
    writer.count(value.length)
    for (let index = 0; index < value.length; index += 1) item(writer, value[index])
  }
}

function structWriter(schema: SchemaData, fields: readonly FieldData[], name: string): ValueWriter {
  const parts = fields.map((field) => ({
    name: field.name,
    write: valueWriter(field.schema, `${name}.${field.name}`),
  }))
  return (writer, value) => {
    if (typeof value !== 'object' || value === null) throw unfit(name, schema, value)
    const row = value as Readonly<Record<string, unknown>>
    for (const part of parts) part.write(writer, ownField(row, part.name))
  }
}

/** `row.__proto__` of a row without that field is its prototype, not a value. */
function ownField(row: Readonly<Record<string, unknown>>, name: string): unknown {
  return name !== '__proto__' || Object.hasOwn(row, name) ? row[name] : undefined
}

function nullableWriter(inner: ValueWriter): ValueWriter {
  return (writer, value) => {
    if (value === null) {
      writer.byte(0)
    } else if (value === undefined) {
      writer.byte(2)
    } else {
      writer.byte(1)
      inner(writer, value)
    }
  }
}

function packedWriter(): ValueWriter {
  return (writer, value) => {
    const packed = new ByteWriter()
    writePacked(packed, value)
    writer.block(packed.peek())
  }
}

export function valueReader(schema: SchemaData): ValueReader {
  switch (schema.kind) {
    case 'utf8':
    case 'date':
    case 'decimal':
      return (reader) => reader.text()
    case 'int32':
      return (reader) => reader.signed()
    case 'int64':
      return schema.as === 'bigint' ? (reader) => reader.int64() : (reader) => reader.signed()
    case 'float64':
    case 'timestamp':
      return (reader) => reader.float64()
    case 'bool':
      return (reader) => reader.byte() === 1
    case 'binary':
      return (reader) => reader.block().slice()
    case 'list':
      return listReader(valueReader(schema.item))
    case 'struct':
      return structReader(
        schema.fields.map((field) => ({ name: field.name, read: valueReader(field.schema) })),
      )
    case 'nullable':
      return nullableReader(valueReader(schema.of))
    case 'packed':
      return (reader) => {
        const length = reader.count()
        const start = reader.position
        reader.position += length
        return readPacked(new ByteReader(reader.bytes, start, start + length))
      }
    default:
      return schema satisfies never
  }
}

export function listReader(item: ValueReader): ValueReader {
  return (reader) => {
    const list: unknown[] = []
    for (let count = reader.count(); count > 0; count -= 1) list.push(item(reader))
    return list
  }
}

export function nullableReader(inner: ValueReader): ValueReader {
  return (reader) => {
    const mark = reader.byte()
    return mark === 1 ? inner(reader) : mark === 0 ? null : undefined
  }
}

/** A field of a struct as it lies in the bytes; without a name it is read and dropped. */
export interface FieldReader {
  readonly name: string | undefined
  readonly read: ValueReader
}

export function structReader(fields: readonly FieldReader[]): ValueReader {
  return (reader) => {
    const row: Record<string, unknown> = {}
    for (const field of fields) {
      const value = field.read(reader)
      if (field.name !== undefined) setField(row, field.name, value)
    }
    return row
  }
}

export function setField(row: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') {
    const property = { value, writable: true, enumerable: true, configurable: true }
    Object.defineProperty(row, name, property)
  } else {
    row[name] = value
  }
}

function unfit(name: string, schema: SchemaData, value: unknown): StreamError {
  const found = value instanceof Object ? describe(value) : shown(value)
  return new StreamError('VALUE_UNFIT', `"${name}" is ${schema.kind}, the value is ${found}`, {
    hint: 'Declare a schema that holds the value, or convert the value first.',
  })
}

function describe(value: object): string {
  return Array.isArray(value) ? 'a list' : `an object (${value.constructor.name})`
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40))
  return typeof value === 'bigint' ? `${value}n` : String(value)
}
