/** The shapes of rows a channel has seen, so that most batches find their code at once. */
import type { BlockParts, RowEncoder } from './row-encoder.ts'
import { VALUE_COLUMN } from './columns.ts'
import { makeRowEncoder, newParts } from './row-encoder.ts'
import { fieldsSign, shapeOfRows } from './row-shape.ts'
import { WireSchema } from './wire-schema.ts'

/** More than this and rows have no shapes worth remembering. */
const SHAPES_MAX = 32
/** After this many batches a shape with packed columns is derived anew: it may now be narrower. */
const AGE_MAX = 256

export interface RowShape {
  readonly schema: WireSchema
  readonly encode: RowEncoder
  readonly parts: BlockParts
  readonly places: Int32Array
  age: number
}

export class RowShapes {
  /** By the fields of the row that a batch begins with. */
  readonly #byFields = new Map<string | undefined, RowShape>()
  #current: RowShape | undefined

  /** The shape to try first. */
  of(rows: readonly unknown[], from: number, count: number): RowShape {
    const current = this.#current
    if (current === undefined) return this.#derive(rows, from, count, undefined)
    if (current.schema.hasPacked) {
      current.age += 1
      if (current.age % AGE_MAX === 0) return this.#derive(rows, from, count, undefined)
    }
    return current
  }

  /**
   * The shape to try after `tried` did not fit: the one remembered for such rows, then one widened
   * to fit them, then (fields that change while they are read) none at all, every row packed.
   */
  next(
    tried: RowShape,
    rows: readonly unknown[],
    from: number,
    count: number,
    misfits: number,
  ): RowShape {
    if (misfits > 3) return remember(PACKED)
    const known = this.#byFields.get(fieldsSign(rows[from]))
    if (misfits === 1 && known !== undefined && known !== tried) {
      this.#current = known
      return known
    }
    return this.#derive(rows, from, count, known?.schema)
  }

  #derive(
    rows: readonly unknown[],
    from: number,
    count: number,
    before: WireSchema | undefined,
  ): RowShape {
    const schema = shapeOfRows(rows, from, count, before)
    if (this.#current?.schema.sign === schema.sign) return this.#current
    if (this.#byFields.size === SHAPES_MAX) this.#byFields.clear()
    const shape = remember(schema)
    this.#byFields.set(fieldsSign(rows[from]), shape)
    this.#current = shape
    return shape
  }
}

const PACKED = new WireSchema([{ name: VALUE_COLUMN, kind: 'packed', marks: 'nulls' }])

function remember(schema: WireSchema): RowShape {
  return {
    schema,
    encode: makeRowEncoder(schema),
    parts: newParts(schema),
    places: schema.newPlaces(),
    age: 0,
  }
}
