/** What a file source says of the order of its files and of their ranges. */
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sourceDefinition } from '../../engine/index.ts'
import type { SourceReader, SourceSplit, SplitEnumerator } from '../../engine/index.ts'
import { text } from '../formats/text-format.ts'
import { readerContext, testDoors } from '../testing.ts'
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

const at = (name: string): string => join(folder, name)

function sourceOver(options: { readonly watch?: boolean; readonly inOrder?: boolean }): {
  enumerator: SplitEnumerator
  reader: SourceReader
  kicked: () => Promise<void>
} {
  const definition = sourceDefinition(fileSource({ path: folder, format: text(), ...options }))
  const doors = testDoors()
  const context = readerContext()
  const reader = definition.createReader(context)
  open.push(reader)
  return {
    enumerator: definition.createEnumerator({ uid: 'in', doors, parallelism: 1 }),
    reader,
    kicked: () => context.kicked(),
  }
}

/** Sequence and order of each split, the latter as the split's place among all. */
function placed(splits: readonly SourceSplit[]): string[] {
  const ascending = [...splits].sort((left, right) =>
    left.sequence!.place < right.sequence!.place ? -1 : 1,
  )
  return splits.map(
    (split) => `${split.id}: ${ascending.indexOf(split)} of ${split.sequence!.name}`,
  )
}

test('the ranges of a file follow each other; whole files do not, unless they are in order', async () => {
  const line = `${'x'.repeat(1_023)}\n`
  await writeFile(at('big'), line.repeat((2 * RANGE_BYTES + 1_024) / 1_024))
  await writeFile(at('big!'), 'small\n')
  const loose = await sourceOver({}).enumerator.discover([])
  const [whole, ...ranges] = [...loose.splits].reverse()
  expect(whole).toMatchObject({ id: 'big!' })
  expect(whole!.sequence).toBeUndefined()
  expect(placed(ranges.reverse())).toEqual([
    'big#000000000000000: 0 of file big',
    'big#000000067108864: 1 of file big',
    'big#000000134217728: 2 of file big',
  ])
  // By name: "big" is before "big!", though "#" is behind "!".
  const ordered = await sourceOver({ inOrder: true }).enumerator.discover(loose.splits)
  expect(placed(ordered.splits)).toEqual([
    'big#000000000000000: 0 of files',
    'big#000000067108864: 1 of files',
    'big#000000134217728: 2 of files',
    'big!: 3 of files',
  ])
})

test('names are compared character by character, folders included', async () => {
  await mkdir(at('b'))
  for (const name of ['a10', 'a9', 'B', 'b/1', 'b-1']) await writeFile(at(name), 'x\n')
  const { splits } = await sourceOver({ inOrder: true, watch: true }).enumerator.discover([])
  const byPlace = [...splits].sort((l, r) => (l.sequence!.place < r.sequence!.place ? -1 : 1))
  expect(byPlace.map(({ id }) => id)).toEqual(['B', 'a10', 'a9', 'b-1', 'b/1'])
})

test('a watched file that is followed by another rests at its end, until it grows after all', async () => {
  await writeFile(at('1'), 'a\n')
  const { enumerator, reader, kicked } = sourceOver({ inOrder: true, watch: true })
  const seen: string[] = []
  let known: readonly SourceSplit[] = []
  const find = async (): Promise<void> => {
    const { splits } = await enumerator.discover(known)
    const found = splits.filter(({ id }) => known.every((split) => split.id !== id))
    known = splits
    reader.addSplits(
      found.map((split) => ({ ...split, index: Number(split.id), position: undefined })),
    )
    reader.sequencesGrew!({ files: splits.at(-1)!.sequence!.place })
  }
  const output = {
    emit: (batch: { rows: readonly unknown[] }) => {
      seen.push(...batch.rows.map(String))
    },
    malformed: () => undefined,
    finishSplit: () => seen.push('finished'),
    restSplit: (index: number, resting: boolean) => {
      seen.push(`${index} ${resting ? 'rests' : 'goes on'}`)
    },
  }
  const until = async (what: string): Promise<void> => {
    while (!seen.includes(what)) {
      const state = reader.poll(output)
      if (state === 'waiting' && !seen.includes(what)) await kicked()
    }
  }
  await find()
  await until('a')
  expect(reader.isQueued!(1)).toBe(false)
  await writeFile(at('2'), 'b\n')
  await find()
  await until('1 rests')
  expect(seen.filter((what) => what !== 'b')).toEqual(['a', '1 rests'])
  await appendFile(at('1'), 'c\n')
  await until('c')
  expect(seen.indexOf('1 goes on')).toBeLessThan(seen.indexOf('c'))
  // Removed at its end, the last one rests as well.
  await rm(at('2'))
  await until('2 rests')
})

test('files that others are read before are queued', async () => {
  for (const name of ['1', '2', '3']) await writeFile(at(name), `${name}\n`)
  const { enumerator, reader, kicked } = sourceOver({})
  const { splits } = await enumerator.discover([])
  reader.addSplits(splits.map((split, index) => ({ ...split, index, position: undefined })))
  reader.noMoreSplits()
  const queued = (): boolean[] => [0, 1, 2].map((index) => reader.isQueued!(index))
  expect(queued()).toEqual([false, true, true])
  const finished: number[] = []
  const output = {
    emit: () => undefined,
    malformed: () => undefined,
    finishSplit: (index: number) => finished.push(index),
  }
  while (finished.length < 1) if (reader.poll(output) === 'waiting') await kicked()
  expect(queued()).toEqual([false, false, true])
})
