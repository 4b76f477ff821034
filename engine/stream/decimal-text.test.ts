import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareDecimals } from './decimal-text.ts'

const decimal = fc
  .record({
    minus: fc.constantFrom('', '-'),
    whole: fc.constantFrom('0', '00', '7', '9', '10', '007', '99999999999999999999'),
    fraction: fc.constantFrom('', '.0', '.5', '.50', '.05', '.4999999999999999999999', '.9'),
  })
  .map(({ minus, whole, fraction }) => `${minus}${whole}${fraction}`)

/** The number times 10^30. */
function scaled(text: string): bigint {
  const [whole, fraction = ''] = text.replace('-', '').split('.')
  const value = BigInt(whole! + fraction.padEnd(30, '0'))
  return text.startsWith('-') ? -value : value
}

test('decimals compare as the numbers they are', () => {
  fc.assert(
    fc.property(decimal, decimal, (left, right) => {
      const [ours, theirs] = [scaled(left), scaled(right)]
      const expected = ours < theirs ? -1 : ours > theirs ? 1 : 0
      expect(Math.sign(compareDecimals(left, right)) + 0).toBe(expected)
    }),
    { seed: 4, numRuns: 2_000 },
  )
})

test('what is no decimal is neither less nor greater', () => {
  expect(compareDecimals('x', '1')).toBeNaN()
  expect(compareDecimals('x', 'x')).toBeNaN()
  expect(compareDecimals('1', '')).toBeNaN()
})
