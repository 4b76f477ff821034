/**
 * Every type × every format × every sink, over generated edge values: a value arrives exactly, or
 * is refused. What is right is worked out here from the text, in whole numbers; DuckDB and
 * hyparquet read what the sinks have written.
 */
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { RecordBatch, schemaOf, sinkDefinition } from '../engine/index.ts'
import type { Change, SchemaData, SinkWriter, StructSchema } from '../engine/index.ts'
import { fileSink } from './files/file-sink.ts'
import { csv } from './formats/csv-format.ts'
import { debezium } from './formats/debezium-format.ts'
import { formatDefinition } from './formats/format.ts'
import type { Decoder } from './formats/format.ts'
import { json } from './formats/json-format.ts'
import { parquetSink } from './parquet/parquet-sink.ts'
import { duckTable } from './parquet/testing.ts'
import { committablesOf, testDoors, writerContext } from './testing.ts'

type Row = Readonly<Record<string, unknown>>

const here = duckTable()

/** A number as a whole number over a power of ten. */
interface Exact {
  readonly unscaled: bigint
  readonly places: number
}

function exactOf(text: string): Exact {
  const [, sign, whole, fraction = '', exponent = '0'] =
    /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text)!
  const unscaled = BigInt(`${whole}${fraction}`) * (sign === '-' ? -1n : 1n)
  const places = fraction.length - Number(exponent)
  return places >= 0
    ? { unscaled, places }
    : { unscaled: unscaled * 10n ** BigInt(-places), places: 0 }
}

/** The number times 10^scale, where that is whole. */
function atScale({ unscaled, places }: Exact, scale: number): bigint | undefined {
  if (places <= scale) return unscaled * 10n ** BigInt(scale - places)
  const divisor = 10n ** BigInt(places - scale)
  return unscaled % divisor === 0n ? unscaled / divisor : undefined
}

const within = (value: bigint | undefined, least: bigint, greatest: bigint): string | undefined =>
  value !== undefined && value >= least && value <= greatest ? String(value) : undefined

interface Kind {
  readonly name: string
  readonly schema: SchemaData
  /** CSV takes digits only. */
  readonly isWhole: boolean
  /** What DuckDB is asked for, as text. */
  readonly sql: string
  /** The same where it reads JSON, if it is another. */
  readonly jsonSql?: string
  /** The type by which DuckDB reads it from JSON. */
  readonly jsonType: string
  /** As DuckDB shows it; undefined where the column cannot hold the number. */
  expected(text: string): string | undefined
}

function floatText(text: string): string | undefined {
  const number = Number(text)
  const exact = exactOf(text)
  if (!Number.isFinite(number) || (number === 0 && exact.unscaled !== 0n)) return undefined
  const isInteger = /^-?\d+$/.test(text) && Math.abs(number) >= 2 ** 53
  const isShort = exactOf(String(number)).unscaled === exact.unscaled
  if (isInteger && BigInt(number) !== exact.unscaled && !isShort) return undefined
  return Object.is(number, -0) ? '-0' : String(number)
}

function decimalText(text: string, precision: number, scale: number): string | undefined {
  const limit = 10n ** BigInt(precision) - 1n
  const unscaled = atScale(exactOf(text), scale)
  if (unscaled === undefined || within(unscaled, -limit, limit) === undefined) return undefined
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
  const point = digits.length - scale
  const sign = unscaled < 0n ? '-' : ''
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, point)}.${digits.slice(point)}`
}

const wholeText = (text: string, least: bigint, greatest: bigint): string | undefined =>
  within(atScale(exactOf(text), 0), least, greatest)

const SAFE = BigInt(Number.MAX_SAFE_INTEGER)
const kinds: readonly Kind[] = [
  {
    name: 'int32',
    schema: { kind: 'int32' },
    isWhole: true,
    sql: 'value::VARCHAR',
    jsonType: 'INTEGER',
    expected: (text) => wholeText(text, -(2n ** 31n), 2n ** 31n - 1n),
  },
  {
    name: 'int64',
    schema: { kind: 'int64', as: 'bigint' },
    isWhole: true,
    sql: 'value::VARCHAR',
    jsonType: 'BIGINT',
    expected: (text) => wholeText(text, -(2n ** 63n), 2n ** 63n - 1n),
  },
  {
    name: 'int64 as number',
    schema: { kind: 'int64', as: 'number' },
    isWhole: true,
    sql: 'value::VARCHAR',
    jsonType: 'BIGINT',
    expected: (text) => wholeText(text, -SAFE, SAFE),
  },
  {
    name: 'float64',
    schema: { kind: 'float64' },
    isWhole: false,
    sql: 'value',
    jsonType: 'DOUBLE',
    expected: floatText,
  },
  {
    name: 'decimal(38, 10)',
    schema: { kind: 'decimal', precision: 38, scale: 10 },
    isWhole: false,
    sql: 'value::VARCHAR',
    jsonType: 'DECIMAL(38, 10)',
    expected: (text) => decimalText(text, 38, 10),
  },
  {
    name: 'decimal(9, 2)',
    schema: { kind: 'decimal', precision: 9, scale: 2 },
    isWhole: false,
    sql: 'value::VARCHAR',
    jsonType: 'DECIMAL(9, 2)',
    expected: (text) => decimalText(text, 9, 2),
  },
  {
    name: 'timestamp',
    schema: { kind: 'timestamp' },
    isWhole: true,
    sql: 'epoch_ms(value)::VARCHAR',
    jsonSql: 'value::VARCHAR',
    jsonType: 'BIGINT',
    expected: (text) => wholeText(text, -(864n * 10n ** 13n), 864n * 10n ** 13n),
  },
]

const mantissas = [
  ...['0', '1', '9', '10', '12.3', '0.5', '1.0', '1.50', '0.000', '0.1', '99999.99'],
  ...['2147483647', '2147483648', '2147483647.5', '2147483648.0'],
  ...['9007199254740991', '9007199254740992', '9007199254740993', '9007199254740993.5'],
  ...['9223372036854775807', '9223372036854775808', '8640000000000000', '8640000000000001'],
  ...['1.0000000000000000001', '0.99999999999999999999', '12.300000000000000001'],
  ...['123456789012345680000', '123456789012345678901234567890', '0.30000000000000000001'],
]
const exponents = [
  '',
  'e0',
  'e1',
  'e-1',
  'E+2',
  'e3',
  'e15',
  'e308',
  'e309',
  'e-10',
  'e-324',
  'e-400',
]
const numbers = ['', '-'].flatMap((sign) =>
  mantissas.flatMap((digits) => exponents.map((exponent) => sign + digits + exponent)),
)

const formats = ['json', 'csv', 'debezium'] as const

function decoderOf(format: (typeof formats)[number], schema: SchemaData): Decoder {
  const row = schemaOf({ kind: 'struct', fields: [{ name: 'value', schema }] })
  const struct = row as StructSchema<Row>
  const made =
    format === 'json' ? json(struct) : format === 'csv' ? csv(struct) : debezium(json(struct))
  return formatDefinition(made).createDecoder()
}

function decode(format: (typeof formats)[number], decoder: Decoder, text: string): Row {
  const plain = `{"value":${text}}`
  const record = { json: plain, csv: text, debezium: `{"op":"c","after":${plain}}` }[format]
  const bytes = Buffer.from(record)
  const decoded = decoder.decode(bytes, 0, bytes.length)
  return format === 'debezium' ? (decoded as Change<Row>[])[0]!.row : (decoded as Row)
}

const sinks = { parquet: parquetSink, json: fileSink } as const
type SinkName = keyof typeof sinks

function writerOf(sink: SinkName, schema: SchemaData) {
  const fields = [
    { name: 'n', schema: { kind: 'int32' } },
    { name: 'value', schema },
  ] as const
  const struct = schemaOf({ kind: 'struct', fields }) as StructSchema<Row>
  const definition = sinkDefinition(sinks[sink]<Row>({ directory: here.table, schema: struct }))
  return { definition, writer: definition.createWriter(writerContext()) }
}

async function publish(
  { definition }: ReturnType<typeof writerOf>,
  writer: SinkWriter,
): Promise<void> {
  const committer = definition.createCommitter!({ uid: 'sink', job: 'j', doors: testDoors() })
  const marker = { lineage: 'l', instance: 'i', checkpointId: 1 }
  await committer.commit(committablesOf(await writer.prepareCommit(1), 1), marker)
  await writer.close()
}

async function land(sink: SinkName, schema: SchemaData, values: readonly unknown[]): Promise<void> {
  const made = writerOf(sink, schema)
  await made.writer.open!()
  for (let at = 0; at < values.length; at += 1_000) {
    const rows = values.slice(at, at + 1_000).map((value, index) => ({ n: at + index, value }))
    made.writer.write(RecordBatch.ofRows(rows))
  }
  await publish(made, made.writer)
}

/** The values in the order written, each as a text. */
async function read(
  sink: SinkName,
  kind: Pick<Kind, 'sql' | 'jsonSql' | 'jsonType'>,
): Promise<string[]> {
  const { sql, jsonSql = sql, jsonType } = kind
  const from =
    sink === 'parquet'
      ? `read_parquet('${here.table}/*.parquet')`
      : `read_json('${here.table}/*.jsonl', columns = {n: 'INTEGER', value: '${jsonType}'})`
  const shown = sink === 'json' ? jsonSql : sql
  const reader = await here.duck.runAndReadAll(`SELECT ${shown} FROM ${from} ORDER BY n`)
  return (reader.getRowsJS() as (string | number)[][]).map(([value]) =>
    Object.is(value, -0) ? '-0' : String(value),
  )
}

/** As hyparquet reads them: numbers and bigints, and times as dates. */
async function readAlike(): Promise<string[]> {
  const name = (await readdir(here.table)).find((each) => each.endsWith('.parquet'))
  const file = await asyncBufferFromFile(join(here.table, name!))
  return (await parquetReadObjects({ file })).map(({ value }) => {
    if (value instanceof Date) return String(value.getTime())
    return Object.is(value, -0) ? '-0' : String(value)
  })
}

describe.each(kinds)('$name', (kind) => {
  test.each(formats)('of %s is what the text says, in every sink, or refused', async (format) => {
    const decoder = decoderOf(format, kind.schema)
    const values: unknown[] = []
    const expected: string[] = []
    for (const text of numbers) {
      const mayBe = format !== 'csv' || !kind.isWhole || /^-?\d+$/.test(text)
      const right = mayBe ? kind.expected(text) : undefined
      if (right === undefined) {
        expect(() => decode(format, decoder, text), text).toThrow(
          expect.objectContaining({
            code: 'VALUE_UNFIT',
            message: expect.stringContaining(`the value is ${text}`) as string,
          }),
        )
      } else {
        values.push(decode(format, decoder, text)['value'])
        expected.push(right)
      }
    }
    expect(values.length).toBeGreaterThan(10)
    for (const sink of ['parquet', 'json'] as const) {
      const root = here.table
      here.table = join(root, sink)
      await land(sink, kind.schema, values)
      expect(await read(sink, kind)).toEqual(expected)
      if (sink === 'parquet' && kind.schema.kind !== 'decimal')
        expect(await readAlike()).toEqual(expected)
      here.table = root
    }
  })
})

const surrogate = 'a\ud800'
/** What a function may emit, and the text as which a column of each kind holds it. */
const emitted: readonly unknown[] = [
  ...[undefined, null, NaN, Infinity, -Infinity, 0, -0, 1, 0.5, -1.5, 1e21, 5e-324],
  ...[2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 53 - 1, 2 ** 53, -(2 ** 53)],
  ...[8.64e15, 8.64e15 + 1, -8.64e15, -8.64e15 - 1, 99.25],
  ...[0n, 5n, 2n ** 63n - 1n, 2n ** 63n, -(2n ** 63n), -(2n ** 63n) - 1n],
  ...['', 'x', '5', '-5', '1.5', '1.005', '1e3', '0x10', ' 1', '1_0', 'NaN', '9'.repeat(30)],
  ...['2024-02-29', '2024-02-30', '2024-2-1', '+275760-09-13', '+275760-09-14', '0000-01-01'],
  ...[true, false, [], {}, [1], { a: 1 }, new Date(0), Symbol('s'), () => 1],
  ...[Uint8Array.of(1, 2), surrogate],
]

type Column = Pick<Kind, 'name' | 'schema' | 'sql' | 'jsonSql' | 'jsonType'> & {
  expected(value: unknown, sink: SinkName): string | undefined
}

const columns: readonly Column[] = [
  ...kinds.map((kind) => ({ ...kind, expected: (value: unknown) => emittedText(kind, value) })),
  {
    name: 'date',
    schema: { kind: 'date' },
    sql: "(value::DATE - DATE '1970-01-01')::VARCHAR",
    // DuckDB reads no year beyond 9999 from text.
    jsonSql: 'value',
    jsonType: 'VARCHAR',
    expected: (value, sink) => {
      const days = new Map([
        ['2024-02-29', '19782'],
        ['0000-01-01', '-719528'],
        ['+275760-09-13', '100000000'],
      ])
      if (typeof value !== 'string') return undefined
      return sink === 'json' && days.has(value) ? value : days.get(value)
    },
  },
  {
    name: 'bool',
    schema: { kind: 'bool' },
    sql: 'value::VARCHAR',
    jsonType: 'BOOLEAN',
    expected: (value) => (typeof value === 'boolean' ? String(value) : undefined),
  },
]

function emittedText(kind: Kind, value: unknown): string | undefined {
  const { schema } = kind
  switch (schema.kind) {
    case 'float64':
      if (typeof value !== 'number') return undefined
      return Object.is(value, -0) ? '-0' : String(value)
    case 'decimal':
      return typeof value === 'string' && /^-?\d+(\.\d+)?(e\d+)?$/.test(value)
        ? kind.expected(value)
        : undefined
    case 'int64':
      if (typeof value === 'bigint') return within(value, -(2n ** 63n), 2n ** 63n - 1n)
      break
    default:
  }
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) return undefined
  return schema.kind === 'int64' ? String(BigInt(value)) : kind.expected(String(BigInt(value)))
}

describe.each(['parquet', 'json'] as const)('what a function emits into %s', (sink) => {
  test.each(columns)('$name arrives as it is, or is refused', async (column) => {
    const taken: unknown[] = []
    const expected: string[] = []
    for (const value of emitted) {
      const right = column.expected(value, sink)
      if (right !== undefined) {
        taken.push(value)
        expected.push(right)
        continue
      }
      const { writer } = writerOf(sink, column.schema)
      await writer.open!()
      const name =
        typeof value === 'symbol' ? 'a symbol' : typeof value === 'function' ? 'f' : value
      const write = (): void => {
        writer.write(RecordBatch.ofRows([{ n: 0, value }]))
      }
      expect(write, String(name)).toThrow(/"value" of "sink" is .*, the value is /)
      expect(write).toThrow(expect.objectContaining({ code: 'VALUE_UNFIT' }))
      await writer.close()
    }
    expect(taken.length).toBeGreaterThan(1)
    await land(sink, column.schema, taken)
    expect(await read(sink, column)).toEqual(expected)
  })
})
