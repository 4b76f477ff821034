import type { StepProgress, StepReport } from './protocol.ts'

/** Further from now than this, an input is history, and "lag" says nothing about it. */
const LIVE_MS = 3_600_000
/** What a Date can hold. */
const DATE_MAX_MS = 8.64e15

/** How far event time is behind the clock; undefined where the input is not live, or has no time. */
export function lagMs(watermark: StepProgress['watermark'], nowMs: number): number | undefined {
  if (typeof watermark !== 'number' || Math.abs(nowMs - watermark) >= LIVE_MS) return undefined
  return Math.max(0, nowMs - watermark)
}

/** A step for `inspect` and `--json`. */
export function stepReport(step: StepProgress, nowMs: number): StepReport {
  const { watermark, ...counts } = step
  if (watermark === undefined) return counts
  const isTime = typeof watermark === 'number' && Math.abs(watermark) <= DATE_MAX_MS
  const lag = lagMs(watermark, nowMs)
  return {
    ...counts,
    watermark: isTime ? new Date(watermark).toISOString() : String(watermark),
    ...(lag === undefined ? {} : { lagMs: lag }),
  }
}
