import { expect, test } from 'vitest'
import { ByteReader } from '../stream/byte-buffer.ts'
import type { SchemaData } from '../stream/schema.ts'
import { ValueCodec } from '../stream/value-codec.ts'
import { evolvedReader, stateMismatch } from './schema-evolution.ts'
import type { StateDescriptor } from './state.ts'

const INT32: SchemaData = { kind: 'int32' }
const UTF8: SchemaData = { kind: 'utf8' }
const NUMBER: SchemaData = { kind: 'int64', as: 'number' }
const BIGINT: SchemaData = { kind: 'int64', as: 'bigint' }

function struct(fields: Readonly<Record<string, SchemaData>>): SchemaData {
  const data = Object.entries(fields).map(([name, schema]) => ({ name, schema }))
  return { kind: 'struct', fields: data }
}

function nullable(of: SchemaData): SchemaData {
  return { kind: 'nullable', of }
}

function value(schema: SchemaData): StateDescriptor {
  return { type: 'value', name: 'v', value: schema }
}

test.each<[SchemaData, SchemaData, unknown, unknown]>([
  [INT32, NUMBER, -0, -0],
  [INT32, BIGINT, 5, 5n],
  [INT32, { kind: 'float64' }, 5, 5],
  [NUMBER, { kind: 'float64' }, 2 ** 50, 2 ** 50],
  [{ kind: 'timestamp' }, { kind: 'float64' }, 1.5, 1.5],
  [INT32, nullable(BIGINT), 5, 5n],
  [nullable(INT32), nullable(NUMBER), null, null],
  [{ kind: 'date' }, UTF8, '2026-01-01', '2026-01-01'],
  [UTF8, { kind: 'packed' }, 'a', 'a'],
  [{ kind: 'list', item: INT32 }, { kind: 'list', item: BIGINT }, [1, 2], [1n, 2n]],
  [struct({ a: INT32, b: UTF8 }), struct({ b: UTF8 }), { a: 1, b: 'x' }, { b: 'x' }],
  [
    struct({ a: INT32, b: UTF8 }),
    struct({ c: nullable(UTF8), b: UTF8, a: NUMBER }),
    { a: 1, b: 'x' },
    { c: null, b: 'x', a: 1 },
  ],
])('%j is read as %j', (old, now, written, read) => {
  expect(stateMismatch([value(old)], [value(now)])).toBeUndefined()
  const reader = new ByteReader(new ValueCodec(old).encode(written))
  const found = evolvedReader(old, now)(reader)
  expect(found).toEqual(read)
  expect(JSON.stringify(Object.keys(Object(found) as object))).toBe(
    JSON.stringify(Object.keys(Object(read) as object)),
  )
  expect(reader.isAtEnd).toBe(true)
})

test.each<[SchemaData, SchemaData, string, string, string]>([
  [INT32, UTF8, 'v', 'int32', 'utf8'],
  [NUMBER, INT32, 'v', 'int64 as number', 'int32'],
  [nullable(INT32), INT32, 'v', 'nullable int32', 'int32'],
  [struct({ a: INT32 }), struct({ a: INT32, b: UTF8 }), 'v.b', 'absent', 'utf8'],
  [
    { kind: 'list', item: struct({ a: INT32 }) },
    { kind: 'list', item: struct({ a: UTF8 }) },
    'v[].a',
    'int32',
    'utf8',
  ],
])('%j is not read as %j', (old, now, path, was, is) => {
  expect(stateMismatch([value(old)], [value(now)])).toEqual({ path, was, now: is })
})

test('a state that is gone or new fits, one of another type does not', () => {
  const list: StateDescriptor = { type: 'list', name: 'v', value: INT32 }
  expect(stateMismatch([value(INT32)], [])).toBeUndefined()
  expect(stateMismatch([], [list])).toBeUndefined()
  expect(stateMismatch([value(INT32)], [list])).toEqual({
    path: 'v',
    was: 'value state',
    now: 'list state',
  })
})
