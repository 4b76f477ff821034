/** A partitioned table is read by others as it is: DuckDB here; the rules are those of Hive. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { RecordBatch, schemaOf, sinkDefinition } from '../../engine/index.ts'
import type { SchemaData, StructSchema } from '../../engine/index.ts'
import { parquetSink } from '../parquet/parquet-sink.ts'
import { duckTable } from '../parquet/testing.ts'
import { committablesOf, testDoors, writerContext } from '../testing.ts'
import { fileSink } from './file-sink.ts'
import type { PartitionOptions } from './partitioning.ts'

const here = duckTable()

type Row = Readonly<Record<string, unknown>>
const utf8 = { kind: 'utf8' } as const
const nullable = (of: SchemaData): SchemaData => ({ kind: 'nullable', of })
const sinks = { parquet: parquetSink, json: fileSink } as const
type Kind = keyof typeof sinks

function sinkOf(kind: Kind, named: Readonly<Record<string, SchemaData>>, options: object) {
  const fields = Object.entries(named).map(([name, schema]) => ({ name, schema }))
  const schema = schemaOf({ kind: 'struct', fields }) as StructSchema<Row>
  return sinkDefinition(sinks[kind]<Row>({ directory: here.table, schema, ...options }))
}

async function land(
  kind: Kind,
  named: Readonly<Record<string, SchemaData>>,
  rows: readonly Row[],
  options: PartitionOptions<Row>,
): Promise<void> {
  const definition = sinkOf(kind, named, options)
  const writer = definition.createWriter(writerContext())
  await writer.open!()
  try {
    writer.write(RecordBatch.ofRows(rows))
    const effects = await writer.prepareCommit(1)
    const committer = definition.createCommitter!({ uid: 'sink', job: 'j', doors: testDoors() })
    const marker = { lineage: 'l', instance: 'i', checkpointId: 1 }
    await committer.commit(committablesOf(effects, 1), marker)
  } finally {
    await writer.close()
  }
}

/** The rows as DuckDB reads the table, its columns of the path as text. */
async function read(kind: Kind, columns: string, paths: readonly string[]): Promise<unknown[]> {
  const types = paths.map((name) => `'${name}': VARCHAR`).join(', ')
  const hive = `hive_partitioning = true, hive_types = {${types}}`
  const from =
    kind === 'parquet'
      ? `read_parquet('${here.table}/**/*.parquet', ${hive})`
      : `read_json('${here.table}/**/*.jsonl', format = 'newline_delimited', ${hive})`
  const reader = await here.duck.runAndReadAll(`SELECT ${columns} FROM ${from} ORDER BY ALL`)
  return reader.getRowObjectsJson()
}

async function folders(): Promise<string[]> {
  return (await readdir(here.table)).filter((name) => name !== '_millrace').sort()
}

const hostile = [
  '007',
  'x',
  'a/b',
  'a=b',
  '100%',
  '%2F',
  'Zoë 🚲',
  ' lead',
  '..',
  '_hidden',
  'quote\'"',
  'tab\tline\n',
  '*?[x]{y}^|<>:;&+#',
  'NULL',
  'null',
  'true',
  '2024-01-01',
]

describe.each(['parquet', 'json'] as const)('%s', (kind) => {
  test('a column in the path is not in the files, and is read as it was', async () => {
    const rows = hostile.map((shop, n) => ({ shop, n }))
    await land(kind, { shop: utf8, n: { kind: 'int32' } }, rows, { partitionBy: 'shop' })
    const found = await read(kind, 'n::INT n, shop', ['shop'])
    expect(found).toEqual(rows.map(({ shop, n }) => ({ n, shop })))
  })

  test('null and the empty text are what Hive calls the default partition', async () => {
    const rows = [null, '', 'x'].map((shop, n) => ({ shop, n }))
    await land(kind, { shop: nullable(utf8), n: { kind: 'int32' } }, rows, { partitionBy: 'shop' })
    expect(await folders()).toEqual(['shop=__HIVE_DEFAULT_PARTITION__', 'shop=x'])
    expect(await read(kind, 'n::INT n, shop', ['shop'])).toEqual([
      { n: 0, shop: null },
      { n: 1, shop: null },
      { n: 2, shop: 'x' },
    ])
  })

  test('several columns of every type that a path can hold', async () => {
    const named = {
      day: { kind: 'date' },
      id: { kind: 'int64', as: 'bigint' },
      paid: { kind: 'bool' },
      price: { kind: 'decimal', precision: 9, scale: 2 },
      n: { kind: 'int32' },
    } as const
    const row = { day: '+002024-02-29', id: -(2n ** 63n), paid: true, price: '1.5', n: -0 }
    await land(kind, named, [row], { partitionBy: ['day', 'id', 'paid', 'price'] })
    const paths = ['day', 'id', 'paid', 'price']
    expect(await read(kind, 'day, id, paid, price', paths)).toEqual([
      { day: '2024-02-29', id: '-9223372036854775808', paid: 'true', price: '1.50' },
    ])
  })

  test('a table whose one column is in the path is read as well', async () => {
    const rows = ['007', 'x', 'x'].map((shop) => ({ shop }))
    for (const [index, by] of ['shop', ({ shop }: Row) => `shop=${String(shop)}`].entries()) {
      here.table = join(here.root, `t${index}`)
      await land(kind, { shop: utf8 }, rows, { partitionBy: by })
      expect(await read(kind, 'shop', ['shop'])).toEqual(rows)
    }
  })

  test('a function may name other folders, of which no column is left out', async () => {
    const rows = [{ at: 0 }, { at: 86_400_000 }]
    const partitionBy = ({ at }: Row) => `day=${new Date(at as number).toISOString().slice(0, 10)}`
    await land(kind, { at: { kind: 'int32' } }, rows, { partitionBy })
    expect(await read(kind, '"at"::INT "at", day', ['day'])).toEqual([
      { at: 0, day: '1970-01-01' },
      { at: 86_400_000, day: '1970-01-02' },
    ])
  })

  test('with keepPartitionColumns the columns stand in the files too', async () => {
    const rows = [{ shop: 'a/b' }, { shop: '' }]
    const options = { partitionBy: 'shop', keepPartitionColumns: true } as const
    await land(kind, { shop: utf8 }, rows, options)
    const from = kind === 'parquet' ? 'read_parquet' : 'read_json'
    const end = kind === 'parquet' ? 'parquet' : 'jsonl'
    const sql = `SELECT shop FROM ${from}('${here.table}/**/*.${end}', hive_partitioning = false) ORDER BY shop`
    expect((await here.duck.runAndReadAll(sql)).getRowObjectsJson()).toEqual([
      { shop: '' },
      { shop: 'a/b' },
    ])
  })

  test.each<[string, SchemaData, unknown, (row: Row) => string, RegExp]>([
    [
      'two folders',
      utf8,
      'a/b',
      ({ v }) => `v=${String(v)}`,
      /says "v=a", the record's "v" is "a\/b"/,
    ],
    ['null as text', nullable(utf8), null, ({ v }) => `v=${String(v)}`, /the record's "v" is ""/],
    ['another value', { kind: 'int32' }, 7, () => 'v=007', /says "v=007", the record's "v" is "7"/],
    ['half a value', { kind: 'timestamp' }, 7, () => 'v=1970-01-01', /a column of timestamp/],
  ])(
    'a path that does not hold the whole value is refused: %s',
    async (_, v, value, by, message) => {
      const written = land(kind, { v }, [{ v: value }], { partitionBy: by })
      await expect(written).rejects.toThrow(message)
      await expect(written).rejects.toMatchObject({ code: 'VALUE_UNFIT' })
      await expect(written).rejects.toHaveProperty(
        'hint',
        expect.stringContaining('keepPartitionColumns'),
      )
      const keep = { partitionBy: by, keepPartitionColumns: true }
      await land(kind, { v }, [{ v: value }], keep)
    },
  )

  test.each<[string, SchemaData, unknown]>([
    ['too long', utf8, 'é'.repeat(200)],
    ['half a character', utf8, 'a\ud800'],
    ['what means null', utf8, '__HIVE_DEFAULT_PARTITION__'],
    ['no int32', { kind: 'int32' }, 1.5],
    ['no day', { kind: 'date' }, '2024-02-30'],
    ['null', utf8, null],
  ])('a value that no folder can hold is refused: %s', async (_, v, value) => {
    const written = land(kind, { v }, [{ v: value }], { partitionBy: 'v' })
    await expect(written).rejects.toMatchObject({ code: 'VALUE_UNFIT', message: /"v" / })
  })

  test.each<[string, object, RegExp]>([
    ['no column', { partitionBy: 'shops' }, /"partitionBy" of \w+ is "shops", which is no column/],
    ['a time', { partitionBy: ['shop', 'at'] }, /"at", which is timestamp/],
    ['nothing', { partitionBy: [] }, /"partitionBy" of \w+ is \[\]/],
    ['twice', { partitionBy: ['shop', 'shop'] }, /each once|"shop","shop"/],
    ['no name', { partitionBy: 7 }, /is 7, which is no column/],
    ['a text', { partitionBy: 'shop', keepPartitionColumns: 'no' }, /"keepPartitionColumns"/],
  ])('what cannot be a partition is refused when the sink is made: %s', (_, options, message) => {
    const named = { shop: utf8, at: { kind: 'timestamp' } } as const
    expect(() => sinkOf(kind, named, options)).toThrow(message)
    expect(() => sinkOf(kind, named, options)).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID' }),
    )
  })
})

test('many folders of lines at once, each whole, with few files open', async () => {
  const rows = Array.from({ length: 2_000 }, (_, id) => ({ id, p: id % 500, text: 'x'.repeat(50) }))
  const named = { id: { kind: 'int32' }, p: { kind: 'int32' }, text: utf8 } as const
  await land('json', named, rows, { partitionBy: 'p' })
  const [sums] = await read(
    'json',
    'count(*)::INT n, count(DISTINCT id)::INT d, bool_and(id % 500 = p::INT) same',
    ['p'],
  )
  expect(sums).toEqual({ n: 2_000, d: 2_000, same: true })
})

test.each(['parquet', 'json'] as const)('a promise in place of a folder, %s', async (kind) => {
  const partitionBy = (() => Promise.resolve('a=1')) as unknown as () => string
  await expect(land(kind, { n: utf8 }, [{ n: 'x' }], { partitionBy })).rejects.toMatchObject({
    code: 'STEP_ASYNC',
    message: 'partitionBy of "sink" returned a promise',
  })
})
