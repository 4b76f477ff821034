import fc from 'fast-check'
import { expect, test } from 'vitest'
import { schemaOf } from '../../engine/index.ts'
import type { SchemaData } from '../../engine/index.ts'
import { formatDefinition } from './format.ts'
import { json } from './json-format.ts'

function fields(named: Readonly<Record<string, SchemaData>>): SchemaData {
  return {
    kind: 'struct',
    fields: Object.entries(named).map(([name, schema]) => ({ name, schema })),
  }
}

function decode(schema: SchemaData, text: string): unknown {
  const bytes = Buffer.from(`xx${text}yy`)
  const decoder = formatDefinition(json(schemaOf(schema))).createDecoder()
  return decoder.decode(bytes, 2, bytes.length - 2)
}

function encode(schema: SchemaData, record: unknown): string {
  return formatDefinition(json(schemaOf(schema)))
    .createEncoder()
    .encode(record)
}

function only(schema: SchemaData, text: string): unknown {
  return (decode(fields({ value: schema }), `{"value":${text}}`) as { value: unknown }).value
}

const int64 = { kind: 'int64', as: 'bigint' } as const
const int64AsNumber = { kind: 'int64', as: 'number' } as const
const decimal = { kind: 'decimal', precision: 20, scale: 2 } as const
const utf8 = { kind: 'utf8' } as const

test.each<[SchemaData, string, unknown]>([
  [utf8, '"zoë 🚲"', 'zoë 🚲'],
  [{ kind: 'utf8', oneOf: ['a', 'b'] }, '"b"', 'b'],
  [{ kind: 'int32' }, '-2147483648', -2147483648],
  [int64, '7', 7n],
  [int64, '9007199254740993', 9007199254740993n],
  [int64, '-9223372036854775808', -9223372036854775808n],
  [int64, '1e3', 1000n],
  [int64, '1e16', 10n ** 16n],
  [int64, '"9223372036854775807"', 9223372036854775807n],
  [int64AsNumber, '9007199254740991', 9007199254740991],
  [{ kind: 'float64' }, '-0', -0],
  [{ kind: 'float64' }, '"NaN"', NaN],
  [{ kind: 'float64' }, '"-Infinity"', -Infinity],
  [{ kind: 'bool' }, 'false', false],
  [{ kind: 'binary' }, '"AQID"', Uint8Array.of(1, 2, 3)],
  [{ kind: 'timestamp' }, '1700000000000', 1_700_000_000_000],
  [{ kind: 'timestamp' }, '"2023-11-14T22:13:20Z"', 1_700_000_000_000],
  [{ kind: 'timestamp' }, '"2023-11-14 23:13:20.5+01:00"', 1_700_000_000_500],
  [{ kind: 'timestamp' }, '"1969-12-31"', -86_400_000],
  [{ kind: 'date' }, '"1969-12-31"', '1969-12-31'],
  [{ kind: 'date' }, '19000', '2022-01-08'],
  [decimal, '12.3', '12.30'],
  [decimal, '"-0.005e1"', '-0.05'],
  [decimal, '123456789012345678.91', '123456789012345678.91'],
  [{ kind: 'nullable', of: utf8 }, 'null', null],
  [{ kind: 'list', item: int64 }, '[1,9007199254740993]', [1n, 9007199254740993n]],
  [{ kind: 'packed' }, '{"any":[1,{"x":null}]}', { any: [1, { x: null }] }],
])('%j reads %s', (schema, text, value) => {
  expect(only(schema, text)).toEqual(value)
})

test.each<[SchemaData, string, RegExp]>([
  [utf8, '1', /"value" is utf8, the value is 1$/],
  [{ kind: 'utf8', oneOf: ['a', 'b'] }, '"c"', /one of a, b, the value is "c"/],
  [{ kind: 'int32' }, '1.5', /"value" is int32, the value is 1.5/],
  [{ kind: 'int32' }, '2147483648', /int32/],
  [int64, '9223372036854775808', /int64/],
  [int64, '1e30', /int64/],
  [int64, '0.5', /int64/],
  [int64AsNumber, '9007199254740993', /int64/],
  [{ kind: 'binary' }, '"*"', /binary/],
  [{ kind: 'timestamp' }, '"yesterday"', /timestamp, the value is "yesterday"/],
  [{ kind: 'timestamp' }, '1.5', /timestamp/],
  [{ kind: 'date' }, '"2023-02-29"', /date/],
  [decimal, '"1.005"', /decimal\(20, 2\)/],
  [decimal, '"1234567890123456789.00"', /decimal/],
  [{ kind: 'list', item: utf8 }, '["a",2]', /"value\[1\]" is utf8, the value is 2/],
  [fields({ inner: utf8 }), '{}', /"value.inner" is utf8, the value is missing/],
  [utf8, 'null', /the value is null/],
])('%j refuses %s', (schema, text, message) => {
  expect(() => only(schema, text)).toThrow(message)
  expect(() => only(schema, text)).toThrow(expect.objectContaining({ code: 'VALUE_UNFIT' }))
})

test('a hint says what a reader of a source can do', () => {
  const schema = fields({ cents: { kind: 'int32' } })
  for (const [text, hint] of [
    ['{"cents":', /onMalformed: 'skip' or 'dead-letter'/],
    ['{"cent":1}', /Check the name/],
    ['{"cents":null}', /Declare it nullable, or give it a value/],
  ] as const) {
    expect(() => decode(schema, text)).toThrow(
      expect.objectContaining({ hint: expect.stringMatching(hint) as string }) as Error,
    )
  }
})

test('fields that are not declared are dropped, missing ones are null, of two the last counts', () => {
  const schema = fields({ a: { kind: 'int32' }, b: { kind: 'nullable', of: utf8 } })
  const row = decode(schema, '{"c":{"deep":1},"a":1,"a":2}')
  expect(row).toEqual({ a: 2, b: null })
  expect(Object.keys(row as object)).toEqual(['a', 'b'])
})

test('names from the prototype are fields like any other', () => {
  const text = { kind: 'nullable', of: utf8 } as const
  const schema = fields({ ['__proto__']: text, toString: text, 'a"b\n': text })
  const row = decode(schema, '{"__proto__":"p","a\\"b\\n":"q"}') as Record<string, unknown>
  expect(Object.entries(row)).toEqual([
    ['__proto__', 'p'],
    ['toString', null],
    ['a"b\n', 'q'],
  ])
  expect(encode(schema, row)).toBe('{"__proto__":"p","toString":null,"a\\"b\\n":"q"}')
})

test.each(['', '{"value":', '[1]', 'null', '"text"', '{"value":01}', '{} {}'])(
  'what is no JSON object is refused: %s',
  (text) => {
    expect(() => decode(fields({ value: utf8 }), text)).toThrow(
      expect.objectContaining({ name: 'StreamError' }),
    )
  },
)

test('bytes that are no UTF-8 are refused, a written U+FFFD is not', () => {
  const decoder = formatDefinition(json(schemaOf(fields({ value: utf8 })))).createDecoder()
  const good = Buffer.from('{"value":"\ufffd"}')
  expect(decoder.decode(good, 0, good.length)).toEqual({ value: '\ufffd' })
  const bad = Buffer.from('{"value":"é"}', 'latin1')
  expect(() => decoder.decode(bad, 0, bad.length)).toThrow(/not UTF-8/)
})

test('what is written is read back as the same record', () => {
  const schema = fields({
    text: utf8,
    small: { kind: 'int32' },
    large: int64,
    safe: int64AsNumber,
    float: { kind: 'float64' },
    flag: { kind: 'bool' },
    bytes: { kind: 'binary' },
    at: { kind: 'timestamp' },
    amount: decimal,
    tags: { kind: 'list', item: { kind: 'nullable', of: utf8 } },
    inner: { kind: 'nullable', of: fields({ x: { kind: 'float64' } }) },
  })
  const text = fc.string({ unit: 'grapheme' })
  const record = fc.record({
    text,
    small: fc.integer(),
    large: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    safe: fc.maxSafeInteger(),
    float: fc.double(),
    flag: fc.boolean(),
    bytes: fc.uint8Array(),
    at: fc.integer({ min: -8.64e15, max: 8.64e15 }),
    amount: fc
      .bigInt({ min: 0n, max: 10n ** 18n })
      .map((cents) => `${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`),
    tags: fc.array(fc.option(text)),
    inner: fc.option(fc.record({ x: fc.double() })),
  })
  fc.assert(
    fc.property(record, (value) => {
      const line = encode(schema, value)
      expect(line).not.toContain('\n')
      expect(decode(schema, line)).toEqual(value)
    }),
    { seed: 20261124, numRuns: 300 },
  )
})

test.each<[string, unknown, RegExp | string]>([
  ['NaN', [1, NaN], /"any\[1\]" holds NaN/],
  ['infinity', { a: { b: -Infinity } }, /"any.a.b" holds -Infinity/],
  ['a date', new Date(0), /"any" holds a Date/],
  ['bytes', { a: Uint8Array.of(1) }, /"any.a" holds a Uint8Array/],
  ['a set', new Set([1]), /holds a Set/],
  ['a hole', [undefined], /"any\[0\]" holds a missing value/],
  ['nothing', undefined, /"any" holds a missing value/],
  ['a function', { f: () => 1 }, /"any.f" holds a function/],
  ['a symbol', Symbol('s'), /holds a symbol/],
  ['less than nothing', { a: [-0, 0], t: 'x"', no: undefined }, '{"a":[-0.0,0],"t":"x\\""}'],
  ['an odd name', JSON.parse('{"__proto__":null}'), '{"__proto__":null}'],
])('packed data is written as it is, or refused: %s', (_, any, expected) => {
  const write = (): string => encode(fields({ any: { kind: 'packed' } }), { any })
  if (typeof expected === 'string') expect(write()).toBe(`{"any":${expected}}`)
  else expect(write).toThrow(expected)
})

test('a record that does not fit is not written', () => {
  const schema = fields({ cents: { kind: 'int32' } })
  expect(() => encode(schema, { cents: 1.5 })).toThrow(/"cents" is int32, the value is 1.5/)
  expect(() => encode(schema, {})).toThrow(/missing/)
  expect(() => encode(fields({ any: { kind: 'packed' } }), { any: 1n })).toThrow(/bigint/)
})
