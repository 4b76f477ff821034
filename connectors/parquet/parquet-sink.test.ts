import { asyncBufferFromFile, parquetMetadataAsync } from 'hyparquet'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { RecordBatch, systemFiles } from '../../engine/index.ts'
import type { Files, Json } from '../../engine/index.ts'
import { crashingFiles, testDoors, writerContext } from '../testing.ts'
import {
  begin,
  commit,
  duckTable,
  int32,
  land,
  parquetFiles,
  query,
  sink,
  struct,
  utf8,
  writeRows,
} from './testing.ts'
import type { Options } from './testing.ts'

const here = duckTable()

test.each(['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4'] as const)(
  'compressed by %s, in row groups as asked for',
  async (compression) => {
    const named = { id: int32, name: utf8 }
    const many = Array.from({ length: 25_000 }, (_, id) => ({ id, name: `name ${id % 100}` }))
    await land(here.table, named, many, { compression, rowGroupRows: 10_000 })
    const [sums] = await query(
      here.duck,
      here.table,
      'SELECT count(*)::INT n, sum(id)::INT ids, max(name) AS m FROM TABLE',
    )
    expect(sums).toEqual({ n: 25_000, ids: (25_000 * 24_999) / 2, m: 'name 99' })
    const [name] = await parquetFiles(here.table)
    const metadata = await parquetMetadataAsync(await asyncBufferFromFile(join(here.table, name!)))
    expect(metadata.row_groups.map((group) => Number(group.num_rows))).toEqual([
      10_000, 10_000, 5_000,
    ])
  },
)

test('the refused record of a batch is found, in partitions too', async () => {
  const context = writerContext()
  const options: Options = { partitionBy: ({ id }) => `p=${Number(id) % 3}` }
  const { writer } = await begin(here.table, { id: int32, name: utf8 }, options, context)
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
  const { writer, committer, context } = await begin(here.table, { id: int32 })
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
  expect(
    await query(here.duck, here.table, 'SELECT count(*)::INT n, max(id) m FROM TABLE'),
  ).toEqual([{ n: 20_000, m: 19_999 }])
  await commit(committer, await second, 2)
  expect(
    await query(here.duck, here.table, 'SELECT count(*)::INT n, max(id) m FROM TABLE'),
  ).toEqual([{ n: 20_001, m: 20_000 }])
  await writer.close()
})

test('files are closed at their size', async () => {
  const many = Array.from({ length: 60_000 }, (_, id) => ({ id, text: `${id * 7919}`.repeat(9) }))
  const { writer, committer, context } = await begin(
    here.table,
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
  expect(
    await query(
      here.duck,
      here.table,
      'SELECT count(DISTINCT id)::INT n, count(*)::INT c FROM TABLE',
    ),
  ).toEqual([{ n: 60_000, c: 60_000 }])
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
  const { writer, committer } = await begin(here.table, { id: int32, text: utf8 }, options, context)
  const many = Array.from({ length: 4 * PARTITIONS }, (_, id) => ({ id, text: `text ${id}` }))
  await writeRows(writer, context, many)
  const effects = await writer.prepareCommit(1)
  expect(openMax).toBeLessThanOrEqual(17)
  expect(open).toBe(0)
  await commit(committer, effects)
  expect(await readdir(here.table)).toHaveLength(PARTITIONS + 1)
  const sums = await here.duck.runAndReadAll(
    `SELECT count(*)::INT n, count(DISTINCT id)::INT d, bool_and(id % ${PARTITIONS} = p) same
     FROM read_parquet('${here.table}/**/*.parquet', hive_partitioning = true)`,
  )
  expect(sums.getRowObjectsJS()).toEqual([{ n: 4 * PARTITIONS, d: 4 * PARTITIONS, same: true }])
  await writer.close()
}, 60_000)

test('partitions with one piece after another keep few files open', async () => {
  const options: Options = { partitionBy: ({ id }) => `p=${Number(id) % 20}` }
  const { writer, committer, context } = await begin(here.table, { id: int32, text: utf8 }, options)
  const many = Array.from({ length: 300_000 }, (_, id) => ({ id, text: 'x'.repeat(id % 50) }))
  await writeRows(writer, context, many)
  await commit(committer, await writer.prepareCommit(1))
  expect(
    await query(
      here.duck,
      here.table,
      'SELECT count(DISTINCT id)::INT n, count(*)::INT c FROM TABLE',
    ),
  ).toEqual([{ n: 300_000, c: 300_000 }])
  await writer.close()
}, 20_000)

test('a crash at any file call leaves whole checkpoints only', async () => {
  const named = { id: int32 }
  const trial = async (crashAt: number): Promise<boolean> => {
    here.table = join(here.root, `t${crashAt}`)
    const { files, calls } = crashingFiles(crashAt, crashAt % 2 === 0)
    const definition = sink(here.table, named, { partitionBy: ({ id }) => `p=${Number(id) % 2}` })
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
    const found = await parquetFiles(here.table).catch(() => [])
    if (effects === undefined) expect(found).toEqual([])
    else
      expect(
        await query(here.duck, here.table, 'SELECT sum(id)::INT s, count(*)::INT n FROM TABLE'),
      ).toEqual([{ s: 6, n: 3 }])
    return !committed && calls() > crashAt
  }
  let crashAt = 0
  while (await trial(crashAt)) crashAt += 1
  expect(crashAt).toBeGreaterThan(20)
})

test('options and columns that make no sense are refused', () => {
  const named = { id: int32 }
  const odd = (options: unknown) => () => sink(here.table, named, options as Options)
  expect(odd({ compression: 'lzo' })).toThrow(/"compression" of parquetSink is lzo/)
  expect(odd({ rowGroupRows: 0 })).toThrow(/"rowGroupRows"/)
  expect(odd({ fileBytesMax: 0.5 })).toThrow(/"fileBytesMax"/)
  expect(() => sink(here.table, { any: { kind: 'packed' } })).toThrow(/"any" is packed/)
  expect(() => sink(here.table, { any: struct({}) })).toThrow(/"any" is a struct with no fields/)
  expect(() => sink(here.table, { any: { kind: 'decimal', precision: 39, scale: 0 } })).toThrow(
    /decimal\(39/,
  )
})
