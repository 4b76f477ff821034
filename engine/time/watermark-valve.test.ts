import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAX_WATERMARK, MIN_WATERMARK } from '../stream/elements.ts'
import { WatermarkValve } from './watermark-valve.ts'

test('the combined watermark is the least of all channels', () => {
  const valve = new WatermarkValve(2)
  expect(valve.onWatermark(0, 100)).toBeUndefined()
  expect(valve.onWatermark(1, 50)).toBe(50)
  expect(valve.onWatermark(1, 200)).toBe(100)
  expect(valve.onWatermark(1, 150)).toBeUndefined()
  expect(valve.watermarkMs).toBe(100)
})

test('an idle channel is left out, and may come back behind without lowering the watermark', () => {
  const valve = new WatermarkValve(2)
  valve.onWatermark(0, 10)
  expect(valve.onStatus(1, true)).toEqual({ idle: undefined, watermarkMs: 10 })
  expect(valve.onWatermark(0, 100)).toBe(100)
  expect(valve.onStatus(1, false)).toEqual({ idle: undefined, watermarkMs: undefined })
  expect(valve.onWatermark(1, 40)).toBeUndefined()
  expect(valve.onWatermark(0, 200)).toBeUndefined()
  expect(valve.watermarkMs).toBe(100)
  expect(valve.onWatermark(1, 150)).toBe(150)
})

test('with all channels idle the whole is, and stands at the greatest of them', () => {
  const valve = new WatermarkValve(2)
  valve.onWatermark(0, 100)
  valve.onWatermark(1, 50)
  expect(valve.onStatus(0, true)).toEqual({ idle: undefined, watermarkMs: undefined })
  expect(valve.onStatus(1, true)).toEqual({ idle: true, watermarkMs: 100 })
  expect(valve.onStatus(1, false)).toEqual({ idle: false, watermarkMs: undefined })
})

test('the end of one channel does not end time while another is idle', () => {
  const valve = new WatermarkValve(2)
  valve.onWatermark(0, 100)
  valve.onWatermark(1, 100)
  valve.onStatus(1, true)
  expect(valve.onEnd(0)).toEqual({ idle: true, watermarkMs: undefined })
  expect(valve.onStatus(1, false)).toEqual({ idle: false, watermarkMs: undefined })
  expect(valve.onWatermark(1, 120)).toBe(120)
  expect(valve.onWatermark(1, MAX_WATERMARK)).toBe(MAX_WATERMARK)
})

test('a channel whose last watermark comes before its end leaves the others idle', () => {
  const valve = new WatermarkValve(2)
  valve.onStatus(1, true)
  expect(valve.onWatermark(0, MAX_WATERMARK)).toBeUndefined()
  expect(valve.onEnd(0)).toEqual({ idle: true, watermarkMs: undefined })
})

test('a restored watermark is where the valve starts', () => {
  const valve = new WatermarkValve(1, 500)
  expect(valve.onWatermark(0, 400)).toBeUndefined()
  expect(valve.onWatermark(0, 501)).toBe(501)
})

test('over any sequence the watermark is monotone and never ahead of an active open channel', () => {
  const step = fc.oneof(
    fc.record({ channel: fc.nat(2), ms: fc.integer({ min: 0, max: 50 }) }),
    fc.record({ channel: fc.nat(2), idle: fc.boolean() }),
    fc.record({ channel: fc.nat(2), end: fc.constant(true) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const valve = new WatermarkValve(3)
      const heights = [MIN_WATERMARK, MIN_WATERMARK, MIN_WATERMARK]
      const idle = [false, false, false]
      let last = MIN_WATERMARK
      for (const step of steps) {
        let advanced: number | undefined
        if ('ms' in step) {
          heights[step.channel] = Math.max(heights[step.channel]!, step.ms)
          advanced = valve.onWatermark(step.channel, step.ms)
        } else if ('idle' in step) {
          idle[step.channel] = step.idle
          advanced = valve.onStatus(step.channel, step.idle).watermarkMs
        } else {
          heights[step.channel] = MAX_WATERMARK
          advanced = valve.onEnd(step.channel).watermarkMs
        }
        if (advanced === undefined) continue
        expect(advanced).toBeGreaterThan(last)
        last = advanced
        const active = heights.filter((ms, channel) => !idle[channel] && ms < MAX_WATERMARK)
        for (const ms of active) expect(advanced).toBeLessThanOrEqual(ms)
        if (advanced === MAX_WATERMARK) expect(Math.min(...heights)).toBe(MAX_WATERMARK)
      }
    }),
  )
})
