/**
 * The column face of a batch, in Arrow's memory layout: a validity bitmap (bit set: there is a
 * value; undefined: all are there), values, and for text and bytes int32 offsets into one block.
 *
 * C1. A column holds `count` entries; `offsets` holds one more.
 * C2. A row that is one value and no object is a single column named VALUE_COLUMN.
 */
export type Column =
  | {
      readonly kind: 'float64' | 'timestamp'
      readonly values: Float64Array
      readonly validity: Uint8Array | undefined
    }
  | {
      readonly kind: 'int32'
      readonly values: Int32Array
      readonly validity: Uint8Array | undefined
    }
  | {
      readonly kind: 'int64'
      readonly values: BigInt64Array
      readonly validity: Uint8Array | undefined
    }
  | {
      readonly kind: 'bool'
      readonly values: Uint8Array
      readonly validity: Uint8Array | undefined
    }
  | {
      readonly kind: 'utf8' | 'binary' | 'packed'
      readonly offsets: Int32Array
      readonly bytes: Uint8Array
      readonly validity: Uint8Array | undefined
    }

export type ColumnKind = Column['kind']

/** Name of the one column of rows that are no objects. No field name of a record can clash: it is empty of letters. */
export const VALUE_COLUMN = '\u0000'

export interface ColumnSet {
  readonly count: number
  readonly names: readonly string[]
  readonly columns: readonly Column[]
  column(name: string): Column | undefined
  /** New rows, one plain object of one fixed shape each. */
  toRows(): unknown[]
  /** The records at `indices[0..count)`, as columns of their own memory. */
  gather(indices: Int32Array, count: number): ColumnSet
}

export function isValid(validity: Uint8Array | undefined, index: number): boolean {
  return validity === undefined || (validity[index >> 3]! & (1 << (index & 7))) !== 0
}
