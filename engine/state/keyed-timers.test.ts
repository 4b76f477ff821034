import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import { keyHash } from '../stream/key-codec.ts'
import { orderedDoubleOf, orderedDoubleText } from './cell.ts'
import { KeyedHeap } from './keyed-heap.ts'
import { KeyedTimers } from './keyed-timers.ts'
import { textOf } from './testing/state-model.ts'

function newTimers(): { readonly heap: KeyedHeap; readonly timers: KeyedTimers } {
  const noCache = { load: () => undefined, relieve: () => undefined }
  const heap = new KeyedHeap({ first: 0, last: 7 }, 8, 1e9, () => noCache)
  return { heap, timers: new KeyedTimers(heap, systemClock) }
}

test('timers fire in order of time and key bytes, each once, with its key set', () => {
  const { heap, timers } = newTimers()
  const keys = ['b', 'a', 3, -1, null]
  for (const atMs of [20, 10, 20, 5]) {
    for (const key of keys) {
      heap.setCurrentKey(key, keyHash(key))
      timers.registerEventTimeTimer(atMs)
    }
  }
  heap.setCurrentKey('a', keyHash('a'))
  timers.deleteEventTimeTimer(10)
  timers.deleteEventTimeTimer(11)
  const fired: unknown[] = []
  const done = timers.fireEventTime(
    10,
    (atMs) => fired.push([atMs, heap.currentKey]),
    () => true,
  )
  expect(done).toBe(true)
  expect(timers.watermarkMs).toBe(10)
  const inOrder = [...keys].sort((left, right) => (textOf(left) < textOf(right) ? -1 : 1))
  expect(fired).toEqual([
    ...inOrder.map((key) => [5, key]),
    ...inOrder.filter((key) => key !== 'a').map((key) => [10, key]),
  ])
  expect(timers.eventTime.count).toBe(keys.length)
})

test('firing pauses between two timers and goes on where it was', () => {
  const { heap, timers } = newTimers()
  for (let key = 0; key < 5; key += 1) {
    heap.setCurrentKey(key, keyHash(key))
    timers.registerEventTimeTimer(key)
  }
  const fired: number[] = []
  const fire = (): boolean => {
    let left = 2
    return timers.fireEventTime(
      100,
      (atMs) => fired.push(atMs),
      () => (left -= 1) >= 0,
    )
  }
  expect([fire(), fire(), fire()]).toEqual([false, false, true])
  expect(fired).toEqual([0, 1, 2, 3, 4])
})

test('a timer that a callback sets for a time already due fires in the same advance', () => {
  const { heap, timers } = newTimers()
  heap.setCurrentKey('k', keyHash('k'))
  timers.registerEventTimeTimer(5)
  const fired: number[] = []
  timers.fireEventTime(
    10,
    (atMs) => {
      fired.push(atMs)
      if (fired.length < 4) timers.registerEventTimeTimer(atMs)
    },
    () => true,
  )
  expect(fired).toEqual([5, 5, 5, 5])
})

test('processing-time timers are apart from event-time ones and say when they are due', () => {
  const { heap, timers } = newTimers()
  heap.setCurrentKey('k', keyHash('k'))
  expect(timers.nextProcessingTimeMs()).toBeUndefined()
  timers.registerProcessingTimeTimer(7)
  timers.registerEventTimeTimer(3)
  expect(timers.nextProcessingTimeMs()).toBe(7)
  timers.deleteProcessingTimeTimer(3)
  const fired: number[] = []
  timers.fireProcessingTime(
    7,
    (atMs) => fired.push(atMs),
    () => true,
  )
  expect(fired).toEqual([7])
  expect(timers.eventTime.count).toBe(1)
})

test('times of timers order as their bytes do', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), fc.double({ noNaN: true }), (left, right) => {
      expect(orderedDoubleOf(orderedDoubleText(left))).toBe(left === 0 ? 0 : left)
      const before = orderedDoubleText(left) < orderedDoubleText(right)
      expect(before).toBe(left < right)
    }),
    { numRuns: 500 },
  )
})
