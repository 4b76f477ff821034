import type { StepProgress } from '../engine/job/protocol.ts'

export type Watermark = NonNullable<StepProgress['watermark']>

/** Further from now than this, an input is history, and "lag" says nothing about it. */
const LIVE_MS = 3_600_000
/** What a Date can hold. */
const DATE_MAX_MS = 8.64e15

/** How far event time is behind the clock; undefined where the input is not live, or has no time. */
export function lagMs(watermark: Watermark | undefined, nowMs: number): number | undefined {
  if (typeof watermark !== 'number' || Math.abs(nowMs - watermark) >= LIVE_MS) return undefined
  return Math.max(0, nowMs - watermark)
}

/** As a time in UTC, `short` without year and milliseconds. */
export function formatWatermark(watermark: Watermark | undefined, how: 'full' | 'short'): string {
  if (watermark === undefined || watermark === 'none') return '–'
  if (watermark === 'end') return 'end'
  if (Math.abs(watermark) > DATE_MAX_MS) return String(watermark)
  const seconds = new Date(watermark).toISOString().replace(/\.\d+Z$/, '')
  return how === 'full' ? `${seconds}Z` : seconds.slice(-'01-31T00:00:00'.length).replace('T', ' ')
}
