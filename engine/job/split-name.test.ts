import { expect, test } from 'vitest'
import type { ErrorPlace } from '../base/errors.ts'
import type { SourceCoordinator } from './source-coordinator.ts'
import { StreamError } from '../base/errors.ts'
import { withSplitName } from './split-name.ts'

const source = {
  placeOf: (index: number) =>
    [{ split: 'orders.csv', unit: 'line' }, { split: '0' }][index] as ErrorPlace | undefined,
} as unknown as SourceCoordinator

const named = (place: ErrorPlace): ErrorPlace =>
  withSplitName(new StreamError('VALUE_UNFIT', 'no', { place }), [source]).place

test('the number of a split becomes its name', () => {
  expect(named({ splitIndex: 0, offset: 5 })).toEqual({
    split: 'orders.csv',
    unit: 'line',
    offset: 5,
  })
  expect(named({ splitIndex: 1, offset: 5 })).toEqual({ split: '0', offset: 5 })
  expect(named({ offset: 5 })).toEqual({ offset: 5 })
  expect(named({ splitIndex: 7 })).toEqual({ splitIndex: 7 })
})

test('a file whose name is a number is not taken for a number', () => {
  expect(named({ split: '0' })).toEqual({ split: '0' })
})
