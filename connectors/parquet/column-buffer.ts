import type { SchemaData } from '../../engine/index.ts'
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

/** Offsets into something behind them: what texts, bytes and lists begin with. */
export abstract class VariableBuffer extends ColumnBuffer {
  protected offsets = new Int32Array(1)

  protected override resize(capacity: number): void {
    const longer = new Int32Array(capacity + 1)
    longer.set(this.offsets)
    this.offsets = longer
  }
}
