import { expect, test } from 'vitest'
import { BarrierAligner } from './barrier-aligner.ts'

const barrier = (checkpointId: number) => ({ checkpointId, stop: false, drain: false })

test('a barrier is released once, when it has arrived on every channel', () => {
  const aligner = new BarrierAligner(3)
  expect(aligner.onBarrier(0, barrier(1))).toBeUndefined()
  expect(aligner.isBlocked(0)).toBe(true)
  expect(aligner.onBarrier(2, barrier(1))).toBeUndefined()
  expect(aligner.onBarrier(1, barrier(1))).toEqual(barrier(1))
  expect([0, 1, 2].map((channel) => aligner.isBlocked(channel))).toEqual([false, false, false])
  expect(aligner.aligning).toBe(false)
})

test('a newer barrier gives up the alignment of an aborted checkpoint', () => {
  const aligner = new BarrierAligner(2)
  aligner.onBarrier(0, barrier(1))
  expect(aligner.onBarrier(1, barrier(2))).toBeUndefined()
  expect(aligner.isBlocked(0)).toBe(false)
  expect(aligner.onBarrier(0, barrier(2))).toEqual(barrier(2))
})

test('a late barrier of an aborted checkpoint is dropped', () => {
  const aligner = new BarrierAligner(2)
  aligner.onBarrier(1, barrier(2))
  expect(aligner.onBarrier(0, barrier(1))).toBeUndefined()
  expect(aligner.isBlocked(0)).toBe(false)
  expect(aligner.onBarrier(0, barrier(2))).toEqual(barrier(2))
})

test('reading a blocked channel is a bug', () => {
  const aligner = new BarrierAligner(2)
  aligner.onBarrier(0, barrier(1))
  expect(() => aligner.onBarrier(0, barrier(1))).toThrow('a blocked channel was read')
})
