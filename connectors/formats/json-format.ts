import { schemaData, StreamError } from '../../engine/index.ts'
import type { Schema, SchemaData } from '../../engine/index.ts'
import { formatOf } from './format.ts'
import type { Decoder, Encoder, Format, FormatDefinition } from './format.ts'
import type { FinerTimes } from './iso-time.ts'
import { Doubts } from './json-doubts.ts'
import { parseExact } from './json-exact.ts'
import { INEXACT } from './json-numbers.ts'
import type { Convert, ReadingOptions } from './json-numbers.ts'
import { compileReading } from './json-reading.ts'
import { compileWriting } from './json-writing.ts'
import type { Write } from './json-writing.ts'
import { TextReader } from './text-bytes.ts'
import { shown } from './unfit.ts'

export interface JsonOptions {
  /**
   * What becomes of a time that is finer than a millisecond, in a `timestamp()` field: 'refuse' it
   * (when left out), or 'cut' it to the millisecond it is in.
   */
  readonly finerThanMs?: FinerTimes
}

/**
 * JSON, one record a line in files. Every field of `schema` is checked and converted (see
 * `compileReading`); other fields are dropped.
 */
export function json<V>(schema: Schema<V>, options: JsonOptions = {}): Format<V> {
  const data = schemaData(schema)
  const finer = finerTimes('json', options.finerThanMs)
  const definition: FormatDefinition = {
    kind: 'json',
    parameters: finer === 'refuse' ? {} : { finerThanMs: finer },
    schema: data,
    framing: { quoted: false, header: false, skipsEmpty: true },
    createDecoder: () => new JsonDecoder(data, finer),
    createEncoder: (owner) => new JsonEncoder(data, owner),
  }
  return formatOf<V>(definition)
}

/** Checks the option of a format; 'refuse' when it was left out. */
export function finerTimes(format: string, given: unknown): FinerTimes {
  if (given === undefined || given === 'refuse' || given === 'cut') return given ?? 'refuse'
  throw new StreamError('OPTION_INVALID', `"finerThanMs" of ${format} is ${shown(given)}`, {
    hint: 'Say "refuse" or "cut", or leave it out.',
  })
}

/** Parses, then converts; again with all digits kept where a number may have lost some. */
export class JsonDecoder implements Decoder {
  readonly many: boolean = false
  readonly #convert: Convert
  readonly #doubts: Doubts
  readonly #text = new TextReader()

  /** `wrap` makes the records of what the schema says. */
  constructor(schema: SchemaData, finer: FinerTimes, wrap?: (options: ReadingOptions) => Convert) {
    this.#doubts = new Doubts(schema)
    const options = { doubts: this.#doubts, finer }
    this.#convert = wrap === undefined ? compileReading(schema, options) : wrap(options)
  }

  decode(bytes: Uint8Array, start: number, end: number): unknown {
    const text = this.#text.read(bytes, start, end)
    const parsed = parse(text)
    const doubts = this.#doubts
    doubts.clear()
    let record: unknown
    try {
      record = this.#convert(parsed, '')
    } catch (thrown) {
      if (!isAboutValue(thrown)) throw thrown
      // Decides by all digits, and shows the value as it was written.
      return this.#convert(parseExact(text), '')
    }
    return doubts.remain(text, bytes, start, end) ? this.#convert(parseExact(text), '') : record
  }
}

function isAboutValue(thrown: unknown): boolean {
  return thrown === INEXACT || (thrown instanceof StreamError && thrown.code === 'VALUE_UNFIT')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new StreamError('RECORD_MALFORMED', `the record is not JSON: ${shown(text)}`, {
      hint: "Correct the record, or the format of the source; onMalformed: 'skip' or 'dead-letter' goes on without such records.",
      cause,
    })
  }
}

export class JsonEncoder implements Encoder {
  readonly #write: Write

  constructor(schema: SchemaData, owner?: string) {
    this.#write = compileWriting(schema, owner)
  }

  encode(record: unknown): string {
    return this.#write(record, '')
  }
}
