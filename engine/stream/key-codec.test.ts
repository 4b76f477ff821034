import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeKey, encodeKey, heapKey, keyHash, selectKey } from './key-codec.ts'
import { hashTextBytes } from './key-hash.ts'
import { readText, textBytesMax, writeText } from './text-bytes.ts'

const anyText = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0x7f }), fc.integer({ min: 0, max: 0xffff })), {
    maxLength: 60,
  })
  .map((units) => String.fromCharCode(...units))

const primitive = fc.oneof(
  fc.constantFrom(null, true, false, 0, -0, NaN, Infinity, 1, 1n, '1', '', '\u0000', '\u0000('),
  fc.integer(),
  fc.double(),
  fc.bigInt(),
  anyText,
  fc.uint8Array({ maxLength: 9 }).map((bytes) => new Uint8Array(bytes)),
)

const { key: anyKey } = fc.letrec((tie) => ({
  key: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    primitive,
    fc.array(tie('key'), { maxLength: 4 }),
    fc.dictionary(fc.string({ maxLength: 3 }), tie('key'), { maxKeys: 4, noNullPrototype: true }),
  ),
}))

/** Equality by the letter of `keys.ts`, written a second way. */
function equalKeys(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (Number.isNaN(a) && Number.isNaN(b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof Uint8Array !== b instanceof Uint8Array) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const left = Object.entries(a)
  if (left.length !== Object.keys(b).length) return false
  return left.every(
    ([name, value]) =>
      Object.hasOwn(b, name) && equalKeys(value, (b as Record<string, unknown>)[name]),
  )
}

test('a key comes back from its bytes', () => {
  fc.assert(
    fc.property(anyKey, (key) => {
      expect(equalKeys(decodeKey(encodeKey(key)), key)).toBe(true)
    }),
  )
})

test('bytes, heap keys and hashes are equal exactly for equal keys', () => {
  fc.assert(
    fc.property(anyKey, anyKey, (a, b) => {
      const equal = equalKeys(a, b)
      expect(Buffer.from(encodeKey(a)).equals(encodeKey(b))).toBe(equal)
      expect(new Map([[heapKey(a), 1]]).has(heapKey(b))).toBe(equal)
      if (equal) expect(keyHash(a)).toBe(keyHash(b))
    }),
    { numRuns: 600 },
  )
})

test('field order does not matter', () => {
  const a = { x: 1, y: [2, { p: 'p', q: null }] }
  const b = { y: [2, { q: null, p: 'p' }], x: 1 }
  expect(encodeKey(a)).toEqual(encodeKey(b))
  expect(heapKey(a)).toBe(heapKey(b))
  expect(keyHash(a)).toBe(keyHash(b))
})

test('keys that look alike are told apart', () => {
  const keys = [1, 1n, '1', true, null, 'null', [1], ['1'], [[1]], { a: 1 }, [], {}, '', '\u0000']
  expect(new Set(keys.map(heapKey)).size).toBe(keys.length)
  expect(new Set(keys.map((key) => Buffer.from(encodeKey(key)).toString('hex'))).size).toBe(
    keys.length,
  )
  expect(heapKey(heapKey([1]))).not.toBe(heapKey([1]))
})

test('minus zero is zero and every NaN is one key', () => {
  expect(encodeKey(-0)).toEqual(encodeKey(0))
  expect(keyHash(-0)).toBe(keyHash(0))
  expect(encodeKey([NaN])).toEqual(encodeKey([0 / 0]))
})

test('the hash of a text is the hash of its bytes', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const bytes = new Uint8Array(textBytesMax(text))
      const end = writeText(text, bytes, 0)
      expect(readText(bytes, 0, end)).toBe(text)
      expect(hashTextBytes(bytes, 0, end)).toBe(keyHash(text))
    }),
  )
})

test('hashes spread over key groups', () => {
  for (const make of [(n: number) => n, (n: number) => `user-${n}`, (n: number) => n + 0.5]) {
    const groups = new Array<number>(128).fill(0)
    for (let n = 0; n < 12_800; n += 1) groups[(keyHash(make(n)) >>> 0) % 128]! += 1
    expect(Math.min(...groups)).toBeGreaterThan(55)
    expect(Math.max(...groups)).toBeLessThan(150)
  }
})

test('a field, fields or a function give the key of a record', () => {
  const row = { user: 'ann', shop: 7, ['__proto__x']: 1 }
  expect(selectKey({ type: 'field', field: 'user' })(row)).toBe('ann')
  expect(selectKey({ type: 'fields', fields: ['user', 'shop'] })(row)).toEqual(['ann', 7])
  const select = (record: { shop: number }): number => record.shop + 1
  expect(selectKey({ type: 'function', select })(row)).toBe(8)
  const strange = JSON.parse('{"__proto__": 3}') as unknown
  expect(selectKey({ type: 'field', field: '__proto__' })(strange)).toBe(3)
})

test.each([
  [{ type: 'field', field: 'user' } as const, {}, 'field "user", is undefined'],
  [{ type: 'field', field: 'toString' } as const, {}, 'field "toString", is undefined'],
  [{ type: 'field', field: '__proto__' } as const, {}, 'field "__proto__", is undefined'],
  [{ type: 'field', field: 'a' } as const, null, 'field "a", is undefined'],
  [{ type: 'fields', fields: ['a', 'b'] } as const, { a: 1 }, 'field "b", is undefined'],
  [{ type: 'function', select: () => Promise.resolve(1) } as const, {}, 'is a promise'],
  [{ type: 'function', select: () => Symbol('x') } as const, {}, 'is a symbol'],
])('a record without a key is refused: %j', (selector, row, message) => {
  expect(() => selectKey(selector)(row)).toThrow(message)
})

test('an array or object that holds no key is refused', () => {
  for (const key of [[undefined], { a: new Date(0) }, [new Map()], { a: () => 1 }]) {
    expect(() => encodeKey(key)).toThrow(expect.objectContaining({ code: 'KEY_INVALID' }))
    expect(() => keyHash(key)).toThrow(expect.objectContaining({ code: 'KEY_INVALID' }))
    expect(() => heapKey(key)).toThrow(expect.objectContaining({ code: 'KEY_INVALID' }))
  }
})

test('a key of many bytes has a name in tables', () => {
  const key = Uint8Array.from({ length: 200_000 }, (_, index) => index)
  expect(heapKey(key)).toBe(heapKey(key.slice()))
  expect(heapKey(key)).not.toBe(heapKey(key.subarray(1)))
})
