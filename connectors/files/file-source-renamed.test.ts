import {
  appendFile,
  copyFile,
  link,
  mkdtemp,
  rename,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sourceDefinition } from '../../engine/index.ts'
import type { RecordBatch, SourceReader, SourceSplit, SplitEnumerator } from '../../engine/index.ts'
import { text } from '../formats/text-format.ts'
import { readerContext, testDoors } from '../testing.ts'
import { fileSource } from './file-source.ts'

/**
 * Files that are renamed, rotated or rewritten while they are watched: each line comes once, or an
 * error tells. A `Watch` is one life of a source over a real folder; `discover` is the search that
 * a job makes every second.
 */
let folder = ''
const open: SourceReader[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-renamed-'))
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((reader) => reader.close()))
  await rm(folder, { recursive: true })
})

const at = (name: string): string => join(folder, name)

class Watch {
  readonly rows: unknown[] = []
  splits: SourceSplit[] = []
  readonly #reader: SourceReader
  readonly #enumerator: SplitEnumerator
  readonly #context = readerContext()
  readonly #earlier: Watch | undefined

  /** `earlier`: the life before, from whose positions this one goes on. */
  constructor(path = folder, earlier?: Watch) {
    const definition = sourceDefinition(fileSource({ path, format: text(), watch: true }))
    const doors = testDoors()
    this.#enumerator = definition.createEnumerator({ uid: 'in', doors, parallelism: 1 })
    this.#reader = definition.createReader(this.#context)
    this.#earlier = earlier
    open.push(this.#reader)
  }

  async discover(): Promise<this> {
    const known = this.splits.length > 0 ? this.splits : (this.#earlier?.splits ?? [])
    const { splits } = await this.#enumerator.discover(structuredClone(known))
    const before = this.#earlier === undefined ? [] : this.#earlier.#reader.snapshot()
    const positions = new Map(before.map(({ id, position }) => [id, position]))
    const added = splits.filter(({ id }) => !this.splits.some((split) => split.id === id))
    this.#reader.addSplits(
      added.map((split) => ({
        ...split,
        index: splits.indexOf(split),
        position: positions.get(split.id),
      })),
    )
    this.splits = [...splits]
    return this
  }

  /** Reads until so many rows have come, in all. */
  async until(count: number): Promise<unknown[]> {
    const output = {
      emit: (batch: RecordBatch) => void this.rows.push(...batch.rows.slice(0, batch.count)),
      finishSplit: () => undefined,
      malformed: () => undefined,
    }
    while (this.rows.length < count) {
      if (this.#reader.poll(output) === 'waiting') await this.#context.kicked()
    }
    return this.rows
  }

  get ids(): readonly string[] {
    return this.splits.map(({ id }) => id)
  }
}

test('an upload that is renamed at its end is read once, now and after a restart', async () => {
  await writeFile(at('a.jsonl.tmp'), 'one\ntwo\n')
  const watch = await new Watch().discover()
  await watch.until(2)
  await rename(at('a.jsonl.tmp'), at('a.jsonl'))
  await watch.discover()
  expect(watch.ids).toEqual(['a.jsonl.tmp'])
  await appendFile(at('a.jsonl'), 'three\n')
  expect(await watch.until(3)).toEqual(['one', 'two', 'three'])

  const second = await new Watch(folder, watch).discover()
  expect(second.ids).toEqual(['a.jsonl.tmp'])
  await appendFile(at('a.jsonl'), 'four\n')
  expect(await second.until(1)).toEqual(['four'])
})

test('a rotation: the old log is read to its end, the new one from its beginning', async () => {
  await writeFile(at('app.log'), '1\n2\n')
  const watch = await new Watch(join(folder, 'app.log')).discover()
  await watch.until(2)
  await rename(at('app.log'), at('app.log.1'))
  // The writer has the old file open still.
  await appendFile(at('app.log.1'), '3\n')
  await writeFile(at('app.log'), '4\n5\n')
  await watch.discover()
  await watch.discover()
  expect((await watch.until(5)).toSorted()).toEqual(['1', '2', '3', '4', '5'])

  const second = await new Watch(join(folder, 'app.log'), watch).discover()
  expect(second.ids).toEqual(watch.ids)
  await rename(at('app.log.1'), at('app.log.2'))
  await rename(at('app.log'), at('app.log.1'))
  await appendFile(at('app.log.1'), '6\n')
  await writeFile(at('app.log'), '7\n')
  await rm(at('app.log.2'))
  await second.discover()
  expect((await second.until(2)).toSorted()).toEqual(['6', '7'])
  expect(new Set(second.ids).size).toBe(3)
})

test('a second name of a file is not a second file', async () => {
  await writeFile(at('a'), 'one\n')
  await link(at('a'), at('b'))
  const watch = await new Watch().discover()
  await link(at('a'), at('c'))
  await rm(at('a'))
  await watch.discover()
  await writeFile(at('d'), 'two\n')
  await watch.discover()
  expect(await watch.until(2)).toEqual(['one', 'two'])
  expect(watch.ids).toEqual(['a', 'd'])
})

test('a compressed file that is renamed is read once', async () => {
  await writeFile(at('a.gz'), gzipSync('one\n'))
  const watch = await new Watch().discover()
  await rename(at('a.gz'), at('b.gz'))
  await watch.discover()
  expect(await watch.until(1)).toEqual(['one'])
  expect(watch.ids).toEqual(['a.gz'])
})

test('a file that goes before it was read is told, one that was read is not', async () => {
  await writeFile(at('a'), 'one\n')
  const watch = await new Watch().discover()
  await watch.until(1)
  await rm(at('a'))
  await watch.discover()
  await writeFile(at('b'), 'two\n')
  await watch.discover()
  await rm(at('b'))
  await writeFile(at('c'), 'three\n')
  await watch.discover()
  await expect(watch.until(3)).rejects.toMatchObject({
    code: 'SPLIT_CHANGED',
    message: expect.stringMatching(/is gone$/) as unknown,
  })
})

test.each<[string, () => Promise<void>, RegExp]>([
  ['truncated', () => truncate(at('a'), 0), /has shrunk from 8 to 0 bytes/],
  ['rewritten, longer', () => writeFile(at('a'), 'ONE\ntwo\nmore\n'), /has other content now/],
  ['rewritten in place', () => writeFile(at('a'), 'one\ntwX\nthree\n'), /has other content now/],
  [
    'copied and truncated',
    async () => {
      await copyFile(at('a'), at('../copy-of-a'))
      await writeFile(at('a'), 'new\n')
    },
    /has shrunk from 8 to 4 bytes/,
  ],
])('a watched file that is %s is told by who looks first', async (_, change, message) => {
  await writeFile(at('a'), 'one\ntwo\n')
  const watch = await new Watch().discover()
  await watch.until(2)
  await change()
  await expect(watch.until(3)).rejects.toMatchObject({
    code: 'SPLIT_CHANGED',
    message: expect.stringMatching(message) as unknown,
  })
  await expect(watch.discover()).rejects.toMatchObject({
    code: 'SPLIT_CHANGED',
    message: expect.stringMatching(message) as unknown,
  })
})

test('a file that is replaced, with the old one nowhere, is told', async () => {
  await writeFile(at('a'), 'one\ntwo\n')
  const watch = await new Watch().discover()
  await watch.until(2)
  await writeFile(at('.new'), 'one\ntwo\nthree\n')
  await rename(at('.new'), at('a'))
  await expect(watch.discover()).rejects.toMatchObject({
    code: 'SPLIT_CHANGED',
    message: expect.stringMatching(/is another file now/) as unknown,
  })
})

test('a bounded file that is rewritten while it is read is told at its end', async () => {
  await writeFile(at('a'), 'one\ntwo\n')
  const definition = sourceDefinition(fileSource({ path: at('a'), format: text() }))
  const doors = testDoors()
  const enumerator = definition.createEnumerator({ uid: 'in', doors, parallelism: 1 })
  const { splits } = await enumerator.discover([])
  await writeFile(at('a'), 'One\ntwo\n')
  const context = readerContext()
  const reader = definition.createReader(context)
  open.push(reader)
  reader.addSplits(splits.map((split, index) => ({ ...split, index, position: undefined })))
  const read = async (): Promise<void> => {
    const output = {
      emit: () => undefined,
      finishSplit: () => undefined,
      malformed: () => undefined,
    }
    while (reader.poll(output) !== 'finished') await context.kicked()
  }
  await expect(read()).rejects.toThrow(/has other content now/)
})
