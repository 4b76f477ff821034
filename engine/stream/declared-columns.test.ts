import { expect, test } from 'vitest'
import { declaredColumns } from './declared-columns.ts'
import type { SchemaData, StructData } from './schema.ts'
import { unpackValue } from './value-codec.ts'

const struct = (fields: Record<string, SchemaData>): StructData => ({
  kind: 'struct',
  fields: Object.entries(fields).map(([name, schema]) => ({ name, schema })),
})

test('rows become columns in the order of the schema', () => {
  const columns = declaredColumns(
    struct({
      id: { kind: 'int64', as: 'number' },
      big: { kind: 'int64', as: 'bigint' },
      n: { kind: 'nullable', of: { kind: 'int32' } },
      x: { kind: 'float64' },
      ok: { kind: 'bool' },
      at: { kind: 'timestamp' },
      day: { kind: 'nullable', of: { kind: 'date' } },
      cents: { kind: 'decimal', precision: 5, scale: 2 },
      text: { kind: 'utf8' },
      raw: { kind: 'binary' },
      tags: { kind: 'list', item: { kind: 'utf8' } },
    }),
  )
  const same = {
    x: -0,
    ok: true,
    at: 1e12,
    cents: '-00123.45',
    raw: Buffer.from('ab'),
    tags: ['x'],
  }
  const set = columns(
    [
      {
        ...same,
        id: 2 ** 53 - 1,
        big: -(2n ** 63n),
        n: 5,
        day: '2024-02-29',
        text: 'é€',
        extra: 1,
      },
      { ...same, id: -(2 ** 53 - 1), big: 2n ** 63n - 1n, n: null, text: '' },
      { ...same, id: -1, big: -1n, day: undefined, text: '😀' },
      { never: 'read' },
    ],
    3,
  )
  expect(set.names).toEqual('id big n x ok at day cents text raw tags'.split(' '))
  expect(set.count).toBe(3)
  const rows = set.toRows() as Record<string, unknown>[]
  expect(rows.map((row) => row['id'])).toEqual([2n ** 53n - 1n, -(2n ** 53n - 1n), -1n])
  expect(rows.map((row) => row['big'])).toEqual([-(2n ** 63n), 2n ** 63n - 1n, -1n])
  expect(rows.map((row) => row['n'])).toEqual([5, null, null])
  expect(rows.map((row) => row['day'])).toEqual(['2024-02-29', null, null])
  expect(rows.map((row) => row['text'])).toEqual(['é€', '', '😀'])
  expect(rows[1]).toMatchObject({ x: -0, ok: true, at: 1e12, cents: '-00123.45', tags: ['x'] })
  expect(rows[1]!['raw']).toEqual(new Uint8Array([97, 98]))
  const text = set.column('text')
  expect(text?.kind === 'utf8' && Buffer.from(text.bytes).toString()).toBe('é€😀')
  const tags = set.column('tags')
  expect(tags?.kind === 'packed' && unpackValue(tags.bytes.slice(0, tags.offsets[1]))).toEqual([
    'x',
  ])
})

const cases: [SchemaData, unknown, string][] = [
  [{ kind: 'int32' }, 1.5, '"v" is int32, the value is 1.5'],
  [{ kind: 'int32' }, 2 ** 31, '"v" is int32, the value is 2147483648'],
  [{ kind: 'int32' }, undefined, '"v" is int32, the value is missing'],
  [{ kind: 'int32' }, null, '"v" is int32, the value is null'],
  [{ kind: 'int32' }, '1', '"v" is int32, the value is "1"'],
  [{ kind: 'utf8' }, 7, '"v" is utf8, the value is 7'],
  [{ kind: 'utf8' }, '\ud800', '"v" is utf8, the value is "\\ud800"'],
  [{ kind: 'utf8', oneOf: ['a', 'b'] }, 'c', '"v" is one of a, b, the value is "c"'],
  [{ kind: 'int64', as: 'number' }, 2 ** 53, '"v" is int64, the value is 9007199254740992'],
  [{ kind: 'int64', as: 'number' }, 1n, '"v" is int64, the value is 1n'],
  [{ kind: 'int64', as: 'bigint' }, 2n ** 63n, '"v" is int64'],
  [{ kind: 'int64', as: 'bigint' }, 1, '"v" is int64, the value is 1'],
  [{ kind: 'bool' }, 1, '"v" is bool, the value is 1'],
  [{ kind: 'binary' }, 'x', '"v" is binary'],
  [{ kind: 'timestamp' }, NaN, '"v" is timestamp, the value is NaN'],
  [{ kind: 'date' }, '2023-02-29', '"v" is date, the value is "2023-02-29"'],
  [{ kind: 'decimal', precision: 4, scale: 2 }, '123.4', '"v" is decimal(4, 2)'],
  [{ kind: 'decimal', precision: 4, scale: 2 }, '1.234', '"v" is decimal(4, 2)'],
  [{ kind: 'list', item: { kind: 'int32' } }, [1, 'x'], '"v" is list, the value is a list of 2'],
  [struct({ a: { kind: 'bool' } }), { b: 1 }, '"v" is struct, the value is an object'],
  [{ kind: 'nullable', of: { kind: 'float64' } }, 'x', '"v" is nullable float64'],
]

test.each(cases)('a value that does not fit is named: %o %o', (schema, value, message) => {
  const columns = declaredColumns(struct({ ok: { kind: 'nullable', of: schema }, v: schema }))
  const rows = [{ v: value }]
  expect(() => columns(rows, 1)).toThrow(message)
  expect(() => columns(rows, 1)).toThrow(
    expect.objectContaining({ code: 'VALUE_UNFIT', column: 'v', record: 0 }),
  )
})

test('a row that is no object is unfit', () => {
  expect(() => declaredColumns(struct({ v: { kind: 'bool' } }))(['x'], 1)).toThrow('is bool')
})
