import { ByteReader, ByteWriter } from '../stream/byte-buffer.ts'
import type { ValueReader, ValueWriter } from '../stream/value-codec.ts'
import type { Cell } from './cell.ts'
import { VALUE, stateIdOf } from './cell.ts'
import type { CellCursor } from './cell-merge.ts'

/** How the values of one state, written with an older schema, become ones of the present. */
export interface StateTranscoder {
  /** The value stands behind the number of its map item. */
  readonly isMap: boolean
  readonly read: ValueReader
  readonly write: ValueWriter
}

/** By state id; a state that is not there stays as it is. */
export type Transcoding = ReadonlyMap<number, StateTranscoder>

export const NO_TRANSCODING: Transcoding = new Map()

/** A cursor over a file with older schemas. */
export class TranscodingCursor implements CellCursor {
  readonly #cursor: CellCursor
  readonly #transcoding: Transcoding
  readonly #writer = new ByteWriter()

  constructor(cursor: CellCursor, transcoding: Transcoding) {
    this.#cursor = cursor
    this.#transcoding = transcoding
  }

  next(): Cell | undefined {
    const cell = this.#cursor.next()
    if (cell?.kind !== VALUE) return cell
    const transcoder = this.#transcoding.get(stateIdOf(cell))
    return transcoder === undefined ? cell : { ...cell, value: this.#transcode(cell, transcoder) }
  }

  load(): Promise<boolean> {
    return this.#cursor.load()
  }

  #transcode(cell: Cell, transcoder: StateTranscoder): Uint8Array {
    const reader = new ByteReader(cell.value)
    this.#writer.clear()
    if (transcoder.isMap) this.#writer.count(reader.count())
    transcoder.write(this.#writer, transcoder.read(reader))
    return this.#writer.take()
  }
}
