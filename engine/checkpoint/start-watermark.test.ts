import { expect, test } from 'vitest'
import { keyGroupRange } from '../stream/keys.ts'
import { copiesAreEqual, copyToRestore } from './broadcast-copies.ts'
import { startWatermark } from './start-watermark.ts'

const subtasksAt = (...watermarks: readonly number[]) =>
  watermarks.map((watermarkMs) => ({ chain: [], watermarkMs }))

/** Where the subtasks begin when those at `reached` are restored into `parallelism`. */
function starts(reached: readonly number[], parallelism: number, isOrdered: boolean): number[] {
  const subtasks = subtasksAt(...reached)
  const was = { parallelism: reached.length, maxParallelism: 128, subtasks }
  return Array.from({ length: parallelism }, (_, subtask) => {
    const range = keyGroupRange(subtask, 128, parallelism)
    return startWatermark(was, { range, maxParallelism: 128, isOrdered })
  })
}

test.each([
  { order: 'event-time', reached: [5, 9, 7], parallelism: 3, expected: [5, 9, 7] },
  { order: 'arrival', reached: [5, 9, 7], parallelism: 3, expected: [5, 9, 7] },
  { order: 'event-time', reached: [5, 9, 7], parallelism: 1, expected: [5] },
  { order: 'arrival', reached: [5, 9, 7], parallelism: 1, expected: [9] },
  { order: 'event-time', reached: [5, 9, 7], parallelism: 2, expected: [5, 7] },
  { order: 'arrival', reached: [5, 9, 7], parallelism: 2, expected: [9, 9] },
  { order: 'event-time', reached: [5, 9], parallelism: 4, expected: [5, 5, 9, 9] },
])(
  'in order of $order, subtasks at $reached go on as $parallelism at $expected',
  ({ order, reached, parallelism, expected }) => {
    expect(starts(reached, parallelism, order === 'event-time')).toEqual(expected)
  },
)

test('with another number of key groups any of them may be taken', () => {
  const was = { parallelism: 2, maxParallelism: 64, subtasks: subtasksAt(5, 9) }
  const range = keyGroupRange(1, 128, 2)
  expect(startWatermark(was, { range, maxParallelism: 128, isOrdered: true })).toBe(5)
})

test('copies are equal; in event-time order those of one watermark, and the least is restored', () => {
  const copy = (watermarkMs: number, hash: string, path?: string) => {
    const file = path === undefined ? {} : { file: { path, bytes: 1, sha256: hash } }
    return { chain: [], watermarkMs, broadcast: { hash, ...file } }
  }
  const different = [copy(9, 'b', 'p'), copy(5, 'a', 'q'), copy(9, 'b')]
  expect(copiesAreEqual(different, true)).toBe(true)
  expect(copiesAreEqual(different, false)).toBe(false)
  expect(copiesAreEqual([...different, copy(5, 'b')], true)).toBe(false)
  expect(copyToRestore(different)?.path).toBe('q')
  expect(copyToRestore([copy(9, 'b', 'p'), copy(5, 'b')])?.path).toBe('p')
  expect(copyToRestore([{ chain: [], watermarkMs: 5 }])).toBe(undefined)
})
