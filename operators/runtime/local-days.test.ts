import { describe, expect, test } from 'vitest'
import { LocalDays } from './local-days.ts'
import { slicesOf } from './window-slices.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** The clocks of a zone as text, by another way than `LocalDays` goes. */
function clockText(timeZone: string): (ms: number) => string {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone,
    dateStyle: 'short',
    timeStyle: 'medium',
  })
  return (ms) => format.format(ms)
}

/** The first quarter of an hour at which the clocks show `text` or more, from `fromMs` on. */
function firstAt(timeZone: string, text: string, fromMs: number): number {
  const clock = clockText(timeZone)
  let ms = fromMs
  while (clock(ms) < text) ms += 15 * MINUTE_MS
  return ms
}

const zones: readonly (readonly [zone: string, why: string, date: string])[] = [
  ['America/New_York', 'an hour skipped', '2024-03-10'],
  ['America/New_York', 'an hour twice', '2024-11-03'],
  ['Europe/Vienna', 'an hour skipped', '2024-03-31'],
  ['Europe/Vienna', 'an hour twice', '2024-10-27'],
  ['Australia/Lord_Howe', 'half an hour skipped', '2024-10-06'],
  ['Australia/Lord_Howe', 'half an hour twice', '2024-04-07'],
  ['America/Sao_Paulo', 'midnight skipped', '2018-11-04'],
  ['America/Sao_Paulo', 'midnight twice', '2018-02-18'],
  ['Asia/Beirut', 'midnight skipped', '2022-03-27'],
  ['Pacific/Apia', 'a whole day skipped', '2011-12-30'],
  ['Asia/Kathmandu', 'no change, 5:45 ahead', '2024-06-01'],
  ['UTC', 'no change', '2024-06-01'],
]

describe.each(zones)('%s, %s on %s', (zone, _, date) => {
  const hours = [0, 4, 2, 2.5, -1, -3, 1.5, 23, 26]
  test.each(hours)('a day begins %d hours past midnight by its clocks', (hour) => {
    const days = new LocalDays(zone, hour * HOUR_MS)
    const middle = Date.parse(`${date}T00:00:00Z`)
    let before = -Infinity
    for (let ms = middle - 3 * DAY_MS; ms <= middle + 3 * DAY_MS; ms += DAY_MS) {
      const day = ms / DAY_MS
      const text = new Date(ms + hour * HOUR_MS).toISOString().slice(0, 19).replace('T', ' ')
      const start = firstAt(zone, text, ms + hour * HOUR_MS - 15 * HOUR_MS)
      expect(days.startOf(day), text).toBe(start)
      expect(start).toBeGreaterThanOrEqual(before)
      before = start
    }
  })

  test('every moment is in the day that its clocks say', () => {
    const days = new LocalDays(zone, 4 * HOUR_MS)
    const middle = Date.parse(`${date}T00:00:00Z`)
    for (let ms = middle - 2 * DAY_MS; ms < middle + 2 * DAY_MS; ms += 5 * MINUTE_MS + 1) {
      const day = days.dayOf(ms)
      expect(days.startOf(day)).toBeLessThanOrEqual(ms)
      expect(days.startOf(day + 1)).toBeGreaterThan(ms)
    }
  })
})

test('a business day of New York begins at 04:00 on the day the clocks change, and has 23 hours', () => {
  const slices = slicesOf({
    kind: 'windows',
    type: 'tumbling',
    sizeMs: DAY_MS,
    offsetMs: 4 * HOUR_MS,
    timeZone: 'America/New_York',
  })
  const start = Date.UTC(2024, 2, 10, 8)
  expect(slices.startOf(Date.UTC(2024, 2, 10, 8, 30))).toBe(start)
  expect(slices.startOf(Date.UTC(2024, 2, 10, 7, 59))).toBe(Date.UTC(2024, 2, 9, 9))
  expect(slices.endOf(Date.UTC(2024, 2, 9, 9))).toBe(start)
  expect(slices.windowStart(start)).toBe(Date.UTC(2024, 2, 9, 9))
  expect(slices.endOf(start)).toBe(Date.UTC(2024, 2, 11, 8))
})

test('windows of hours begin anew with each local day', () => {
  const slices = slicesOf({
    kind: 'windows',
    type: 'tumbling',
    sizeMs: 6 * HOUR_MS,
    offsetMs: HOUR_MS,
    timeZone: 'Europe/Vienna',
  })
  // 01:00 is 00:00Z in winter; the day before ends there, an hour short.
  expect(slices.startOf(Date.UTC(2024, 2, 31, 0, 30))).toBe(Date.UTC(2024, 2, 31))
  expect(slices.endOf(Date.UTC(2024, 2, 31, 18))).toBe(Date.UTC(2024, 2, 31, 23))
})

test('times at the ends of what the engine stores have a day', () => {
  for (const zone of ['America/New_York', 'Pacific/Kiritimati']) {
    const days = new LocalDays(zone, 4 * HOUR_MS)
    for (const ms of [-8.64e15, 8.64e15, 8.64e15 - 1, 0]) {
      const day = days.dayOf(ms)
      expect(days.startOf(day)).toBeLessThanOrEqual(ms)
      expect(days.startOf(day + 1)).toBeGreaterThan(ms)
    }
  }
})
