import { asStreamError } from '../../engine/index.ts'
import type { StructData } from '../../engine/index.ts'
import { readCode } from '../formats/field-code.ts'
import { unfit } from '../formats/unfit.ts'
import type { ColumnBuffer, PlainColumn } from './column-buffer.ts'
import { columnBuffer } from './nested-buffers.ts'

type AppendRows = (rows: readonly unknown[], count: number, column: ColumnBuffer) => void

/** What all buffers of one table share: a generated loop for each column, reading its one field. */
export class TableLayout {
  readonly schema: StructData
  readonly sink: string
  readonly loops: readonly AppendRows[]

  constructor(schema: StructData, sink: string) {
    this.schema = schema
    this.sink = sink
    this.loops = schema.fields.map(({ name }) => compileLoop(name))
  }
}

/** A loop of its own for each column: one shape of row, one kind of column at each call. */
function compileLoop(name: string): AppendRows {
  const body = [
    '"use strict"',
    'return (rows, count, column) => {',
    `  for (let row = 0; row < count; row += 1) column.append(${readCode('rows[row]', name)})`,
    '  column.settle()',
    '}',
  ]
  const make = new Function('hasOwn', body.join('\n')) as (
    hasOwn: (object: object, name: string) => boolean,
  ) => AppendRows
  return make(Object.hasOwn)
}

/** A record that its table does not take; `row` is its index among those that were appended. */
export class RowRefused extends Error {
  readonly row: number

  constructor(row: number, cause: unknown) {
    super('a row was refused', { cause })
    this.row = row
  }
}

/** Rows of one table on their way into a file, as columns. */
export class TableBuffer {
  readonly #layout: TableLayout
  readonly #columns: readonly ColumnBuffer[]
  rows = 0

  constructor(layout: TableLayout) {
    this.#layout = layout
    this.#columns = layout.schema.fields.map(({ name, schema }) =>
      columnBuffer(schema, { field: name, sink: layout.sink }),
    )
  }

  /** Heap bytes that are held. */
  get bytes(): number {
    let bytes = 0
    for (const column of this.#columns) bytes += column.bytes
    return bytes
  }

  /** Throws RowRefused, after which the buffer is of no use. */
  append(rows: readonly unknown[], count: number): void {
    const { loops } = this.#layout
    for (let index = 0; index < loops.length; index += 1) {
      const column = this.#columns[index]!
      try {
        loops[index]!(rows, count, column)
      } catch (thrown) {
        const row = Math.min(count - 1, column.count - this.rows)
        throw new RowRefused(row, this.#explain(thrown, rows[row]))
      }
    }
    this.rows += count
  }

  columns(): readonly PlainColumn[] {
    return this.#columns.map((column) => column.column())
  }

  clear(): void {
    this.rows = 0
    for (const column of this.#columns) column.clear()
  }

  /** A record that is no object has no fields to read. */
  #explain(thrown: unknown, row: unknown): unknown {
    if (typeof row === 'object' && row !== null) return asStreamError(thrown, 'BUG')
    return unfit('', this.#layout.schema, row, this.#layout.sink)
  }
}
