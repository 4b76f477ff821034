import { StreamError } from '../engine/base/errors.ts'

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** `500ms`, `20s`, `5m`, `1h`, `2d` as ms; a bare number is not clear enough. */
export function parseDuration(text: string): number {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim())
  if (found === null) {
    throw new StreamError('USAGE', `"${text}" is no duration`, {
      hint: 'Write a number and its unit: 500ms, 20s, 5m, 1h, 2d.',
    })
  }
  return Math.round(Number(found[1]) * UNITS[found[2] as keyof typeof UNITS])
}

/** For people: two digits that matter, in the unit that fits. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  const seconds = ms / 1_000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 120) return `${Math.round(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 120) return `${minutes} min ${Math.round(seconds % 60)} s`
  const hours = Math.floor(minutes / 60)
  return hours < 48
    ? `${hours} h ${minutes % 60} min`
    : `${Math.floor(hours / 24)} d ${hours % 24} h`
}
