/** Records of files that cannot be decoded: what each way of dealing with them gives. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { schemaOf, sourceDefinition } from '../../engine/index.ts'
import type { OnMalformed, StructSchema } from '../../engine/index.ts'
import { csv } from '../formats/csv-format.ts'
import { debezium } from '../formats/debezium-format.ts'
import type { Format } from '../formats/format.ts'
import { json } from '../formats/json-format.ts'
import { text } from '../formats/text-format.ts'
import { readerContext, runReader, testDoors } from '../testing.ts'
import type { ReadResult } from '../testing.ts'
import { fileSource } from './file-source.ts'

const Row: StructSchema<{ readonly id: number }> = schemaOf({
  kind: 'struct',
  fields: [{ name: 'id', schema: { kind: 'int32' } }],
}) as StructSchema<{ readonly id: number }>

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-malformed-'))
})
afterEach(() => rm(folder, { recursive: true }))

interface Given {
  readonly name: string
  readonly bytes: string | Uint8Array
  readonly format: Format<unknown>
  readonly batchRecords?: number
}

async function read(given: Given, onMalformed?: OnMalformed): Promise<ReadResult> {
  const path = join(folder, given.name)
  await writeFile(path, given.bytes)
  const options = { path, format: given.format, ...(onMalformed && { onMalformed }) }
  const definition = sourceDefinition(fileSource(options))
  const parts = { uid: 'in', doors: testDoors(), parallelism: 1 }
  const { splits } = await definition.createEnumerator(parts).discover([])
  const context = { ...readerContext(), batchRecords: given.batchRecords }
  const reader = definition.createReader(context)
  reader.addSplits(splits.map((split, index) => ({ ...split, index, position: undefined })))
  reader.noMoreSplits()
  try {
    return await runReader(reader, Infinity, context)
  } finally {
    await reader.close()
  }
}

const insert = (id: unknown): string => JSON.stringify({ op: 'c', after: { id } })

test.each([
  {
    name: 'rows.jsonl',
    format: json(Row),
    bytes: '{"id":1}\n{"id":\n\n{"id":"x"}\n[]\n{"id":2}\nend',
    rows: [{ id: 1 }, { id: 2 }],
    malformed: [
      { offset: 2, text: '{"id":', code: 'RECORD_MALFORMED' },
      { offset: 4, text: '{"id":"x"}', code: 'VALUE_UNFIT' },
      { offset: 5, text: '[]', code: 'VALUE_UNFIT' },
      { offset: 7, text: 'end', code: 'RECORD_MALFORMED' },
    ],
  },
  {
    name: 'rows.csv',
    format: csv(Row),
    bytes: 'id,note\n1,a\nx,b\n3\n"4","two\nlines"\n5,"open"quote\n6,c\n',
    rows: [{ id: 1 }, { id: 4 }, { id: 6 }],
    malformed: [
      { offset: 3, text: 'x,b', code: 'VALUE_UNFIT' },
      { offset: 4, text: '3', code: 'RECORD_MALFORMED' },
      { offset: 7, text: '5,"open"quote', code: 'RECORD_MALFORMED' },
    ],
  },
  {
    name: 'lines.txt',
    format: text(),
    bytes: Buffer.concat([Buffer.from('a\n'), Buffer.from([0xff, 0x0a]), Buffer.from('b\n')]),
    rows: ['a', 'b'],
    malformed: [{ offset: 2, text: '\ufffd', code: 'RECORD_MALFORMED' }],
  },
  {
    name: 'changes.jsonl',
    format: debezium(json(Row)),
    bytes: `${insert(1)}\n${insert('x')}\n{"op":"t"}\n${insert(2)}\n`,
    rows: [
      { kind: '+I', row: { id: 1 } },
      { kind: '+I', row: { id: 2 } },
    ],
    malformed: [
      { offset: 2, text: insert('x'), code: 'VALUE_UNFIT' },
      { offset: 3, text: '{"op":"t"}', code: 'RECORD_MALFORMED' },
    ],
  },
])('$name: good records come, bad ones are passed over in their place', async (given) => {
  for (const onMalformed of ['skip', 'dead-letter'] as const) {
    for (const batchRecords of [1, 2, undefined]) {
      const found = await read({ ...given, ...(batchRecords && { batchRecords }) }, onMalformed)
      expect(found.rows).toEqual(given.rows)
      expect(found.malformed).toEqual(given.malformed)
      expect(found.finished).toEqual([0])
    }
  }
  const [first] = given.malformed
  const record = first!.text
  const place = { split: given.name, offset: first!.offset, unit: 'line', record }
  await expect(read(given)).rejects.toMatchObject({ code: first!.code, place })
})

test('a file of nothing but bad records ends, in batches that are bounded', async () => {
  const bytes = 'x\n'.repeat(5_000)
  const found = await read({ name: 'bad.jsonl', format: json(Row), bytes }, 'skip')
  expect(found.rows).toEqual([])
  expect(found.malformed).toHaveLength(5_000)
  expect(found.finished).toEqual([0])
})

test('a header that lacks a column fails the job whatever is asked: no record can be read', async () => {
  const given = { name: 'rows.csv', format: csv(Row), bytes: 'name\n1\n' }
  await expect(read(given, 'skip')).rejects.toMatchObject({
    code: 'RECORD_MALFORMED',
    place: { offset: 1 },
  })
})

test('what the error shows of a record is short, and one line', async () => {
  const bytes = `\u001b[31m${'é'.repeat(500)}\n`
  await expect(read({ name: 'a.jsonl', format: json(Row), bytes })).rejects.toMatchObject({
    place: { record: `\ufffd[31m${'é'.repeat(55)}…` },
  })
})

test('a value that onMalformed does not have is refused', () => {
  const options = { path: 'a', format: text(), onMalformed: 'ignore' as 'skip' }
  expect(() => fileSource(options)).toThrow('fileSource: onMalformed is "ignore"')
})
