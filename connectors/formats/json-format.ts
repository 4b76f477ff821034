import { schemaData, StreamError } from '../../engine/index.ts'
import type { Schema, SchemaData } from '../../engine/index.ts'
import { formatOf } from './format.ts'
import type { Decoder, Encoder, Format, FormatDefinition } from './format.ts'
import { compileReading, INEXACT, parseExact } from './json-reading.ts'
import type { Convert } from './json-reading.ts'
import { compileWriting } from './json-writing.ts'
import type { Write } from './json-writing.ts'
import { TextReader } from './text-bytes.ts'
import { shown } from './unfit.ts'

/**
 * JSON, one record a line in files. Every field of `schema` is checked and converted (see
 * `compileReading`); other fields are dropped.
 */
export function json<V>(schema: Schema<V>): Format<V> {
  const data = schemaData(schema)
  const definition: FormatDefinition = {
    kind: 'json',
    parameters: {},
    schema: data,
    framing: { quoted: false, header: false, skipsEmpty: true },
    createDecoder: () => new JsonDecoder(compileReading(data), false),
    createEncoder: (owner) => new JsonEncoder(data, owner),
  }
  return formatOf<V>(definition)
}

/** Parses, then converts; again with all digits kept when a number has more than a float64. */
export class JsonDecoder implements Decoder {
  readonly many: boolean
  readonly #convert: Convert
  readonly #text = new TextReader()

  constructor(convert: Convert, many: boolean) {
    this.#convert = convert
    this.many = many
  }

  decode(bytes: Uint8Array, start: number, end: number): unknown {
    const text = this.#text.read(bytes, start, end)
    const parsed = parse(text)
    try {
      return this.#convert(parsed, '')
    } catch (thrown) {
      if (thrown !== INEXACT) throw thrown
      return this.#convert(parseExact(text), '')
    }
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new StreamError('RECORD_MALFORMED', `the record is not JSON: ${shown(text)}`, {
      hint: 'Correct the record, or filter it out before.',
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
