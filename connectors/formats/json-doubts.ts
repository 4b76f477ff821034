import type { SchemaData } from '../../engine/index.ts'

/**
 * Whether JSON.parse may have changed a number of a record in a way that its schema forbids. Nearly
 * all records are told to be exact by a look at each sixteenth of their bytes.
 *
 * N1. A number of at most 15 digits is told apart from all others by its float64, but for one so
 *     small that it becomes 0. So only a run of 16 digits and points, or a 0, gives a doubt.
 * N2. In columns of whole numbers a doubtful number matters when its float64 is whole; in decimal
 *     columns always; in float64 columns when it is 2^53 or more, or 0.
 */
export class Doubts {
  /** A 0 was read from a column of numbers. */
  zero = false
  /** A number of 2^53 or more was read from a float64 column. */
  large = false
  readonly #whole: boolean
  readonly #decimal: boolean

  constructor(schema: SchemaData) {
    this.#decimal = holds(schema, (kind) => kind === 'decimal')
    this.#whole = holds(schema, (kind) => WHOLE.has(kind))
  }

  clear(): void {
    this.zero = false
    this.large = false
  }

  /** Whether the record in `bytes[start, end)` has to be read again with all its digits. */
  remain(text: string, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.zero && hasTiny(text)) return true
    if (!this.#whole && !this.#decimal && !this.large && !this.zero) return false
    // Each run of RUN bytes has one at a multiple of RUN.
    for (let at = start + RUN - 1; at < end; at += RUN) {
      if (!isDigit(bytes[at]!)) continue
      let from = at
      while (from > start && isDigit(bytes[from - 1]!)) from -= 1
      let to = at + 1
      while (to < end && isDigit(bytes[to]!)) to += 1
      if (to - from >= RUN && this.#matters(bytes, from, to)) return true
      while (at + RUN < to) at += RUN
    }
    return false
  }

  #matters(bytes: Uint8Array, from: number, to: number): boolean {
    if (this.#decimal || this.large) return true
    if ((bytes[to]! | LOWER_CASE) === LETTER_E) return true
    let point = from
    while (point < to && bytes[point] !== POINT) point += 1
    if (point === to) return false
    // A number of so few digits before the point is rounded to a whole one only from .00… or .99….
    const next = bytes[point + 1]!
    const mayBeWhole = next === bytes[point + 2] && (next === ZERO || next === NINE)
    if (point - from <= 13 && !mayBeWhole) return false
    const view = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from)
    return Number.isInteger(Number(view.toString('latin1')))
  }
}

const RUN = 16
const LETTER_E = 101
const LOWER_CASE = 32
const POINT = 46
const ZERO = 48
const NINE = 57

/** Whether a number may have become 0 by its exponent. */
function hasTiny(text: string): boolean {
  return (text.includes('e-') || text.includes('E-')) && /[\d.][eE]-\d\d/.test(text)
}

const WHOLE: ReadonlySet<SchemaData['kind']> = new Set([
  'int32',
  'int64',
  'timestamp',
  'date',
  // Nothing is known of what it holds.
  'packed',
])

/** A digit, a point or a slash, which stands between them. */
function isDigit(byte: number): boolean {
  return byte >= 46 && byte <= 57
}

function holds(schema: SchemaData, wanted: (kind: SchemaData['kind']) => boolean): boolean {
  switch (schema.kind) {
    case 'nullable':
      return holds(schema.of, wanted)
    case 'list':
      return holds(schema.item, wanted)
    case 'struct':
      return schema.fields.some((field) => holds(field.schema, wanted))
    default:
      return wanted(schema.kind)
  }
}
