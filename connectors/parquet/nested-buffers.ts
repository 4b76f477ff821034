import type { SchemaData } from '../../engine/index.ts'
import { BinaryBuffer, TextBuffer } from './block-buffers.ts'
import { ColumnBuffer, VariableBuffer } from './column-buffer.ts'
import type { ColumnOwner } from './column-buffer.ts'
import {
  BoolBuffer,
  DecimalBuffer,
  Float64Buffer,
  Int32Buffer,
  Int64Buffer,
} from './fixed-buffers.ts'

/** Lists and structs, and which buffer a schema gets. */

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
