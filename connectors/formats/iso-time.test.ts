import { expect, test } from 'vitest'
import { formatDay, parseDay, parseInstant } from './iso-time.ts'

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

test.each([
  '2023-11-14T22:13:20Z',
  '2023-11-14T22:13:20.123Z',
  '1965-06-07T08:09:10.001-07:30',
  '2024-02-29T23:59:59.999+14:00',
  '+012345-01-01T00:00:00Z',
])('%s is the same instant as the language reads', (text) => {
  expect(parseInstant(text)).toBe(Date.parse(text))
})

test('no zone is UTC, digits beyond milliseconds are cut, nonsense is none', () => {
  expect(parseInstant('1970-01-01 00:00')).toBe(0)
  expect(parseInstant('1970-01-01T00:00:00.0019999')).toBe(1)
  expect(parseInstant('1970-01-01T24:00:00')).toBeUndefined()
  expect(parseInstant('1970-01-01T')).toBeUndefined()
  expect(parseInstant('')).toBeUndefined()
})
