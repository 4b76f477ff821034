import { DuckDBInstance } from '@duckdb/node-api'
import type { DuckDBConnection } from '@duckdb/node-api'
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { RecordBatch, schemaOf, sinkDefinition, systemFiles } from '../../engine/index.ts'
import type {
  Committer,
  Files,
  Json,
  SchemaData,
  SinkWriter,
  StructSchema,
} from '../../engine/index.ts'
import { committablesOf, crashingFiles, testDoors, writerContext } from '../testing.ts'
import type { TestWriterContext } from '../testing.ts'
import { parquetSink } from './parquet-sink.ts'
import type { ParquetSinkOptions } from './parquet-sink.ts'

let root = ''
let table = ''
let duck: DuckDBConnection

beforeAll(async () => {
  duck = await (await DuckDBInstance.create(':memory:')).connect()
})
afterAll(() => {
  duck.closeSync()
})
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-parquet-'))
  table = join(root, 'table')
})
afterEach(() => rm(root, { recursive: true }))

type Named = Readonly<Record<string, SchemaData>>
type Options = Partial<Omit<ParquetSinkOptions<never>, 'partitionBy'>> & {
  readonly partitionBy?: (record: Row) => string
}
type Row = Readonly<Record<string, unknown>>

function struct(named: Named): SchemaData {
  return {
    kind: 'struct',
    fields: Object.entries(named).map(([name, schema]) => ({ name, schema })),
  }
}

function sink(named: Named, options: Options = {}) {
  const schema = schemaOf<Row>(struct(named)) as StructSchema<Row>
  return sinkDefinition(parquetSink<Row>({ directory: table, schema, ...options }))
}

async function begin(
  named: Named,
  options: Options = {},
  context = writerContext(),
): Promise<{ writer: SinkWriter; committer: Committer; context: TestWriterContext }> {
  const definition = sink(named, options)
  const writer = definition.createWriter(context)
  await writer.open!()
  const committer = definition.createCommitter!({ uid: 'sink', job: 'j', doors: testDoors() })
  return { writer, committer, context }
}

/** Hands over rows in batches, waiting while the writer is full. */
async function writeRows(
  writer: SinkWriter,
  context: TestWriterContext,
  rows: readonly Row[],
): Promise<void> {
  for (let at = 0; at < rows.length; at += 1_024) {
    while (!writer.ready()) await context.kicked()
    writer.write(RecordBatch.ofRows(rows.slice(at, at + 1_024)))
  }
}

async function commit(committer: Committer, effects: readonly Json[], id = 1): Promise<void> {
  const marker = { lineage: 'l', instance: 'i', checkpointId: id }
  await committer.commit(committablesOf(effects, id), marker)
}

async function land(named: Named, rows: readonly Row[], options: Options = {}): Promise<void> {
  const { writer, committer, context } = await begin(named, options)
  await writeRows(writer, context, rows)
  await commit(committer, await writer.prepareCommit(1))
  await writer.close()
}

async function query(sql: string): Promise<Row[]> {
  const reader = await duck.runAndReadAll(
    sql.replaceAll('TABLE', `read_parquet('${table}/**/*.parquet', hive_partitioning = false)`),
  )
  return reader.getRowObjectsJS() as Row[]
}

async function parquetFiles(): Promise<string[]> {
  const names = await readdir(table, { recursive: true })
  return names.filter((name) => name.endsWith('.parquet')).sort()
}

const utf8 = { kind: 'utf8' } as const
const int32 = { kind: 'int32' } as const
const nullable = (of: SchemaData): SchemaData => ({ kind: 'nullable', of })

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
  await land(every, rows)
  expect(await query(asText)).toEqual(expected)
  const types = await query('DESCRIBE SELECT * FROM TABLE')
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
  await land(everyNullable, mixed)
  const none = Object.fromEntries(Object.keys(expected[0]!).map((name) => [name, null]))
  const found = await query(asText)
  expect(found).toEqual([none, expected[0], none, expected[1], none, expected[2], none])
})

test('hyparquet reads the same', async () => {
  await land(every, rows)
  const [name] = await parquetFiles()
  const file = await asyncBufferFromFile(join(table, name!))
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

test.each(['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4'] as const)(
  'compressed by %s, in row groups as asked for',
  async (compression) => {
    const named = { id: int32, name: utf8 }
    const many = Array.from({ length: 25_000 }, (_, id) => ({ id, name: `name ${id % 100}` }))
    await land(named, many, { compression, rowGroupRows: 10_000 })
    const [sums] = await query(
      'SELECT count(*)::INT n, sum(id)::INT ids, max(name) AS m FROM TABLE',
    )
    expect(sums).toEqual({ n: 25_000, ids: (25_000 * 24_999) / 2, m: 'name 99' })
    const [name] = await parquetFiles()
    const metadata = await parquetMetadataAsync(await asyncBufferFromFile(join(table, name!)))
    expect(metadata.row_groups.map((group) => Number(group.num_rows))).toEqual([
      10_000, 10_000, 5_000,
    ])
  },
)

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
  const context = writerContext()
  const { writer } = await begin({ value: nullable(utf8), other: utf8 }, {}, context)
  await writer.close()
  const { writer: refusing } = await begin({ value: schema }, {}, context)
  const good = { kind: schema.kind }
  expect(good.kind).toBeDefined()
  const batch = new RecordBatch(
    1,
    [{ value }],
    undefined,
    undefined,
    undefined,
    0,
    Float64Array.of(812),
  )
  expect(() => refusing.write(batch)).toThrow(message)
  expect(() => refusing.write(batch)).toThrow(
    expect.objectContaining({ code: 'VALUE_UNFIT', place: { offset: 812 } }),
  )
  await refusing.close()
})

test('the refused record of a batch is found, in partitions too', async () => {
  const context = writerContext()
  const options: Options = { partitionBy: ({ id }) => `p=${Number(id) % 3}` }
  const { writer } = await begin({ id: int32, name: utf8 }, options, context)
  const batch = RecordBatch.ofRows([
    { id: 0, name: 'a' },
    { id: 1, name: 'b' },
    { id: 4, name: 'c' },
    { id: 7, name: 8 },
  ])
  expect(() => writer.write(batch)).toThrow(/"name" of "sink" is utf8, the value is 8/)
  expect(context.recordIndex).toBe(3)
  await writer.close()
})

test('what is written after the barrier belongs to the next checkpoint', async () => {
  const { writer, committer, context } = await begin({ id: int32 })
  const ids = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, index) => ({ id: from + index }))
  await writeRows(writer, context, ids(0, 20_000))
  const first = writer.prepareCommit(1)
  await writeRows(writer, context, ids(20_000, 20_001))
  const second = writer.prepareCommit(2)
  await writeRows(writer, context, ids(20_001, 60_000))
  expect(await writer.prepareCommit(3)).toHaveLength(1)
  expect(await writer.prepareCommit(4)).toEqual([])
  await commit(committer, await first)
  expect(await query('SELECT count(*)::INT n, max(id) m FROM TABLE')).toEqual([
    { n: 20_000, m: 19_999 },
  ])
  await commit(committer, await second, 2)
  expect(await query('SELECT count(*)::INT n, max(id) m FROM TABLE')).toEqual([
    { n: 20_001, m: 20_000 },
  ])
  await writer.close()
})

test('files are closed at their size', async () => {
  const many = Array.from({ length: 60_000 }, (_, id) => ({ id, text: `${id * 7919}`.repeat(9) }))
  const { writer, committer, context } = await begin(
    { id: int32, text: utf8 },
    {
      fileBytesMax: 1_000_000,
      compression: 'none',
      rowGroupRows: 5_000,
    },
  )
  for (let at = 0; at < many.length; at += 10_000) {
    await writeRows(writer, context, many.slice(at, at + 10_000))
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const effects = await writer.prepareCommit(1)
  expect(effects.length).toBeGreaterThan(1)
  await commit(committer, effects)
  expect(await query('SELECT count(DISTINCT id)::INT n, count(*)::INT c FROM TABLE')).toEqual([
    { n: 60_000, c: 60_000 },
  ])
  await writer.close()
})

const PARTITIONS = 500

test('many partitions at once, with few files open', async () => {
  let open = 0
  let openMax = 0
  const files: Files = {
    ...systemFiles,
    async open(path, mode) {
      const handle = await systemFiles.open(path, mode)
      openMax = Math.max(openMax, (open += 1))
      return {
        write: (bytes, position) => handle.write(bytes, position),
        read: (position, length) => handle.read(position, length),
        // What a real one costs is not measured here.
        sync: () => Promise.resolve(),
        size: () => handle.size(),
        close() {
          open -= 1
          return handle.close()
        },
      }
    },
  }
  const context = writerContext({ doors: { files } })
  const options: Options = { partitionBy: ({ id }) => `p=${Number(id) % PARTITIONS}` }
  const { writer, committer } = await begin({ id: int32, text: utf8 }, options, context)
  const many = Array.from({ length: 4 * PARTITIONS }, (_, id) => ({ id, text: `text ${id}` }))
  await writeRows(writer, context, many)
  const effects = await writer.prepareCommit(1)
  expect(openMax).toBeLessThanOrEqual(17)
  expect(open).toBe(0)
  await commit(committer, effects)
  expect(await readdir(table)).toHaveLength(PARTITIONS + 1)
  const sums = await duck.runAndReadAll(
    `SELECT count(*)::INT n, count(DISTINCT id)::INT d, bool_and(id % ${PARTITIONS} = p) same
     FROM read_parquet('${table}/**/*.parquet', hive_partitioning = true)`,
  )
  expect(sums.getRowObjectsJS()).toEqual([{ n: 4 * PARTITIONS, d: 4 * PARTITIONS, same: true }])
  await writer.close()
}, 60_000)

test('partitions with one piece after another keep few files open', async () => {
  const options: Options = { partitionBy: ({ id }) => `p=${Number(id) % 20}` }
  const { writer, committer, context } = await begin({ id: int32, text: utf8 }, options)
  const many = Array.from({ length: 300_000 }, (_, id) => ({ id, text: 'x'.repeat(id % 50) }))
  await writeRows(writer, context, many)
  await commit(committer, await writer.prepareCommit(1))
  expect(await query('SELECT count(DISTINCT id)::INT n, count(*)::INT c FROM TABLE')).toEqual([
    { n: 300_000, c: 300_000 },
  ])
  await writer.close()
}, 20_000)

test('a crash at any file call leaves whole checkpoints only', async () => {
  const named = { id: int32 }
  const trial = async (crashAt: number): Promise<boolean> => {
    table = join(root, `t${crashAt}`)
    const { files, calls } = crashingFiles(crashAt, crashAt % 2 === 0)
    const definition = sink(named, { partitionBy: ({ id }) => `p=${Number(id) % 2}` })
    const doors = testDoors({ files })
    const context = writerContext({ doors: { files } })
    const writer = definition.createWriter(context)
    const ids = [{ id: 1 }, { id: 2 }, { id: 3 }]
    let effects: readonly Json[] | undefined
    let committed = false
    try {
      await writer.open!()
      writer.write(RecordBatch.ofRows(ids))
      effects = await writer.prepareCommit(1)
      await commit(definition.createCommitter!({ uid: 'sink', job: 'j', doors }), effects)
      committed = true
    } catch {
      await writer.close()
    }
    const committer = definition.createCommitter!({ uid: 'sink', job: 'j', doors: testDoors() })
    const marker = await committer.readMarker()
    if (effects !== undefined && marker === undefined) await commit(committer, effects)
    await committer.sweep([])
    const found = await parquetFiles().catch(() => [])
    if (effects === undefined) expect(found).toEqual([])
    else
      expect(await query('SELECT sum(id)::INT s, count(*)::INT n FROM TABLE')).toEqual([
        { s: 6, n: 3 },
      ])
    return !committed && calls() > crashAt
  }
  let crashAt = 0
  while (await trial(crashAt)) crashAt += 1
  expect(crashAt).toBeGreaterThan(20)
})

test('options and columns that make no sense are refused', () => {
  const named = { id: int32 }
  const odd = (options: unknown) => () => sink(named, options as Options)
  expect(odd({ compression: 'lzo' })).toThrow(/"compression" of parquetSink is lzo/)
  expect(odd({ rowGroupRows: 0 })).toThrow(/"rowGroupRows"/)
  expect(odd({ fileBytesMax: 0.5 })).toThrow(/"fileBytesMax"/)
  expect(() => sink({ any: { kind: 'packed' } })).toThrow(/"any" is packed/)
  expect(() => sink({ any: struct({}) })).toThrow(/"any" is a struct with no fields/)
  expect(() => sink({ any: { kind: 'decimal', precision: 39, scale: 0 } })).toThrow(/decimal\(39/)
})

test('the same records give the same bytes', async () => {
  const digests: Buffer[] = []
  for (const name of ['a', 'b']) {
    table = join(root, name)
    await land(every, rows)
    digests.push(await readFile(join(table, (await parquetFiles())[0]!)))
  }
  expect(digests[0]!.equals(digests[1]!)).toBe(true)
})
