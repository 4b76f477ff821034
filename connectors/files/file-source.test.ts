import { appendFile, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { schemaOf, sourceDefinition, StreamError, systemFiles } from '../../engine/index.ts'
import type { AssignedSplit, SourceReader, SourceSplit, StructSchema } from '../../engine/index.ts'
import { csv } from '../formats/csv-format.ts'
import type { Format } from '../formats/format.ts'
import { json } from '../formats/json-format.ts'
import { text } from '../formats/text-format.ts'
import { readerContext, runReader, testDoors } from '../testing.ts'
import type { TestReaderContext } from '../testing.ts'
import { RANGE_BYTES } from './file-enumerator.ts'
import { fileSource } from './file-source.ts'

let folder = ''
const open: SourceReader[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-files-'))
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((reader) => reader.close()))
  await rm(folder, { recursive: true })
})

function at(name: string): string {
  return join(folder, name)
}

interface Run {
  readonly reader: SourceReader
  readonly context: TestReaderContext
  readonly splits: readonly SourceSplit[]
}

interface Options {
  readonly format?: Format<unknown>
  readonly watch?: boolean
  readonly known?: readonly SourceSplit[]
  readonly positions?: ReturnType<SourceReader['snapshot']>
  readonly only?: (index: number) => boolean
}

async function begin(path: string, options: Options = {}): Promise<Run> {
  const { format = text(), watch = false, known = [], positions = [], only = () => true } = options
  const definition = sourceDefinition(fileSource({ path, format, watch }))
  const enumerator = definition.createEnumerator({
    uid: 'files',
    doors: testDoors(),
    parallelism: 1,
  })
  const { splits, complete } = await enumerator.discover(known)
  expect(complete).toBe(!watch)
  const context = readerContext()
  const reader = definition.createReader(context)
  open.push(reader)
  const assigned: AssignedSplit[] = splits.map((split, index) => {
    const position = positions.find(({ id }) => id === split.id)?.position
    return { ...split, index, position }
  })
  reader.addSplits(assigned.filter(({ index }) => only(index)))
  if (complete) reader.noMoreSplits()
  return { reader, context, splits }
}

async function readAll(path: string, options: Options = {}): Promise<unknown[]> {
  const { reader, context } = await begin(path, options)
  return (await runReader(reader, Infinity, context)).rows
}

test('a folder is read with all below it, but for hidden names', async () => {
  await mkdir(at('data/deep/er'), { recursive: true })
  await mkdir(at('data/_temporary'))
  await writeFile(at('data/b.txt'), 'b1\nb2\n')
  await writeFile(at('data/a.txt'), 'a1\n')
  await writeFile(at('data/deep/er/c.txt'), 'c1\n')
  await writeFile(at('data/.hidden'), 'no\n')
  await writeFile(at('data/_temporary/part'), 'no\n')
  await symlink(at('data'), at('data/deep/loop'))
  expect(await readAll(at('data'))).toEqual(['a1', 'b1', 'b2', 'c1'])
})

test.each([
  ['*.txt', ['a.txt', 'b.txt']],
  ['**/*.txt', ['a.txt', 'b.txt', 'x/c.txt', 'x/y/d.txt']],
  ['x/**', ['x/c.txt', 'x/y/d.txt', 'x/y/e.log']],
  ['?.txt', ['a.txt', 'b.txt']],
  ['[b-z].txt', ['b.txt']],
  ['[!b].txt', ['a.txt']],
  ['{a,b}.{txt,log}', ['a.txt', 'b.log', 'b.txt']],
  ['x/*/*', ['x/y/d.txt', 'x/y/e.log']],
  ['.h*', ['.hidden.txt']],
])('the pattern %s finds %j', async (pattern, names) => {
  await mkdir(at('x/y'), { recursive: true })
  for (const name of ['a.txt', 'b.txt', 'b.log', 'x/c.txt', 'x/y/d.txt', 'x/y/e.log']) {
    await writeFile(at(name), `${name}\n`)
  }
  await writeFile(at('.hidden.txt'), '.hidden.txt\n')
  expect(await readAll(at(pattern))).toEqual(names)
})

test('a path with nothing there is refused by its name, an empty folder is not', async () => {
  await expect(begin(at('nothing'))).rejects.toThrow(/nothing at the path ".*\/nothing"/)
  await expect(begin(at('nothing/*.txt'))).rejects.toThrow(/nothing at the path ".*\/nothing"/)
  await mkdir(at('empty'))
  expect(await readAll(at('empty'))).toEqual([])
})

test('line ends, a byte order mark, empty lines and a missing last line break', async () => {
  await writeFile(at('file'), '\ufeffone\r\n\ntwo\r\n\u00e9 🚲\nlast')
  expect(await readAll(at('file'))).toEqual(['one', '', 'two', 'é 🚲', 'last'])
  await writeFile(at('tiny'), 'x')
  expect(await readAll(at('tiny'))).toEqual(['x'])
  await writeFile(at('none'), '')
  expect(await readAll(at('none'))).toEqual([])
})

const numbers = Array.from(
  { length: 40_000 },
  (_, index) => `line ${index} ${'é'.repeat(index % 40)}`,
)

test.each([
  ['plain', (content: string) => Buffer.from(content)],
  ['gzip', (content: string) => gzipSync(content)],
  [
    'two gzip members',
    (content: string) =>
      Buffer.concat([gzipSync(content.slice(0, 7_777)), gzipSync(content.slice(7_777))]),
  ],
])('%s: reading goes on after each restart where it was', async (kind, pack) => {
  const name = kind === 'plain' ? 'lines.txt' : 'lines.txt.gz'
  await writeFile(at(name), pack(`${numbers.join('\n')}\n`))
  const rows: unknown[] = []
  const offsets: number[] = []
  let run = await begin(at(name))
  for (const batches of [1, 2, 5, 11, Infinity]) {
    const read = await runReader(run.reader, batches, run.context)
    rows.push(...read.rows)
    offsets.push(...read.offsets)
    const positions = structuredClone(run.reader.snapshot())
    if (batches === Infinity) {
      expect(positions).toMatchObject([{ id: name, finished: true }])
      expect(read.finished).toEqual([0])
    }
    run = await begin(at(name), { known: run.splits, positions })
  }
  expect(rows).toEqual(numbers)
  expect(offsets).toEqual(numbers.map((_, index) => index + 1))
  expect((await runReader(run.reader, Infinity, run.context)).rows).toEqual([])
})

test('a record larger than every block is read whole', async () => {
  const lines = ['x'.repeat(3_000_000), 'short', 'y'.repeat(700_000)]
  await writeFile(at('long'), lines.join('\n'))
  expect(await readAll(at('long'))).toEqual(lines)
})

test('a large file is cut into ranges that hold every line once', async () => {
  const line = `${'0123456789'.repeat(6_400)}\n`
  const count = Math.ceil((2.5 * RANGE_BYTES) / line.length)
  const tail = 'a line over the cut'
  await writeFile(at('large'), '')
  let bytes = 0
  for (let index = 0; index < count; index += 1) {
    const next = `${index} ${line}`
    // Puts one line break exactly before the first cut.
    const gap = RANGE_BYTES - bytes
    const written = gap > 0 && gap <= next.length ? `${'#'.repeat(gap - 1)}\n${next}` : next
    await appendFile(at('large'), written)
    bytes += written.length
  }
  await appendFile(at('large'), tail)
  const whole: number[] = []
  const { splits } = await begin(at('large'), { only: () => false })
  expect(splits).toHaveLength(3)
  for (const range of [2, 0, 1]) {
    const run = await begin(at('large'), { only: (index) => index === range })
    // A position from before the first record has to begin at a line, too.
    const positions = structuredClone(run.reader.snapshot())
    const again = await begin(at('large'), { only: (index) => index === range, positions })
    const { rows } = await runReader(again.reader, Infinity, again.context)
    for (const row of rows) {
      const start = String(row).slice(0, 12)
      whole.push(start.startsWith('#') ? -1 : start === tail.slice(0, 12) ? -2 : parseInt(start))
    }
  }
  expect(whole.filter((index) => index >= 0).toSorted((left, right) => left - right)).toEqual(
    Array.from({ length: count }, (_, index) => index),
  )
  expect(whole.filter((index) => index < 0).toSorted()).toEqual([-1, -2])
}, 20_000)

const people = csv(
  schemaOf({
    kind: 'struct',
    fields: [
      { name: 'id', schema: { kind: 'int32' } },
      { name: 'note', schema: { kind: 'nullable', of: { kind: 'utf8' } } },
    ],
  }) as StructSchema<{ id: number; note: string | null }>,
)

test('CSV: the header is known after a restart, and quoted line breaks belong to a record', async () => {
  const rows = Array.from({ length: 3_000 }, (_, id) => ({
    id,
    note: id % 3 === 0 ? null : `two\nlines, "${id}"`,
  }))
  const cells = rows.map(({ id, note }) =>
    note === null ? `,x,${id}` : `"${note.replaceAll('"', '""')}",x,${id}`,
  )
  await writeFile(at('people.csv'), `\ufeffnote,other,id\r\n${cells.join('\r\n')}\r\n`)
  const first = await begin(at('people.csv'), { format: people })
  const before = await runReader(first.reader, 1, first.context)
  const positions = structuredClone(first.reader.snapshot())
  const second = await begin(at('people.csv'), { format: people, known: first.splits, positions })
  const after = await runReader(second.reader, Infinity, second.context)
  expect(before.rows.length).toBeGreaterThan(0)
  expect([...before.rows, ...after.rows]).toEqual(rows)
  // Records 0 to 2 take one, two and two lines.
  expect([...before.offsets.slice(0, 4)]).toEqual([2, 3, 5, 7])
})

test('a bad record is named by file and line', async () => {
  const format = json(
    schemaOf({ kind: 'struct', fields: [{ name: 'id', schema: { kind: 'int32' } }] }),
  )
  await writeFile(at('bad.json'), '{"id":1}\n\n{"id":"two"}\n{"id":3}\n')
  const failure: unknown = await readAll(at('bad.json'), { format }).catch((e: unknown) => e)
  expect(failure).toBeInstanceOf(StreamError)
  expect(failure).toMatchObject({ code: 'VALUE_UNFIT', place: { split: 'bad.json', offset: 3 } })
})

test('a watched folder: appended lines and new files come, half a line is waited for', async () => {
  await mkdir(at('in'))
  await writeFile(at('in/a.log'), 'one\ntw')
  const run = await begin(at('in'), { watch: true })
  const rows: unknown[] = []
  const until = async (count: number): Promise<void> => {
    while (rows.length < count) rows.push(...(await runReader(run.reader, 1, run.context)).rows)
  }
  await until(1)
  await appendFile(at('in/a.log'), 'o\nthree\nfo')
  await until(3)
  expect(rows).toEqual(['one', 'two', 'three'])
  await writeFile(at('in/b.log.gz'), gzipSync('zipped'))
  await writeFile(at('in/c.log'), 'c')
  const positions = structuredClone(run.reader.snapshot())
  expect(positions).toEqual([{ id: 'a.log', position: { at: 14, line: 3 }, finished: false }])

  const second = await begin(at('in'), { watch: true, known: run.splits, positions })
  expect(second.splits.map(({ id }) => id)).toEqual(['a.log', 'b.log.gz', 'c.log'])
  rows.push(...(await runReader(second.reader, 1, second.context)).rows)
  await appendFile(at('in/a.log'), 'ur\n')
  await appendFile(at('in/c.log'), '1\n')
  for (let reads = 0; rows.length < 6 && reads < 20; reads += 1) {
    rows.push(...(await runReader(second.reader, 1, second.context)).rows)
  }
  expect(rows.slice(3).toSorted()).toEqual(['c1', 'four', 'zipped'])
}, 10_000)

test.each<[string, (file: string) => Promise<void>, RegExp]>([
  ['grown', (file) => appendFile(file, 'more\n'), /has grown from 12 to 17 bytes/],
  ['shrunk', (file) => truncate(file, 5), /has shrunk from 12 to 5 bytes/],
  ['changed', (file) => writeFile(file, 'One\ntwo\nthr\n'), /has other content now/],
])('a file that has %s since the checkpoint is refused', async (_, change, message) => {
  await writeFile(at('file'), 'one\ntwo\nthr\n')
  const { splits } = await begin(at('file'))
  await change(at('file'))
  await expect(begin(at('file'), { known: splits })).rejects.toThrow(message)
})

test('a replaced file is refused, a removed one when it still has to be read', async () => {
  await writeFile(at('file'), 'one\n')
  await writeFile(at('other'), 'one\n')
  const { splits } = await begin(at('{file,other}'))
  await rm(at('file'))
  const run = await begin(at('{file,other}'), { known: splits })
  await expect(runReader(run.reader, Infinity, run.context)).rejects.toThrow(
    /"file" is gone|is gone/,
  )
  await writeFile(at('new'), 'one\n')
  await writeFile(at('file'), 'one\n')
  await expect(begin(at('{file,other}'), { known: splits })).rejects.toThrow(/is another file now/)
})

test('a watched file may grow between two lives, but not shrink', async () => {
  await writeFile(at('log'), 'one\ntwo\n')
  const { splits } = await begin(at('log'), { watch: true })
  await appendFile(at('log'), 'three\n')
  await begin(at('log'), { watch: true, known: splits })
  await truncate(at('log'), 3)
  await expect(begin(at('log'), { watch: true, known: splits })).rejects.toThrow(/has shrunk/)
})

test('gzip that is cut off fails with the name of its file', async () => {
  const whole = gzipSync('some text\n'.repeat(10_000))
  await writeFile(at('cut.gz'), whole.subarray(0, whole.length - 20))
  await expect(readAll(at('cut.gz'))).rejects.toMatchObject({
    code: 'RECORD_MALFORMED',
    place: { split: 'cut.gz' },
  })
})

test('a pattern that matches nothing is an error, unless it is watched', async () => {
  await mkdir(at('empty'))
  const path = at('empty/*.csv')
  const error = { code: 'OPTION_INVALID', message: `no file matches the path "${path}"` }
  await expect(begin(path)).rejects.toMatchObject(error)
  const source = sourceDefinition(fileSource({ path, format: text() }))
  await expect(source.check!(systemFiles)).rejects.toMatchObject(error)
  expect((await begin(path, { watch: true })).splits).toEqual([])
  await sourceDefinition(fileSource({ path, format: text(), watch: true })).check!(systemFiles)
  const lost = { code: 'OPTION_INVALID', message: `there is nothing at the path "${at('lost')}"` }
  await expect(begin(at('lost'))).rejects.toMatchObject(lost)
  await expect(begin(at('lost'), { watch: true })).rejects.toMatchObject(lost)
})
