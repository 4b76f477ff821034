/**
 * Texts, bytes, lists and structs × every format × every sink, over hostile values: each arrives as
 * it is, or is refused. DuckDB and hyparquet read what the sinks have written.
 */
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { RecordBatch, schemaOf, sinkDefinition } from '../engine/index.ts'
import type { Change, SchemaData, StructSchema } from '../engine/index.ts'
import { fileSink } from './files/file-sink.ts'
import { csv } from './formats/csv-format.ts'
import { debezium } from './formats/debezium-format.ts'
import { formatDefinition } from './formats/format.ts'
import { json } from './formats/json-format.ts'
import { text } from './formats/text-format.ts'
import { parquetSink } from './parquet/parquet-sink.ts'
import { duckTable } from './parquet/testing.ts'
import { committablesOf, testDoors, writerContext } from './testing.ts'

type Row = Readonly<Record<string, unknown>>

const here = duckTable()

const utf8 = { kind: 'utf8' } as const
const nullable = (of: SchemaData): SchemaData => ({ kind: 'nullable', of })
const list = (item: SchemaData): SchemaData => ({ kind: 'list', item })
const struct = (fields: Readonly<Record<string, SchemaData>>): SchemaData => ({
  kind: 'struct',
  fields: Object.entries(fields).map(([name, schema]) => ({ name, schema })),
})

const TEXTS = [
  ...['', ' ', 'a', '"', '""', 'a"b', "'", ',', 'a,b', '\n', 'a\nb', '\r', 'a\rb', 'a\r\nb', '\t'],
  ...[
    '\\',
    '\\n',
    '\\u0000',
    '\0',
    'a\0b',
    '\u0001',
    '\u007f',
    '\u2028',
    '\ufeff',
    '\ufeffa',
    'a\ufeff',
  ],
  ...[
    'é',
    'e\u0301',
    '😀',
    '👨‍👩‍👧',
    '\u{10ffff}',
    '\uffff',
    'null',
    'NaN',
    'true',
    '1e5',
    '__proto__',
  ],
  ...['constructor', '${x}', '{}', '[]', '#', '-- x', 'x'.repeat(100_000), '😀'.repeat(20_000)],
]
const LONE = ['\ud800', 'a\udc00', '\udc00\ud800', '😀\ud83d']
const ENTRY = struct({ ['__proto__']: nullable({ kind: 'int32' }), b: nullable(utf8) })
const entry = (proto: number | null, b: string | null): object =>
  Object.fromEntries<unknown>([
    ['__proto__', proto],
    ['b', b],
  ])
const PAIR = struct({ a: { kind: 'int32' }, b: list(utf8) })
const pair = (a: number): object => ({ a, b: a === 1 ? [] : ['x', ''] })

interface Column {
  readonly schema: SchemaData
  readonly values: readonly unknown[]
}

const COLUMNS: Readonly<Record<string, Column>> = {
  utf8: { schema: utf8, values: TEXTS },
  'nullable utf8': { schema: nullable(utf8), values: [null, ...TEXTS] },
  'list of utf8': {
    schema: list(utf8),
    values: [[], [''], TEXTS, ...TEXTS.map((value) => [value, value])],
  },
  'nullable list of nullables': {
    schema: nullable(list(nullable(utf8))),
    values: [null, [], [null], [null, null], ['', null], [null, 'a', null]],
  },
  'list of lists': {
    schema: list(nullable(list(nullable({ kind: 'int32' })))),
    values: [[], [[]], [null], [[], null, [null]], [[1, null], [], [2 ** 31 - 1]]],
  },
  struct: {
    schema: ENTRY,
    values: [entry(null, null), entry(1, ''), entry(-1, '__proto__'), entry(0, '\0')],
  },
  'nullable struct': {
    schema: nullable(struct({ a: list(PAIR), c: nullable(PAIR) })),
    values: [null, { a: [], c: pair(1) }, { a: [pair(1), pair(2)], c: pair(3) }],
  },
}

function rowSchema(schema: SchemaData): StructSchema<Row> {
  return schemaOf(struct({ n: { kind: 'int32' }, value: schema })) as StructSchema<Row>
}

type FormatName = 'json' | 'debezium' | 'csv'
const quoted = (value: string | null): string =>
  value === null ? '' : `"${value.replaceAll('"', '""')}"`

/** The row of a text in that format; `value` is JSON, or in CSV a cell. */
function decode(format: FormatName, schema: SchemaData, value: string): Row {
  const row = rowSchema(schema)
  const made = format === 'csv' ? csv(row) : format === 'json' ? json(row) : debezium(json(row))
  const plain = `{"n":0,"value":${value}}`
  const written = { json: plain, debezium: `{"op":"c","after":${plain}}`, csv: `0,${value}` }[
    format
  ]
  const bytes = Buffer.from(written)
  const decoded = formatDefinition(made).createDecoder().decode(bytes, 0, bytes.length)
  return format === 'debezium' ? (decoded as readonly Change<Row>[])[0]!.row : (decoded as Row)
}

async function land(
  sink: 'parquet' | 'json',
  schema: SchemaData,
  values: readonly unknown[],
): Promise<string> {
  const directory = join(here.root, sink)
  const options = { directory, schema: rowSchema(schema) }
  const definition = sinkDefinition(sink === 'parquet' ? parquetSink(options) : fileSink(options))
  const writer = definition.createWriter(writerContext())
  await writer.open!()
  writer.write(RecordBatch.ofRows(values.map((value, n) => ({ n, value }))))
  const committer = definition.createCommitter!({ uid: 'sink', job: 'j', doors: testDoors() })
  const marker = { lineage: 'l', instance: 'i', checkpointId: 1 }
  await committer.commit(committablesOf(await writer.prepareCommit(1), 1), marker)
  await writer.close()
  const name = (await readdir(directory)).find((each) => /\.(parquet|jsonl)$/.test(each))
  return join(directory, name!)
}

/** Equal values have equal texts; `__proto__` is a field like others. */
const shown = (values: readonly unknown[]): string[] => values.map((value) => JSON.stringify(value))

async function expectArrived(schema: SchemaData, values: readonly unknown[]): Promise<void> {
  const expected = shown(values)
  const lines = (await readFile(await land('json', schema, values), 'utf8')).split('\n')
  expect(lines.pop()).toBe('')
  expect(shown(lines.map((line) => (JSON.parse(line) as Row)['value']))).toEqual(expected)
  const path = await land('parquet', schema, values)
  const file = await asyncBufferFromFile(path)
  const rows = await parquetReadObjects({ file })
  // It gives undefined for null, drops a byte order mark, and has no field `__proto__`.
  const alike = shown(rows.map((row): unknown => row['value'] ?? null))
  const plain = (each: string): boolean => !/\ufeff|__proto__/.test(each)
  expect(alike.filter((_, at) => plain(expected[at]!))).toEqual(expected.filter(plain))
  const reader = await here.duck.runAndReadAll(
    `SELECT to_json(value)::VARCHAR FROM read_parquet('${path}') ORDER BY n`,
  )
  const read = reader
    .getRowsJS()
    .map(([value]) => JSON.parse((value ?? 'null') as string) as unknown)
  expect(shown(read)).toEqual(expected)
}

test.each(Object.entries(COLUMNS))('%s of JSON and Debezium', async (_, { schema, values }) => {
  for (const format of ['json', 'debezium'] as const) {
    const read = values.map((value) => decode(format, schema, JSON.stringify(value))['value'])
    expect(shown(read)).toEqual(shown(values))
    if (format === 'json') await expectArrived(schema, read)
  }
})

test('texts of CSV: quoted, and null where the cell is empty and not quoted', async () => {
  for (const [schema, values] of [
    [utf8, TEXTS],
    [nullable(utf8), [null, ...TEXTS]],
  ] as const) {
    const read = values.map((value) => decode('csv', schema, quoted(value))['value'])
    expect(shown(read)).toEqual(shown(values))
  }
})

test('lines of text', () => {
  const decoder = formatDefinition(text()).createDecoder()
  for (const value of TEXTS) {
    const bytes = Buffer.from(value)
    expect(decoder.decode(bytes, 0, bytes.length)).toBe(value)
  }
})

test.each(LONE)('half a character, %j, is refused on the way in and out', async (value) => {
  const escaped = JSON.stringify(value)
  for (const format of ['json', 'debezium'] as const) {
    let row: Row | undefined
    try {
      row = decode(format, utf8, escaped)
    } catch (error) {
      expect(error).toMatchObject({ code: 'VALUE_UNFIT' })
    }
    if (row !== undefined) expect(row['value']).toBe(value)
  }
  for (const sink of ['parquet', 'json'] as const) {
    for (const [schema, held] of [
      [utf8, value],
      [list(utf8), [value]],
      [ENTRY, entry(1, value)],
    ] as const) {
      await expect(land(sink, schema, [held])).rejects.toMatchObject({ code: 'VALUE_UNFIT' })
    }
  }
})

test.each<[string, SchemaData, unknown]>([
  ['null in a list of texts', list(utf8), [null]],
  ['undefined in a list', list(utf8), [undefined]],
  ['a hole in a list', list(utf8), new Array(1)],
  ['an object for a list', list(utf8), { 0: 'a', length: 1 }],
  ['a list for a struct', ENTRY, [1, 'a']],
  ['a text for a list', list(utf8), 'abc'],
  ['a number for a text', utf8, 5],
  ['a Date for a text', utf8, new Date(0)],
  ['a String object', utf8, Object('a')],
  ['null for a struct', ENTRY, null],
  ['a text for bytes', { kind: 'binary' }, 'AAE='],
  ['numbers for bytes', { kind: 'binary' }, [1, 2]],
])('%s is refused by every sink', async (_, schema, value) => {
  for (const sink of ['parquet', 'json'] as const) {
    await expect(land(sink, schema, [value])).rejects.toMatchObject({ code: 'VALUE_UNFIT' })
  }
})

test('bytes arrive as they are', async () => {
  const all = Uint8Array.from({ length: 256 }, (_, index) => index)
  const values = [new Uint8Array(0), Uint8Array.of(0), all, Buffer.from(all).subarray(5, 9)]
  const hex = values.map((bytes) => Buffer.from(bytes).toString('hex').toUpperCase())
  const path = await land('parquet', { kind: 'binary' }, values)
  const reader = await here.duck.runAndReadAll(
    `SELECT hex(value) FROM read_parquet('${path}') ORDER BY n`,
  )
  expect(reader.getRowsJS().map(([value]) => value)).toEqual(hex)
  const lines = (await readFile(await land('json', { kind: 'binary' }, values), 'utf8')).trimEnd()
  const back = lines.split('\n').map((line) => {
    const { value } = JSON.parse(line) as { value: string }
    return decode('json', { kind: 'binary' }, JSON.stringify(value))['value'] as Uint8Array
  })
  expect(back.map((bytes) => Buffer.from(bytes).toString('hex').toUpperCase())).toEqual(hex)
})

test('of a key that stands twice, and of keys in another order, JSON has one meaning', () => {
  const schema = struct({ a: { kind: 'int32' }, b: { kind: 'int32' } })
  expect(decode('json', schema, '{"b":2,"a":1}')['value']).toEqual({ a: 1, b: 2 })
  expect(decode('json', schema, '{"a":1,"b":2,"a":3}')['value']).toEqual({ a: 3, b: 2 })
})
