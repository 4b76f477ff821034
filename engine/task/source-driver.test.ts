import { expect, test } from 'vitest'
import { StreamError } from '../base/errors.ts'
import { atSource } from './source-driver.ts'

const place = { operator: 'orders', subtask: 1 }

test('an error of a reader names the source', () => {
  const error = new StreamError('RECORD_MALFORMED', 'no', { place: { split: 'a', offset: 3 } })
  expect(atSource(error, place)).toMatchObject({ place: { ...place, split: 'a', offset: 3 } })
})

test('an error of a later step, and one without a split, are not blamed on the reader', () => {
  const ofStep = new StreamError('USER_FUNCTION_FAILED', 'no', {
    place: { operator: 'sum', split: 'a' },
  })
  const bug = new StreamError('BUG', 'no')
  expect(atSource(ofStep, place)).toBe(ofStep)
  expect(atSource(bug, place)).toBe(bug)
})
