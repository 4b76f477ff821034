import fc from 'fast-check'
import { normalize } from 'node:path'
import { expect, test } from 'vitest'
import { partitionPath } from './partition-path.ts'

test.each([
  ['', ''],
  ['day=2026-11-22/shop=7', 'day=2026-11-22/shop=7'],
  ['plain', 'plain'],
  ['shop=Zoë & Co', 'shop=Zoë & Co'],
  ['..', '%2E.'],
  ['../../etc', '%2E./%2E./etc'],
  ['a//b', 'a/%/b'],
  ['key=', 'key=__HIVE_DEFAULT_PARTITION__'],
  ['=x', '%=x'],
  ['key=__HIVE_DEFAULT_PARTITION__', 'key=%5F_HIVE_DEFAULT_PARTITION__'],
  ['_millrace', '%5Fmillrace'],
  ['a=b=c', 'a=b%3Dc'],
  ['nul=\u0000\n', 'nul=%00%0A'],
  ['100%', '100%25'],
])('%j is the folder %j', (partition, path) => {
  expect(partitionPath(partition)).toBe(path)
})

test('no text leaves the table, hides its files, is too long, or shares a folder', () => {
  const text = fc.string({
    unit: fc.oneof(fc.constantFrom('.', '/', '_', '=', '%', '~', '\\', '\ud800'), fc.string()),
    maxLength: 300,
  })
  fc.assert(
    fc.property(text, text, (left, right) => {
      const path = partitionPath(left)
      if (left !== '') expect(normalize(path)).toBe(path)
      for (const segment of path === '' ? [] : path.split('/')) {
        expect(segment).not.toBe('')
        expect(segment).not.toMatch(/^[._]/)
        expect(Buffer.byteLength(segment)).toBeLessThanOrEqual(255)
        // What a file system keeps is what was asked for.
        expect(Buffer.from(segment).toString()).toBe(segment)
      }
      expect(partitionPath(right) === path).toBe(left === right)
    }),
    { seed: 11, numRuns: 2_000 },
  )
})

test('long names differ where their texts do', () => {
  const long = 'é'.repeat(500)
  expect(partitionPath(`k=${long}a`)).not.toBe(partitionPath(`k=${long}b`))
  expect(Buffer.byteLength(partitionPath(`k=${long}`))).toBeLessThanOrEqual(240)
})
