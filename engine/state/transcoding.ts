import { ByteReader } from '../stream/byte-buffer.ts'
import type { ValueReader, ValueWriter } from '../stream/value-codec.ts'
import type { Cell } from './cell.ts'
import { VALUE, stateIdOf, valueCell, valueWriter } from './cell.ts'
import type { CellCursor } from './cell-merge.ts'

/** How the values of one state, written with an older schema, become ones of the present. */
export interface StateTranscoder {
  /** The value stands behind the number of its map item. */
  readonly isMap: boolean
  readonly read: ValueReader
  readonly write: ValueWriter
}

/** By state id; a state that is not there stays as it is, one that is dropped is skipped. */
export type Transcoding = ReadonlyMap<number, StateTranscoder | 'dropped'>

export const NO_TRANSCODING: Transcoding = new Map()

/** A cursor over a file with older schemas. */
export class TranscodingCursor implements CellCursor {
  readonly #cursor: CellCursor
  readonly #transcoding: Transcoding

  constructor(cursor: CellCursor, transcoding: Transcoding) {
    this.#cursor = cursor
    this.#transcoding = transcoding
  }

  next(): Cell | undefined {
    for (let cell = this.#cursor.next(); cell !== undefined; cell = this.#cursor.next()) {
      const transcoder = this.#transcoding.get(stateIdOf(cell))
      if (transcoder === 'dropped') continue
      if (cell.kind !== VALUE || transcoder === undefined) return cell
      return transcoded(cell, transcoder)
    }
    return undefined
  }

  load(): Promise<boolean> {
    return this.#cursor.load()
  }
}

function transcoded(cell: Cell, transcoder: StateTranscoder): Cell {
  const reader = new ByteReader(cell.bytes, cell.start, cell.end)
  const writer = valueWriter()
  const start = writer.length
  if (transcoder.isMap) writer.count(reader.count())
  transcoder.write(writer, transcoder.read(reader))
  return valueCell(cell.sort, cell.prefixLength, writer, start)
}
