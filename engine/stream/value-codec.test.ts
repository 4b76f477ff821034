import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { SchemaData } from './schema.ts'
import { ByteReader } from './byte-buffer.ts'
import { ValueCodec, packValue, unpackValue } from './value-codec.ts'

/** Equality to the last bit: NaN, -0, holes, prototypes of views and own `__proto__` fields count. */
function same(left: unknown, right: unknown): boolean {
  if (Object.is(left, right)) return true
  if (typeof left !== 'object' || typeof right !== 'object') return false
  if (left === null || right === null) return false
  if (left instanceof Date && right instanceof Date) return same(left.getTime(), right.getTime())
  if (Object.getPrototypeOf(left) !== Object.getPrototypeOf(right)) return false
  if (left instanceof Map) return same([...left], [...(right as Map<unknown, unknown>)])
  if (left instanceof Set) return same([...left], [...(right as Set<unknown>)])
  const names = Object.keys(left)
  if (names.join('\u0001') !== Object.keys(right).join('\u0001')) return false
  if (Array.isArray(left) && left.length !== (right as unknown[]).length) return false
  const [a, b] = [left as Record<string, unknown>, right as Record<string, unknown>]
  return names.every((name) => Object.hasOwn(b, name) && same(a[name], b[name]))
}

function thereAndBack(codec: ValueCodec, value: unknown): unknown {
  return codec.read(new ByteReader(codec.encode(value)))
}

const hostile: readonly unknown[] = [
  null,
  undefined,
  NaN,
  -0,
  0,
  Infinity,
  -Infinity,
  2 ** 53,
  -(2 ** 53) + 1,
  0.1,
  5e-324,
  '',
  '\ud800',
  'a\udfffb',
  '😀',
  'x'.repeat(100_000),
  'é\ud83d'.repeat(50_000),
  0n,
  -1n,
  2n ** 64n,
  -(2n ** 63n),
  10n ** 400n,
  JSON.parse('{"__proto__": {"a": 1}, "toJSON": 1, "constructor": null}'),
  { a: undefined, '': -0, '\udc00': 1, 1: 'b' },
  [undefined, , -0, [[]]],
  new Map<unknown, unknown>([
    [{ a: 1 }, -0],
    [NaN, new Set([1n, 'x'])],
  ]),
  new Set([undefined, null, -1]),
  new Date(0),
  new Date(NaN),
  new Uint8Array([1, 2, 3]),
  Buffer.from('bytes'),
  new Float64Array([-0, NaN, 1.5]),
  new BigInt64Array([-1n]),
  new Int16Array([1, -2]).subarray(1),
  { nested: { deep: [{ x: new Date(5), y: new Uint8Array(0) }] } },
]

test('a packed value comes back exactly', () => {
  for (const value of hostile) expect(same(unpackValue(packValue(value)), value)).toBe(true)
})

test('any plain value comes back exactly when packed', () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withSparseArray: true,
    stringUnit: 'binary',
    key: fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', '\ud800', '')),
    maxDepth: 4,
  })
  fc.assert(
    fc.property(anything, (value) => same(unpackValue(packValue(value)), value)),
    { numRuns: 500 },
  )
})

test('a packed value is no view of the bytes it was read from', () => {
  const bytes = packValue({ block: new Uint8Array([1, 2]), text: 'abc' })
  const value = unpackValue(bytes)
  bytes.fill(0)
  expect(value).toEqual({ block: new Uint8Array([1, 2]), text: 'abc' })
})

test('what no bytes can hold is refused', () => {
  class Own {
    readonly a = 1
  }
  const cycle: unknown[] = []
  cycle.push(cycle)
  for (const value of [() => 1, Symbol('s'), new Own(), { a: [() => 1] }, cycle, new Error('e')]) {
    expect(() => packValue(value)).toThrow(expect.objectContaining({ code: 'VALUE_UNFIT' }))
  }
})

const cases: readonly (readonly [SchemaData, readonly unknown[], readonly unknown[]])[] = [
  [
    { kind: 'utf8' },
    ['', 'é', '\ud800', 'x'.repeat(100_000), 'y'.repeat(127)],
    [1, null, undefined],
  ],
  [
    { kind: 'int32' },
    [0, -0, 1, -1, 63, 64, 2 ** 31 - 1, -(2 ** 31)],
    [1.5, 2 ** 31, NaN, '1', 1n],
  ],
  [
    { kind: 'int64', as: 'bigint' },
    [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n)],
    [2n ** 63n, 1, undefined],
  ],
  [
    { kind: 'int64', as: 'number' },
    [0, -0, 2 ** 53 - 1, -(2 ** 53) + 1, 2 ** 31, 2 ** 32 + 5],
    [2 ** 53, 0.5, NaN, 1n],
  ],
  [{ kind: 'float64' }, [0, -0, NaN, 1.5, -Infinity], ['1', null]],
  [{ kind: 'timestamp' }, [0, 1_700_000_000_123, -1], [new Date(0)]],
  [{ kind: 'bool' }, [true, false], [0, null]],
  [{ kind: 'binary' }, [new Uint8Array(0), new Uint8Array([255])], ['', [1]]],
  [{ kind: 'date' }, ['2026-11-24'], [1]],
  [{ kind: 'decimal', precision: 10, scale: 2 }, ['-12.30'], [12.3]],
  [{ kind: 'list', item: { kind: 'int32' } }, [[], [1, -0, 3]], [[1.5], 'ab', undefined]],
  [
    { kind: 'nullable', of: { kind: 'list', item: { kind: 'utf8' } } },
    [null, undefined, ['a']],
    [['a', 1], 1],
  ],
  [
    {
      kind: 'struct',
      fields: [
        { name: '__proto__', schema: { kind: 'nullable', of: { kind: 'int32' } } },
        { name: 'b', schema: { kind: 'packed' } },
        {
          name: 'c',
          schema: { kind: 'struct', fields: [{ name: 'd', schema: { kind: 'utf8' } }] },
        },
      ],
    },
    [
      Object.defineProperty({}, '__proto__', { value: 7, enumerable: true }),
      { __proto__: null },
    ].map((row, index) =>
      index === 0
        ? Object.defineProperties(row, {
            b: { value: new Map([[1n, -0]]), enumerable: true },
            c: { value: { d: '' }, enumerable: true },
          })
        : Object.defineProperties(JSON.parse('{"__proto__": null}') as object, {
            b: { value: undefined, enumerable: true },
            c: { value: { d: 'x' }, enumerable: true },
          }),
    ),
    [null, 1, { b: 1, c: {} }],
  ],
]

test.each(cases)(
  'a value of schema %j comes back exactly, what does not fit is refused',
  (...all) => {
    const [schema, fitting, unfitting] = all
    const codec = new ValueCodec(schema, 'field')
    for (const value of fitting) expect(same(thereAndBack(codec, value), value)).toBe(true)
    for (const value of unfitting) {
      expect(() => codec.encode(value)).toThrow(expect.objectContaining({ code: 'VALUE_UNFIT' }))
    }
  },
)

test('numbers of any size come back from their variable length', () => {
  const codec = new ValueCodec({ kind: 'int64', as: 'number' })
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => Object.is(thereAndBack(codec, value), value)),
    { numRuns: 500 },
  )
  expect(codec.encode(63).length).toBe(1)
  expect(codec.encode(8_000).length).toBe(2)
})
