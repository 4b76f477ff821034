import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { schemaOf } from '../../engine/index.ts'
import type { SchemaData, StructSchema } from '../../engine/index.ts'
import { csv, splitRecord } from './csv-format.ts'
import { formatDefinition } from './format.ts'

const utf8 = { kind: 'utf8' } as const
const schema: SchemaData = {
  kind: 'struct',
  fields: [
    { name: 'id', schema: { kind: 'int32' } },
    { name: 'name', schema: { kind: 'nullable', of: utf8 } },
    { name: 'at', schema: { kind: 'nullable', of: { kind: 'timestamp' } } },
    { name: 'price', schema: { kind: 'decimal', precision: 9, scale: 2 } },
  ],
}
const definition = formatDefinition(csv(schemaOf(schema) as StructSchema<unknown>))

function decode(record: string, header?: string): unknown {
  const bytes = Buffer.from(record)
  return definition.createDecoder(header).decode(bytes, 0, bytes.length)
}

test('columns are found by the header, others dropped, missing ones null', () => {
  expect(decode('x,9.5,7,"a, ""b""\n"', 'other,price,id,name')).toEqual({
    id: 7,
    name: 'a, "b"\n',
    at: null,
    price: '9.50',
  })
})

test('without a header columns stand as declared; empty is null and "" is a text', () => {
  expect(decode('1,,2023-11-14T22:13:20Z,1')).toEqual({
    id: 1,
    name: null,
    at: 1_700_000_000_000,
    price: '1.00',
  })
  expect(decode('1,"",,1')).toEqual({ id: 1, name: '', at: null, price: '1.00' })
})

test.each([
  ['1,a', undefined, /2 fields, there are 4 columns/],
  ['1,a"b,,1', undefined, /quote is out of place/],
  ['1,"a"b,,1', undefined, /quote is out of place/],
  ['1,"a,,1', undefined, /quote is out of place/],
  ['one,a,,1', undefined, /"id" is int32, the value is "one"/],
  ['1,a,,', undefined, /"price" is decimal/],
  ['1,1', 'id,nothing', /header has no "price"/],
  ['1,1,1', 'id,price,id', /names "id" twice/],
])('%j with header %j is refused', (record, header, message) => {
  expect(() => decode(record, header)).toThrow(message)
})

test('columns that are no single values are refused when the format is made', () => {
  const list: SchemaData = {
    kind: 'struct',
    fields: [{ name: 'tags', schema: { kind: 'list', item: utf8 } }],
  }
  expect(() => csv(schemaOf(list) as StructSchema<unknown>)).toThrow(/"tags" is a list of utf8/)
})

test('records are split as csv-parse splits them', () => {
  const cell = fc
    .string({ unit: fc.constantFrom('a', '"', ',', '\n', 'é', ' ') })
    .map((text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text))
  fc.assert(
    fc.property(fc.array(cell, { minLength: 1, maxLength: 6 }), (cells) => {
      const record = cells.join(',')
      if (record === '') return
      expect([splitRecord(record).texts]).toEqual(parse(record))
    }),
    { seed: 7, numRuns: 500 },
  )
})

test('what is written is read back', () => {
  const row = { id: -3, name: 'a "quoted", line\n', at: -1, price: '-0.05' }
  const line = definition.createEncoder().encode(row)
  expect(decode(line)).toEqual(row)
  const empty = { id: 0, name: '', at: null, price: '0.00' }
  expect(decode(definition.createEncoder().encode(empty))).toEqual(empty)
})
