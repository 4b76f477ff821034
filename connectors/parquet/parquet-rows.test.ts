import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { testDoors, writerContext } from '../testing.ts'
import { begin, commit, int32, land, nullable, parquetFiles } from './testing.ts'
import { sink, struct, utf8, writeRows } from './testing.ts'
import type { Named, Row } from './testing.ts'

let root = ''
let table = ''

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-rows-'))
  table = join(root, 'table')
})
afterEach(() => rm(root, { recursive: true }))

const named: Named = {
  text: nullable(utf8),
  large: { kind: 'int64', as: 'bigint' },
  float: { kind: 'float64' },
  flag: { kind: 'bool' },
  at: { kind: 'timestamp' },
  day: { kind: 'date' },
  money: { kind: 'decimal', precision: 38, scale: 10 },
  bytes: { kind: 'binary' },
  tags: { kind: 'list', item: nullable(utf8) },
  place: struct({ city: nullable(utf8), x: int32 }),
}
const rows: Row[] = [
  {
    text: 'né "1"\n',
    large: 9_223_372_036_854_775_807n,
    float: -0,
    flag: true,
    at: 8_640_000_000_000_000,
    day: '1970-01-03',
    money: '0.0000000001',
    bytes: Uint8Array.of(0, 255),
    tags: ['a', null],
    place: { city: null, x: -1 },
  },
  {
    text: null,
    large: -1n,
    float: NaN,
    flag: false,
    at: -1,
    day: '1969-12-31',
    money: '9999999999999999999999999999.9999999999',
    bytes: new Uint8Array(0),
    tags: [],
    place: { city: '', x: 0 },
  },
]
/** As the file holds a decimal(38, 10): the digits as 16 bytes. */
const unscaled = (digits: bigint): string =>
  Buffer.from(digits.toString(16).padStart(32, '0'), 'hex').toString('base64')
const texts = [
  '{"text":"né \\"1\\"\\n","large":9223372036854775807,"float":-0,"flag":true,' +
    `"at":8640000000000000,"day":2,"money":"${unscaled(1n)}","bytes":"AP8=","tags":["a",null],` +
    '"place":{"city":null,"x":-1}}',
  '{"text":null,"large":-1,"float":"NaN","flag":false,"at":-1,"day":-1,' +
    `"money":"${unscaled(10n ** 38n - 1n)}","bytes":"","tags":[],"place":{"city":"","x":0}}`,
]

test.each(['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4'] as const)(
  'what is published reads back as texts, each of its own: %s',
  async (compression) => {
    const many = Array.from({ length: 500 }, (_, row) => rows[row % 2]!)
    await land(table, named, many, { compression })
    const found = await sink(table, named).published!(testDoors())
    expect(found).toEqual(many.map((_, row) => texts[row % 2]!))
  },
)

test('rows come in the order published, with their folders; nothing there is nothing', async () => {
  const ids = { id: int32 }
  const partitionBy = ({ id }: Row): string => `even=${Number(id) % 2 === 0}`
  const published = (): Promise<readonly string[]> => sink(table, ids).published!(testDoors())
  expect(await published()).toEqual([])
  for (const [life, subtask, from] of [
    ['10', 0, 4],
    ['9', 1, 2],
    ['9', 0, 0],
  ] as const) {
    const context = writerContext({ life, subtask })
    const { writer, committer } = await begin(table, ids, { partitionBy }, context)
    await writeRows(writer, context, [{ id: from }, { id: from + 1 }])
    await commit(committer, await writer.prepareCommit(1))
    await writer.close()
  }
  const expected = [0, 1, 2, 3, 4, 5].map((id) => `even=${id % 2 === 0} {"id":${id}}`)
  expect(await published()).toEqual(expected)
})

test('a file that is cut off is named', async () => {
  await land(table, named, rows)
  const [name] = await parquetFiles(table)
  const path = join(table, name!)
  await writeFile(path, (await readFile(path)).subarray(0, -20))
  await expect(sink(table, named).published!(testDoors())).rejects.toThrow(
    `the file "${path}" is no whole Parquet file`,
  )
})
