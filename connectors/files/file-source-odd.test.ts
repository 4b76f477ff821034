import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { schemaOf, sourceDefinition } from '../../engine/index.ts'
import type { RecordBatch, SourceReader, StructSchema } from '../../engine/index.ts'
import type { ErrorData } from '../../engine/base/errors.ts'
import { gunzipAtOnce } from '../../engine/simulation/gunzip-at-once.ts'
import { csv } from '../formats/csv-format.ts'
import type { Format } from '../formats/format.ts'
import { json } from '../formats/json-format.ts'
import { text } from '../formats/text-format.ts'
import { readerContext, testDoors } from '../testing.ts'
import { fileSource } from './file-source.ts'

/** Input that is not what the job thinks: told, never swallowed. */
let folder = ''
const open: SourceReader[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-odd-'))
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((reader) => reader.close()))
  await rm(folder, { recursive: true })
})

/** All may be null: a header that fits nothing would give rows of nulls. */
const Row = schemaOf({
  kind: 'struct',
  fields: [
    { name: 'id', schema: { kind: 'nullable', of: { kind: 'int32' } } },
    { name: 's', schema: { kind: 'nullable', of: { kind: 'utf8' } } },
  ],
}) as StructSchema<unknown>

/** All rows, and the error that ended the reading. */
async function read(
  path: string,
  format: Format<unknown>,
  more: { readonly watch?: boolean; readonly simulated?: boolean } = {},
): Promise<{ readonly rows: unknown[]; readonly error?: ErrorData }> {
  const definition = sourceDefinition(fileSource({ path, format, watch: more.watch ?? false }))
  const doors = { ...testDoors(), ...(more.simulated === true ? { gunzip: gunzipAtOnce } : {}) }
  const context = readerContext(doors)
  const rows: unknown[] = []
  try {
    const enumerator = definition.createEnumerator({ uid: 'files', doors, parallelism: 1 })
    const { splits } = await enumerator.discover([])
    const reader = definition.createReader(context)
    open.push(reader)
    reader.addSplits(splits.map((split, index) => ({ ...split, index, position: undefined })))
    reader.noMoreSplits()
    for (;;) {
      const output = {
        emit: (batch: RecordBatch) => void rows.push(...batch.rows.slice(0, batch.count)),
        finishSplit: () => undefined,
        malformed: () => undefined,
      }
      const state = reader.poll(output)
      if (state === 'finished') return { rows }
      if (state === 'waiting') await context.kicked()
    }
  } catch (thrown) {
    return { rows, error: (thrown as { toData(): ErrorData }).toData() }
  }
}

async function readBytes(
  name: string,
  bytes: Uint8Array | string,
  format: Format<unknown>,
  more: { readonly watch?: boolean; readonly simulated?: boolean } = {},
) {
  const path = join(folder, name)
  await writeFile(path, bytes)
  return read(path, format, more)
}

const csvFile = csv(Row)
const jsonFile = json(Row)
const utf16 = (content: string, mark = true): Buffer =>
  Buffer.from(`${mark ? '\ufeff' : ''}${content}`, 'utf16le')
const bigEndian = (content: string): Buffer => utf16(content).swap16()

test.each<[string, string | Buffer, Format<unknown>, RegExp, number?]>([
  ['another separator', 'id;s\n1;a\n', csvFile, /names none of the declared.*\["id;s"\]/],
  ['tabs', 'id\ts\n1\ta\n', csvFile, /names none of the declared columns/],
  ['no header', '1,a\n2,b\n', csvFile, /names none of the declared columns.*\["1","a"\]/],
  ['a header without records', 'x,y\n', csvFile, /names none of the declared columns/],
  ['a header without a line end', 'x,y', csvFile, /names none of the declared columns/],
  ['other case', 'ID,s\n1,a\n', csvFile, /has no "id", but "ID"/],
  ['spaces', 'id, s\n1,a\n', csvFile, /has no "s", but " s"/],
  ['a mark within quotes', '"\ufeffid",s\n1,a\n', csvFile, /has no "id", but "\ufeffid"/],
  ['two marks', '\ufeff\ufeffid,s\n1,a\n', csvFile, /has no "id", but "\ufeffid"/],
  ['a column twice', 'id,s,s\n1,a,b\n', csvFile, /names "s" twice/],
  ['CR alone', 'id,s\r1,a\r2,b', csvFile, /carriage returns, and no line feed/],
  ['CR alone, quoted', '"id","s"\r"1","a"\r', csvFile, /carriage returns, and no line feed/],
  ['CR in a later line', 'id,s\n1,a\n2,b\r3,c\n', csvFile, /carriage return stands in a field/, 3],
  ['CR CR LF', 'id,s\n1,a\r\r\n', csvFile, /carriage return stands in a field/, 2],
  ['CR alone in JSON', '{"id":1}\r{"id":2}\r', jsonFile, /carriage returns, and no line feed/],
  ['CR alone in text', 'one\rtwo\r', text(), /carriage returns, and no line feed/],
  ['UTF-16', utf16('id,s\n1,a\n'), csvFile, /is in UTF-16/],
  ['UTF-16, big end first', bigEndian('{"id":1}\n'), jsonFile, /is in UTF-16/],
  ['UTF-16 text', utf16('one\ntwo\n'), text(), /is in UTF-16/],
  ['UTF-16 without a mark', utf16('one\n', false), text(), /byte 2 of the record is zero/, 1],
  [
    'UTF-16 CSV without a mark',
    utf16('id,s\n1,a\n', false),
    csvFile,
    /byte 2 of the record is zero/,
  ],
  ['a hole', `a\n${'\0'.repeat(4_096)}b\n`, text(), /byte 1 of the record is zero/, 2],
  ['a zero byte in JSON', '{"id":1}\n{"s":"a\0"}\n', jsonFile, /byte 8 of the record is zero/, 2],
  ['Latin 1', Buffer.from('id,s\n1,caf\xe9\n', 'latin1'), csvFile, /is not UTF-8/, 2],
  ['JSON in an array', '[{"id":1}]\n', jsonFile, /the record is a struct/, 1],
])('%s is told', async (_, bytes, format, message, line = 1) => {
  const { error } = await readBytes('in', bytes, format)
  expect(error?.message).toMatch(message)
  expect(error).toMatchObject({ place: { split: 'in', offset: line } })
  expect(['RECORD_MALFORMED', 'VALUE_UNFIT']).toContain(error?.code)
  expect(error?.hint).toMatch(/\.$/)
})

test.each<[string, string, Format<unknown>, unknown[]]>([
  ['a header alone', 'id,s\n', csvFile, []],
  ['nothing', '', csvFile, []],
  ['a header alone, in another order', 's,other,id', csvFile, []],
  ['a missing column', 'id\n1\n', csvFile, [{ id: 1, s: null }]],
  ['no final line end', 'id,s\r\n1,a\r', csvFile, [{ id: 1, s: 'a' }]],
  [
    'quoted line ends of any kind',
    'id,s\n1,"a\rb\r\nc\n"\n',
    csvFile,
    [{ id: 1, s: 'a\rb\r\nc\n' }],
  ],
  ['undeclared columns twice', 'id,x,x\n1,2,3\n', csvFile, [{ id: 1, s: null }]],
  ['CR within lines of text', 'a\n10%\r20%\nb', text(), ['a', '10%\r20%', 'b']],
  ['a zero in JSON, escaped', '{"s":"\\u0000"}', jsonFile, [{ id: null, s: '\0' }]],
])('%s is read', async (_, bytes, format, rows) => {
  expect(await readBytes('in', bytes, format)).toEqual({ rows })
})

test('a watched file without a line feed is told too', async () => {
  const { error } = await readBytes('log', 'one\rtwo\r', text(), { watch: true })
  expect(error?.message).toMatch(/carriage returns, and no line feed/)
})

const one = gzipSync('one\n')
const two = gzipSync('two\n')

describe.each([false, true])('gzip, in a simulation: %s', (simulated) => {
  test.each<[string, Uint8Array, RegExp, string[]]>([
    ['text', Buffer.from('hello\n'), /damaged or cut off: incorrect header check/, []],
    [
      'text behind a zero',
      Buffer.from('\0hello\n'),
      /that are no gzip data begin at byte 25/,
      ['one'],
    ],
    [
      'a member behind zeros',
      Buffer.concat([Buffer.alloc(9), two]),
      /no gzip data begin at byte 33/,
      ['one'],
    ],
    ['half of a member', two.subarray(0, 12), /damaged or cut off: unexpected end/, ['one']],
    ['one byte of a member', two.subarray(0, 1), /damaged or cut off: unexpected end/, ['one']],
    [
      'a member with a wrong sum',
      two.with(-6, two.at(-6)! ^ 1),
      /damaged or cut off: incorrect data/,
      ['one'],
    ],
  ])('%s behind a member is told after the records before it', async (_, rest, message, rows) => {
    const found = await readBytes('in.gz', Buffer.concat([one, rest]), text(), { simulated })
    expect(found.error?.message).toMatch(message)
    expect(found.error).toMatchObject({ code: 'RECORD_MALFORMED', place: { split: 'in.gz' } })
    // What is unpacked together with the damage is lost with it.
    if (message.source.includes('begin at')) expect(found.rows).toEqual(rows)
  })

  test.each<[string, Uint8Array, string[]]>([
    ['members', Buffer.concat([one, two]), ['one', 'two']],
    ['members of no bytes', Buffer.concat([gzipSync(''), one, gzipSync('')]), ['one']],
    ['zeros to the end of a block', Buffer.concat([one, Buffer.alloc(512)]), ['one']],
  ])('%s are read', async (_, bytes, rows) => {
    expect(await readBytes('in.gz', bytes, text(), { simulated })).toEqual({ rows })
  })

  test('what is no gzip file, and an empty one, is told', async () => {
    const plain = await readBytes('a.gz', 'one\n', text(), { simulated })
    expect(plain.error?.message).toMatch(/incorrect header check/)
    const empty = await readBytes('b.gz', '', text(), { simulated })
    expect(empty.error?.message).toMatch(/unexpected end of file/)
  })
})

test('a pipe, a device, and what stands for one in a folder are refused', async () => {
  execFileSync('mkfifo', [join(folder, 'pipe')])
  await mkdir(join(folder, 'in'))
  await symlink(join(folder, 'pipe'), join(folder, 'in', 'a.txt'))
  for (const path of ['/dev/null', '/dev/zero', join(folder, 'pipe'), join(folder, 'in')]) {
    const { error } = await read(path, text())
    expect(error).toMatchObject({ code: 'OPTION_INVALID' })
    expect(error?.message).toMatch(/^".*" is a pipe, a socket or a device, not a file$/)
  }
})

test.runIf(existsSync('/proc/self/status'))('a file that hides its size is refused', async () => {
  const { error } = await read('/proc/self/status', text())
  expect(error).toMatchObject({
    code: 'OPTION_INVALID',
    hint: expect.stringMatching(/copy it/) as unknown,
  })
})
