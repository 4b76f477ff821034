/** Numbers of JSON and CSV are judged by their text: each arrives as what it is, or is refused. */
import { describe, expect, test } from 'vitest'
import { schemaOf } from '../../engine/index.ts'
import type { SchemaData, StructSchema } from '../../engine/index.ts'
import { csv } from './csv-format.ts'
import { formatDefinition } from './format.ts'
import { json } from './json-format.ts'
import { parseExact } from './json-exact.ts'

const int32 = { kind: 'int32' } as const
const int64 = { kind: 'int64', as: 'bigint' } as const
const safe = { kind: 'int64', as: 'number' } as const
const float64 = { kind: 'float64' } as const
const timestamp = { kind: 'timestamp' } as const
const date = { kind: 'date' } as const
const packed = { kind: 'packed' } as const
const decimal = (precision: number, scale: number): SchemaData => ({
  kind: 'decimal',
  precision,
  scale,
})

function rowOf(schema: SchemaData): SchemaData {
  return { kind: 'struct', fields: [{ name: 'value', schema }] }
}

function decode(format: 'json' | 'csv', schema: SchemaData, text: string): unknown {
  const row = schemaOf(rowOf(schema)) as StructSchema<unknown>
  const definition = formatDefinition(format === 'json' ? json(row) : csv(row))
  const bytes = Buffer.from(format === 'json' ? `{"value":${text}}` : text)
  return (definition.createDecoder().decode(bytes, 0, bytes.length) as { value: unknown }).value
}

/** A number that both formats take the same way. */
const accepted: readonly [SchemaData, string, unknown][] = [
  [int32, '2147483647', 2147483647],
  [int32, '-2147483648', -2147483648],
  [int32, '-0', 0],
  [int64, '9223372036854775807', 9223372036854775807n],
  [int64, '-9223372036854775808', -9223372036854775808n],
  [int64, '9007199254740993', 9007199254740993n],
  [safe, '9007199254740991', 9007199254740991],
  [float64, '0.1', 0.1],
  [float64, '-0', -0],
  [float64, '-0.0', -0],
  [float64, '0e-999', 0],
  [float64, '5e-324', 5e-324],
  [float64, '1.7976931348623157e308', Number.MAX_VALUE],
  [float64, '9007199254740992', 2 ** 53],
  [float64, '9007199254740994', 2 ** 53 + 2],
  [float64, '123456789012345680000', 123456789012345680000],
  [float64, '0.12345678901234567890123', 0.12345678901234568],
  [decimal(38, 0), '1000000000000000000001', '1000000000000000000001'],
  [decimal(38, 19), '0.1000000000000000055', '0.1000000000000000055'],
  [decimal(10, 2), '12.3000000000000000000000', '12.30'],
  [decimal(10, 2), '1e3', '1000.00'],
  [decimal(10, 2), '-0', '0.00'],
  [decimal(10, 2), '0e99999', '0.00'],
  [decimal(38, 38), '1e-38', `0.${'0'.repeat(37)}1`],
  [timestamp, '8640000000000000', 8.64e15],
  [timestamp, '-8640000000000000', -8.64e15],
]

/** A number that both formats refuse. */
const refused: readonly [SchemaData, string][] = [
  [int32, '2147483648'],
  [int32, '1.0000000000000000001'],
  [int32, '2147483647.0000000000001'],
  [int32, '0.99999999999999999999'],
  [int32, '1e-400'],
  [int32, `0.${'0'.repeat(400)}1`],
  [int32, '1.234500000000000000001e4'],
  [int64, '9223372036854775808'],
  [int64, '-9223372036854775809'],
  [int64, '1.00000000000000000001'],
  [int64, '9007199254740993.5'],
  [int64, '1e400'],
  [safe, '9007199254740992'],
  [safe, '9007199254740991.4'],
  [float64, '1e400'],
  [float64, '-1e400'],
  [float64, '1e-400'],
  [float64, '-1e-400'],
  [float64, `0.${'0'.repeat(330)}1`],
  [float64, '9007199254740993'],
  [float64, '-9007199254740993'],
  [float64, '18446744073709551615'],
  [decimal(10, 2), '12.300000000000000001'],
  [decimal(10, 2), '1e-400'],
  [decimal(10, 2), '100000000'],
  [decimal(10, 2), '1e400'],
  [decimal(38, 0), '1e38'],
  [decimal(3, 2), '1'.repeat(100_000)],
  [timestamp, '1700000000000.5'],
  [timestamp, '1700000000000.00000000001'],
  [timestamp, '8640000000000001'],
  [timestamp, '-8640000000000001'],
  [timestamp, '1e-400'],
]

describe.each(['json', 'csv'] as const)('%s', (format) => {
  test.each(accepted)('%j takes %s', (schema, text, value) => {
    expect(decode(format, schema, text)).toStrictEqual(value)
  })

  test.each(refused)('%j refuses %s and shows it as it is written', (schema, text) => {
    const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text
    expect(() => decode(format, schema, text)).toThrow(
      expect.objectContaining({
        code: 'VALUE_UNFIT',
        message: expect.stringMatching(/^"value" is .*, the value is /) as string,
      }),
    )
    expect(() => decode(format, schema, text)).toThrow(`the value is ${shown}`)
  })
})

test.each<[SchemaData, string, unknown]>([
  [int32, '1e3', 1000],
  [int32, '1.0', 1],
  [int64, '9.007199254740993e15', 9007199254740993n],
  [timestamp, '1.7e12', 1_700_000_000_000],
  [date, '-0', '1970-01-01'],
  [packed, '{"a":[0,-0,0.5],"b":{"c":1e20}}', { a: [0, -0, 0.5], b: { c: 1e20 } }],
])('a JSON number is its value, however it is written: %j takes %s', (schema, text, value) => {
  expect(decode('json', schema, text)).toStrictEqual(value)
})

test.each<[SchemaData, string]>([
  [int32, '"5"'],
  [int64, '"1e3"'],
  [int64, '"1.0"'],
  [int64, '""'],
  [int64, '" 1"'],
  [int64, '{"\\u0000exact":"1"}'],
  [decimal(10, 2), '"0x10"'],
  [decimal(10, 2), '""'],
  [decimal(10, 2), '"1_0"'],
  [float64, '"1"'],
  [float64, '"-nan"'],
  [date, '1e10'],
  [date, '0.5'],
  [date, '19000.0000000000000001'],
  [packed, '[1,9007199254740993]'],
  [packed, '{"a":{"b":1e400}}'],
  [packed, '1e-400'],
  [{ kind: 'struct', fields: [] }, '5'],
])('JSON: %j refuses %s', (schema, text) => {
  expect(() => decode('json', schema, text)).toThrow(
    expect.objectContaining({ code: 'VALUE_UNFIT' }),
  )
})

test.each<[SchemaData, string, unknown]>([
  [int32, '+7', 7],
  [int32, '007', 7],
  [int64, `${'0'.repeat(50)}7`, 7n],
  [float64, '+1.50', 1.5],
  [float64, '.5', 0.5],
  [float64, 'NaN', NaN],
  [float64, '-Infinity', -Infinity],
  [decimal(10, 2), '+007.5', '7.50'],
])('CSV: %j takes %s', (schema, text, value) => {
  expect(decode('csv', schema, text)).toStrictEqual(value)
})

const blanks = [' 1', '1 ', '\t1', '', '1_000', '0x10', '0b1', '0o7', '1n', '1,0', '--1', '1-', '.']
const words = ['Inf', 'inf', 'infinity', '+Infinity', 'nan', 'null', 'true', '１']
test.each([...blanks, ...words])('CSV: no column of numbers takes %j', (text) => {
  const quoted = `"${text}"`
  for (const schema of [int32, int64, safe, float64, decimal(10, 2), timestamp]) {
    const refusal = expect.objectContaining({ code: 'VALUE_UNFIT' }) as unknown
    expect(() => decode('csv', schema, quoted)).toThrow(refusal)
  }
})

test.each(['1e3', '1.0', '1.', '.5'])('CSV: no column of whole numbers takes %s', (text) => {
  for (const schema of [int32, int64, safe, timestamp]) {
    expect(() => decode('csv', schema, text)).toThrow(`the value is ${text}`)
  }
})

test('what is finer than a millisecond is refused, or cut where the format says so', () => {
  const row = schemaOf(rowOf(timestamp)) as StructSchema<unknown>
  const formats = [json(row, { finerThanMs: 'cut' }), csv(row, { finerThanMs: 'cut' })]
  const text = '"1969-12-31T23:59:59.9995Z"'
  for (const [index, format] of formats.entries()) {
    const name = index === 0 ? 'json' : 'csv'
    const bytes = Buffer.from(index === 0 ? `{"value":${text}}` : text)
    const decoder = formatDefinition(format).createDecoder()
    expect(decoder.decode(bytes, 0, bytes.length)).toEqual({ value: -1 })
    expect(() => decode(name, timestamp, text)).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("finerThanMs: 'cut'") as string }),
    )
  }
  const number = Buffer.from('{"value":-1.99999999999999999999}')
  const decoder = formatDefinition(formats[0]!).createDecoder()
  expect(decoder.decode(number, 0, number.length)).toEqual({ value: -2 })
  expect(() => json(row, { finerThanMs: 'round' as 'cut' })).toThrow(/"finerThanMs" of json/)
})

test('a hint names no column type that would refuse the value too', () => {
  const hintOf = (schema: SchemaData, text: string): unknown => {
    try {
      return decode('json', schema, text)
    } catch (thrown) {
      return (thrown as { hint?: string }).hint
    }
  }
  expect(hintOf(int32, '2147483648')).toMatch(/int64\(\)/)
  expect(decode('json', int64, '2147483648')).toBe(2147483648n)
  expect(hintOf(safe, '9007199254740993')).toMatch(/int64\(\), which/)
  expect(hintOf(float64, '9007199254740993')).toMatch(/int64\(\)/)
  expect(hintOf(int64, '18446744073709551615')).toMatch(/decimal\(20, 0\)/)
  expect(decode('json', decimal(20, 0), '18446744073709551615')).toBe('18446744073709551615')
  expect(hintOf(int32, '1.5')).toMatch(/float64\(\) or decimal/)
  for (const text of ['1e400', '1e-400']) {
    for (const schema of [int32, int64, float64]) {
      expect(hintOf(schema, text)).toMatch(/No column of numbers/)
    }
  }
  expect(hintOf(int32, '"many"')).toMatch(/text, not a number/)
  expect(hintOf(int32, '{"a":1e400}')).toMatch(/not a number/)
})

test('a value in a message is as it was written, also inside of others', () => {
  expect(() => decode('json', int32, '{"a":[1e400,"1"],"b":10000000000000000000001}')).toThrow(
    'the value is {"a":[1e400,"1"],"b":10000000000000000000001}',
  )
})

test.each([
  '{"a":[1,-2.50e+7,{"b":null,"c":true,"d":false}],"":"x"}',
  ' [ "a\\"b\\\\" , "\\u0041:" , [ ] , { } ] ',
  '"text"',
  '{"__proto__":{"a":1},"toString":"}"}',
  `${'['.repeat(50_000)}1${']'.repeat(50_000)}`,
])('JSON is read the same with all its digits', (text) => {
  const parsed = parseExact(text)
  // Deep nesting is more than a comparison can follow.
  if (text.startsWith('[[')) return
  const plain = JSON.stringify(parsed, (_, value: unknown) => {
    const number = value as { text?: unknown; constructor?: { name?: string } } | null
    return number?.constructor?.name === 'ExactNumber' ? Number(number.text) : value
  })
  expect(plain).toBe(JSON.stringify(JSON.parse(text)))
})
