import { expect, test } from 'vitest'
import { parseInstant } from './iso-time.ts'

test.each([
  '2023-11-14T22:13:20Z',
  '2023-11-14T22:13:20.123Z',
  '1965-06-07T08:09:10.001-07:30',
  '2024-02-29T23:59:59.999+14:00',
  '+012345-01-01T00:00:00Z',
])('%s is the same instant as the language reads', (text) => {
  expect(parseInstant(text, 'refuse')).toBe(Date.parse(text))
})

test('no zone is UTC, what is finer than a millisecond is cut only where asked, nonsense is none', () => {
  expect(parseInstant('1970-01-01 00:00', 'refuse')).toBe(0)
  expect(parseInstant('1970-01-01T00:00:00.0019999', 'refuse')).toBeUndefined()
  expect(parseInstant('1970-01-01T00:00:00.0019999', 'cut')).toBe(1)
  expect(parseInstant('1969-12-31T23:59:59.9999', 'cut')).toBe(-1)
  expect(parseInstant('1970-01-01T00:00:00.001000000', 'refuse')).toBe(1)
  expect(parseInstant('1970-01-01T24:00:00', 'cut')).toBeUndefined()
  expect(parseInstant('1970-01-01T', 'cut')).toBeUndefined()
  expect(parseInstant('', 'cut')).toBeUndefined()
})

test('an instant is within the range of the engine', () => {
  expect(parseInstant('+275760-09-13T00:00:00.000Z', 'refuse')).toBe(8.64e15)
  expect(parseInstant('+275760-09-13T00:00:00.001Z', 'refuse')).toBeUndefined()
  expect(parseInstant('-271821-04-20T00:00:00Z', 'refuse')).toBe(-8.64e15)
  expect(parseInstant('-271821-04-19T23:59:59.999Z', 'refuse')).toBeUndefined()
})
