import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeKey } from '../stream/key-codec.ts'
import { keyOfText, keyText } from './key-text.ts'

test('the short ways to a key as text give what the codec gives', () => {
  const key = fc.oneof(
    fc.integer(),
    fc.double(),
    fc.string({ maxLength: 140, unit: 'binary' }),
    fc.string({ maxLength: 140, unit: 'grapheme-ascii' }),
    fc.constantFrom(null, true, -0, 2 ** 31, -(2 ** 31), 'x'.repeat(127), 'x'.repeat(128), 5n),
  )
  fc.assert(
    fc.property(key, (given) => {
      expect(keyText(given)).toBe(Buffer.from(encodeKey(given)).toString('latin1'))
      expect(keyOfText(keyText(given))).toBe(Object.is(given, -0) ? 0 : given)
    }),
    { numRuns: 500 },
  )
})
