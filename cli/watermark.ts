import type { StepProgress } from '../engine/job/protocol.ts'

export { lagMs } from '../engine/job/watermark-lag.ts'

export type Watermark = NonNullable<StepProgress['watermark']>

/** What a Date can hold. */
const DATE_MAX_MS = 8.64e15

/** As a time in UTC, `short` without year and milliseconds. */
export function formatWatermark(watermark: Watermark | undefined, how: 'full' | 'short'): string {
  if (watermark === undefined || watermark === 'none') return '–'
  if (watermark === 'end') return 'end'
  if (Math.abs(watermark) > DATE_MAX_MS) return String(watermark)
  const seconds = new Date(watermark).toISOString().replace(/\.\d+Z$/, '')
  return how === 'full' ? `${seconds}Z` : seconds.slice(-'01-31T00:00:00'.length).replace('T', ' ')
}
