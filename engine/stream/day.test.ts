import { expect, test } from 'vitest'
import { compareDays, formatDay, parseDay } from './day.ts'

test('days agree with the calendar of the language, over leap years and before 1970', () => {
  for (let day = -800_000; day < 800_000; day += 371) {
    const text = new Date(day * 86_400_000).toISOString().replace(/T.*/, '')
    expect(formatDay(day)).toBe(text)
    expect(parseDay(text)).toBe(day)
  }
})

test.each(['2023-02-29', '2024-13-01', '2024-00-10', '2024-1-1', '20240101', 'x', '1900-02-29'])(
  '%s is no day',
  (text) => {
    expect(parseDay(text)).toBeUndefined()
  },
)

test('days reach as far as the dates of the language, and no further', () => {
  expect(formatDay(100_000_000)).toBe('+275760-09-13')
  expect(parseDay('+275760-09-13')).toBe(100_000_000)
  expect(parseDay('-271821-04-20')).toBe(-100_000_000)
  expect(parseDay('+275760-09-14')).toBeUndefined()
  expect(parseDay('-271821-04-19')).toBeUndefined()
})

test('days compare by when they are, whatever their digits', () => {
  const sorted = ['-271821-04-20', '-000001-12-31', '0000-01-01', '1969-12-31', '9999-12-31']
  const days = [...sorted, '+010000-01-01', '+275760-09-13']
  for (const [at, left] of days.entries()) {
    for (const [other, right] of days.entries()) {
      expect(Math.sign(compareDays(left, right))).toBe(Math.sign(at - other))
    }
  }
})
