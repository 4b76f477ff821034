import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { RecordBatch } from '../../engine/index.ts'
import type { SchemaData } from '../../engine/index.ts'
import {
  begin,
  duckTable,
  int32,
  land,
  nullable,
  parquetFiles,
  query,
  struct,
  utf8,
} from './testing.ts'
import type { Named, Row } from './testing.ts'

const here = duckTable()

const every: Named = {
  text: utf8,
  small: int32,
  large: { kind: 'int64', as: 'bigint' },
  safe: { kind: 'int64', as: 'number' },
  float: { kind: 'float64' },
  flag: { kind: 'bool' },
  at: { kind: 'timestamp' },
  day: { kind: 'date' },
  short: { kind: 'decimal', precision: 9, scale: 2 },
  long: { kind: 'decimal', precision: 38, scale: 10 },
  bytes: { kind: 'binary' },
  tags: { kind: 'list', item: nullable(utf8) },
  nest: { kind: 'list', item: { kind: 'list', item: int32 } },
  place: struct({ city: nullable(utf8), at: struct({ x: { kind: 'float64' } }) }),
}
const rows: Row[] = [
  {
    text: 'plain',
    small: 2_147_483_647,
    large: 9_223_372_036_854_775_807n,
    safe: 9_007_199_254_740_991,
    float: 1.5,
    flag: true,
    at: 1_700_000_000_123,
    day: '2024-02-29',
    short: '9999999.99',
    long: '9999999999999999999999999999.9999999999',
    bytes: Uint8Array.of(0, 255, 10),
    tags: ['a', null, ''],
    nest: [[1, 2], [], [3]],
    place: { city: 'Zürich', at: { x: 1 } },
  },
  {
    text: '',
    small: -2_147_483_648,
    large: -9_223_372_036_854_775_808n,
    safe: -9_007_199_254_740_991,
    float: -0,
    flag: false,
    at: -86_400_001,
    day: '1582-10-15',
    short: '-0.05',
    long: '-9999999999999999999999999999.9999999999',
    bytes: new Uint8Array(0),
    tags: [],
    nest: [],
    place: { city: null, at: { x: -0 } },
  },
  {
    text: 'né 🚲 \u0000 "\'',
    small: -1,
    large: -1n,
    safe: -4_294_967_297,
    float: NaN,
    flag: true,
    at: -1,
    day: '9999-12-31',
    short: '1',
    long: '-0.0000000001',
    bytes: new Uint8Array(300).fill(7),
    tags: ['🚲'],
    nest: [[]],
    place: { city: '', at: { x: Infinity } },
  },
]
const names = Object.keys(every)
const nulls: Row = Object.fromEntries(names.map((name) => [name, null]))
const everyNullable: Named = Object.fromEntries(
  Object.entries(every).map(([name, schema]) => [name, nullable(schema)]),
)

const asText = `SELECT text, small::VARCHAR AS small, large::VARCHAR AS large,
  safe::VARCHAR AS safe, float::VARCHAR AS float, flag, epoch_ms("at")::VARCHAR AS "at",
  day::VARCHAR AS day, short::VARCHAR AS short, long::VARCHAR AS long, hex(bytes) AS bytes,
  to_json(tags)::VARCHAR AS tags, to_json(nest)::VARCHAR AS nest, place.city AS city,
  place."at".x::VARCHAR AS x FROM TABLE`

const expected: Row[] = [
  {
    text: 'plain',
    small: '2147483647',
    large: '9223372036854775807',
    safe: '9007199254740991',
    float: '1.5',
    flag: true,
    at: '1700000000123',
    day: '2024-02-29',
    short: '9999999.99',
    long: '9999999999999999999999999999.9999999999',
    bytes: '00FF0A',
    tags: '["a",null,""]',
    nest: '[[1,2],[],[3]]',
    city: 'Zürich',
    x: '1.0',
  },
  {
    text: '',
    small: '-2147483648',
    large: '-9223372036854775808',
    safe: '-9007199254740991',
    float: '-0.0',
    flag: false,
    at: '-86400001',
    day: '1582-10-15',
    short: '-0.05',
    long: '-9999999999999999999999999999.9999999999',
    bytes: '',
    tags: '[]',
    nest: '[]',
    city: null,
    x: '-0.0',
  },
  {
    text: 'né 🚲 \u0000 "\'',
    small: '-1',
    large: '-1',
    safe: '-4294967297',
    float: 'nan',
    flag: true,
    at: '-1',
    day: '9999-12-31',
    short: '1.00',
    long: '-0.0000000001',
    bytes: '07'.repeat(300),
    tags: '["🚲"]',
    nest: '[[]]',
    city: '',
    x: 'inf',
  },
]

test('DuckDB reads every type as it was written', async () => {
  await land(here.table, every, rows)
  expect(await query(here.duck, here.table, asText)).toEqual(expected)
  const types = await query(here.duck, here.table, 'DESCRIBE SELECT * FROM TABLE')
  expect(types.map((column) => column['column_type'])).toEqual([
    'VARCHAR',
    'INTEGER',
    'BIGINT',
    'BIGINT',
    'DOUBLE',
    'BOOLEAN',
    'TIMESTAMP WITH TIME ZONE',
    'DATE',
    'DECIMAL(9,2)',
    'DECIMAL(38,10)',
    'BLOB',
    'VARCHAR[]',
    'INTEGER[][]',
    'STRUCT(city VARCHAR, "at" STRUCT(x DOUBLE))',
  ])
})

test('nulls among values, in every type', async () => {
  const mixed = [nulls, rows[0]!, nulls, rows[1]!, {}, rows[2]!, nulls]
  await land(here.table, everyNullable, mixed)
  const none = Object.fromEntries(Object.keys(expected[0]!).map((name) => [name, null]))
  const found = await query(here.duck, here.table, asText)
  expect(found).toEqual([none, expected[0], none, expected[1], none, expected[2], none])
})

test('hyparquet reads the same', async () => {
  await land(here.table, every, rows)
  const [name] = await parquetFiles(here.table)
  const file = await asyncBufferFromFile(join(here.table, name!))
  const read = await parquetReadObjects({ file, utf8: false })
  expect(read).toHaveLength(3)
  for (const [index, row] of read.entries()) {
    const { text, small, large, float, flag, at, day, tags, nest, place } = rows[index]!
    expect(row).toMatchObject({ text, small, large, float, flag, tags, nest, place })
    expect((row['at'] as Date).getTime()).toBe(at)
    expect((row['day'] as Date).toISOString().slice(0, 10)).toBe(day)
    expect(row['safe']).toBe(BigInt(rows[index]!['safe'] as number))
  }
})

test.each<[string, SchemaData, unknown, RegExp]>([
  ['text', utf8, 7, /"value" of "sink" is utf8, the value is 7/],
  ['half a character', utf8, 'a\ud800', /"value" of "sink" is utf8/],
  ['another word', { kind: 'utf8', oneOf: ['a'] }, 'b', /one of a, the value is "b"/],
  ['a fraction', int32, 1.5, /is int32, the value is 1.5/],
  ['too large', int32, 2 ** 31, /is int32, the value is 2147483648/],
  ['too long', { kind: 'int64', as: 'bigint' }, 2n ** 63n, /is int64, the value is 9223/],
  ['unsafe', { kind: 'int64', as: 'number' }, 2 ** 53, /is int64, the value is 9007/],
  ['no number', { kind: 'float64' }, '1', /is float64, the value is "1"/],
  ['no boolean', { kind: 'bool' }, 1, /is bool/],
  ['half a millisecond', { kind: 'timestamp' }, 0.5, /is timestamp, the value is 0.5/],
  ['a bigint', { kind: 'timestamp' }, 1n, /is timestamp/],
  ['no day', { kind: 'date' }, '2023-02-30', /is date/],
  ['a number of days', { kind: 'date' }, 5, /is date, the value is 5/],
  ['too many digits', { kind: 'decimal', precision: 4, scale: 2 }, '100.00', /decimal\(4, 2\)/],
  ['a third decimal', { kind: 'decimal', precision: 9, scale: 2 }, '1.005', /decimal/],
  ['no bytes', { kind: 'binary' }, [1], /is binary/],
  ['no list', { kind: 'list', item: utf8 }, 'a', /"value" of "sink" is a list of utf8/],
  ['a list of others', { kind: 'list', item: utf8 }, [1], /"value\[\]" of "sink" is utf8/],
  ['a struct of others', struct({ x: utf8 }), { x: 1 }, /"value.x" of "sink" is utf8/],
  ['null', utf8, null, /the value is null/],
  ['nothing', utf8, undefined, /the value is missing/],
])('a value that does not fit is refused: %s', async (_, schema, value, message) => {
  const { writer } = await begin(here.table, { value: schema })
  const batch = new RecordBatch(
    1,
    [{ value }],
    undefined,
    undefined,
    undefined,
    0,
    Float64Array.of(812),
  )
  expect(() => writer.write(batch)).toThrow(message)
  expect(() => writer.write(batch)).toThrow(
    expect.objectContaining({ code: 'VALUE_UNFIT', place: { offset: 812 } }),
  )
  await writer.close()
})

test('column names are any text', async () => {
  const odd = ['a.b', '__proto__', 'toString', 'select "x"', 'é', ' ']
  const named = Object.fromEntries(odd.map((name) => [name, int32])) as Named
  const own = Object.fromEntries(odd.map((name, index) => [name, index])) as Row
  const schema: Named = { ...named, ['__proto__']: int32 }
  Object.defineProperty(own, '__proto__', { value: 1, enumerable: true })
  await land(here.table, schema, [own])
  const reader = await here.duck.runAndReadAll(
    `SELECT * FROM read_parquet('${here.table}/*.parquet')`,
  )
  expect(reader.columnNames()).toEqual(odd)
  expect(reader.getRowsJS()).toEqual([odd.map((_, index) => index)])
})

test('the same records give the same bytes', async () => {
  const digests: Buffer[] = []
  for (const name of ['a', 'b']) {
    here.table = join(here.root, name)
    await land(here.table, every, rows)
    digests.push(await readFile(join(here.table, (await parquetFiles(here.table))[0]!)))
  }
  expect(digests[0]!.equals(digests[1]!)).toBe(true)
})
