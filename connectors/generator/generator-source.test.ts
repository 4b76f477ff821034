import { expect, test } from 'vitest'
import { sourceDefinition, StreamError } from '../../engine/index.ts'
import type { AssignedSplit, Source, SourceReader, SplitPosition } from '../../engine/index.ts'
import { readerContext, runReader, testClock, testDoors } from '../testing.ts'
import { generatorSource } from './generator-source.ts'

async function assigned(source: Source<unknown>): Promise<AssignedSplit[]> {
  const doors = testDoors()
  const enumerator = sourceDefinition(source).createEnumerator({
    uid: 'source',
    doors,
    parallelism: 1,
  })
  const { splits } = await enumerator.discover([])
  return splits.map((split, index) => ({ ...split, index, position: undefined }))
}

function reader(source: Source<unknown>, splits: readonly AssignedSplit[]): SourceReader {
  const made = sourceDefinition(source).createReader(readerContext())
  made.addSplits(splits)
  made.noMoreSplits()
  return made
}

test.each([0, 1, 3, 16, 17, 5_000])('%d records are exactly the indices below', async (records) => {
  const source = generatorSource({ records, generate: (index) => index })
  const splits = await assigned(source)
  const { rows, offsets, finished } = await runReader(reader(source, splits))
  expect(rows.sort((left, right) => Number(left) - Number(right))).toEqual(
    Array.from({ length: records }, (_, index) => index),
  )
  expect(offsets.toSorted((left, right) => left - right)).toEqual(rows)
  expect(finished).toHaveLength(splits.length)
})

test('a restart at another parallelism makes each index once', async () => {
  const source = generatorSource({ records: 40_000, generate: (index) => index })
  const splits = await assigned(source)
  const before = [0, 1].map((subtask) =>
    reader(
      source,
      splits.filter((split) => split.index % 2 === subtask),
    ),
  )
  const rows: unknown[] = []
  const positions = new Map<string, SplitPosition>()
  for (const [subtask, half] of before.entries()) {
    const read = await runReader(half, 3 + subtask)
    rows.push(...read.rows)
    for (const position of half.snapshot()) positions.set(position.id, position)
  }
  for (const third of [0, 1, 2]) {
    const mine = splits.filter((split) => split.index % 3 === third)
    const restored = mine.map((split) => ({
      ...split,
      position: positions.get(split.id)!.position,
    }))
    rows.push(...(await runReader(reader(source, restored))).rows)
  }
  expect(rows).toHaveLength(40_000)
  expect(new Set(rows).size).toBe(40_000)
})

test('chance depends on the seed and the index only', async () => {
  const make = (seed: number) =>
    generatorSource({
      records: 100,
      seed,
      generate: (index, random) => `${index}:${random.int(1_000_000)}:${random.hex(2)}`,
    })
  const splits = await assigned(make(1))
  const whole = (await runReader(reader(make(1), splits))).rows
  const part = (await runReader(reader(make(1), splits.slice(3, 5)))).rows
  const other = (await runReader(reader(make(2), splits))).rows
  expect(whole).toEqual(expect.arrayContaining(part))
  expect(part).not.toHaveLength(0)
  expect(other.filter((row) => whole.includes(row))).toEqual([])
  expect(new Set(whole.map((row) => String(row).split(':')[1])).size).toBeGreaterThan(95)
})

test('a rate holds over all splits and is not made up for after a stall', async () => {
  const source = generatorSource({ perSecond: 1_000, generate: (index) => index })
  const splits = await assigned(source)
  const clock = testClock()
  const limited = sourceDefinition(source).createReader(readerContext({ clock }))
  limited.addSplits(splits)
  let made = 0
  const output = {
    emit: (batch: { count: number }) => {
      made += batch.count
    },
    malformed: () => undefined,
    finishSplit: () => undefined,
  }
  const drain = (): void => {
    while (limited.poll(output) === 'more') continue
  }
  drain()
  expect(made).toBe(0)
  clock.advance(500)
  drain()
  expect(made).toBe(500)
  clock.advance(60_000)
  drain()
  expect(made).toBeLessThanOrEqual(500 + 1_024)
  await limited.close()
})

test('what generate throws names the record', async () => {
  const source = generatorSource({
    records: 100,
    generate: (index) => {
      if (index === 37) throw new Error('no 37')
      return index
    },
  })
  const failing = reader(source, await assigned(source))
  const failure: unknown = await runReader(failing).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(StreamError)
  expect(failure).toMatchObject({ code: 'USER_FUNCTION_FAILED', message: 'no 37' })
  expect((failure as StreamError).place).toEqual({ split: 'generator-05', offset: 37 })
})

test('options that make no sense are refused', () => {
  expect(() => generatorSource({ records: 1.5, generate: () => 0 })).toThrow(/"records".*1.5/)
  expect(() => generatorSource({ perSecond: 0, generate: () => 0 })).toThrow(/"perSecond"/)
})

test('a generate that returns promises is refused at its first record', async () => {
  const source = generatorSource({ records: 5, generate: () => Promise.resolve(1) })
  await expect(runReader(reader(source, await assigned(source)))).rejects.toMatchObject({
    code: 'STEP_ASYNC',
  })
})
