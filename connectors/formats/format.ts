import type { Json, Schema, SchemaData } from '../../engine/index.ts'

/** How bytes of the outside become records and back, seen from a job. */
export interface Format<out V> {
  readonly kind: string
  readonly schema: Schema<V>
}

/** What a format is below its type. Sources make a decoder, sinks an encoder, one a subtask. */
export interface FormatDefinition {
  readonly kind: string
  /** Plain data for the plan. */
  readonly parameters: Json
  readonly schema: SchemaData
  readonly framing: Framing
  /** `header` is the first record of a file, for formats whose framing has one. */
  createDecoder(header?: string): Decoder
  /** `owner` is the uid of the sink, named in errors. */
  createEncoder(owner?: string): Encoder
}

/** How records stand in a file. A queue's message is one record and needs none of it. */
export interface Framing {
  /** A line break inside of double quotes belongs to the record. */
  readonly quoted: boolean
  /** The first record names the columns. */
  readonly header: boolean
  /** Empty lines are no records. */
  readonly skipsEmpty: boolean
}

export interface Decoder {
  /** `decode` returns an array of zero or more records, not one record. */
  readonly many: boolean
  /**
   * The record in `bytes[start, end)`. Throws StreamError RECORD_MALFORMED or VALUE_UNFIT without a
   * place: the caller adds split and offset. Keeps no view of `bytes`.
   */
  decode(bytes: Uint8Array, start: number, end: number): unknown
}

export interface Encoder {
  /** One record without a line break. Throws VALUE_UNFIT naming the field. */
  encode(record: unknown): string
}

export function formatDefinition(format: Format<unknown>): FormatDefinition {
  return format as unknown as FormatDefinition
}

export function formatOf<V>(definition: FormatDefinition): Format<V> {
  return definition as unknown as Format<V>
}
