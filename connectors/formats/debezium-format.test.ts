import { expect, test } from 'vitest'
import { schemaOf } from '../../engine/index.ts'
import type { SchemaData } from '../../engine/index.ts'
import { debezium } from './debezium-format.ts'
import { formatDefinition } from './format.ts'
import { json } from './json-format.ts'
import type { JsonOptions } from './json-format.ts'
import { text } from './text-format.ts'

const format = debezium(
  json(
    schemaOf({
      kind: 'struct',
      fields: [
        { name: 'id', schema: { kind: 'int64', as: 'bigint' } },
        { name: 'day', schema: { kind: 'nullable', of: { kind: 'date' } } },
      ],
    }),
  ),
)

function changes(event: unknown): unknown {
  const bytes = Buffer.from(typeof event === 'string' ? event : JSON.stringify(event))
  const decoder = formatDefinition(format).createDecoder()
  expect(decoder.many).toBe(true)
  return decoder.decode(bytes, 0, bytes.length)
}

const old = { id: 1, day: 0 }
const now = { id: 1, day: 19_000, extra: true }
const oldRow = { id: 1n, day: '1970-01-01' }
const newRow = { id: 1n, day: '2022-01-08' }

test('events become changes, with or without their schema', () => {
  expect(changes({ op: 'c', before: null, after: now })).toEqual([{ kind: '+I', row: newRow }])
  expect(changes({ op: 'r', after: now })).toEqual([{ kind: '+I', row: newRow }])
  expect(changes({ schema: {}, payload: { op: 'u', before: old, after: now } })).toEqual([
    { kind: '-U', row: oldRow },
    { kind: '+U', row: newRow },
  ])
  expect(changes({ op: 'u', before: null, after: now })).toEqual([{ kind: '+U', row: newRow }])
  expect(changes({ op: 'd', before: old, after: null })).toEqual([{ kind: '-D', row: oldRow }])
})

test('tombstones and messages give nothing', () => {
  expect(changes('')).toEqual([])
  expect(changes('null')).toEqual([])
  expect(changes({ schema: {}, payload: null })).toEqual([])
  expect(changes({ op: 'm' })).toEqual([])
})

test('an exact number is exact inside of an event', () => {
  expect(changes('{"op":"c","after":{"id":9007199254740993,"day":null}}')).toEqual([
    { kind: '+I', row: { id: 9007199254740993n, day: null } },
  ])
})

test('what cannot be followed is refused', () => {
  expect(() => changes({ op: 'd', before: null })).toThrow(/op "d" has no "before"/)
  expect(() => changes({ op: 't' })).toThrow(/op "t"/)
  expect(() => changes({ id: 1 })).toThrow('a change event has no "op": {"id":1}')
  expect(() => changes({ payload: { after: now } })).toThrow(/has no "op": {"after"/)
  expect(() => changes({ op: null })).toThrow(/has the op null/)
  expect(() => changes({ op: { x: 1 }, after: 5 })).toThrow(/has the op {"x":1}/)
  expect(() => changes([1])).toThrow(/change event is an object/)
  expect(() => debezium(text())).toThrow(/debezium of the format "text"/)
})

/** An event with its schema around it: each field's type and the name of its unit. */
function told(
  schema: SchemaData,
  field: Readonly<Record<string, unknown>>,
  text: string,
  options: JsonOptions = {},
): unknown {
  const row = schemaOf({ kind: 'struct', fields: [{ name: 'value', schema }] } as const)
  const image = { field: 'after', type: 'struct', fields: [{ field: 'value', ...field }] }
  const around = JSON.stringify({ type: 'struct', fields: [image] })
  const event = `{"schema":${around},"payload":{"op":"c","after":{"value":${text}}}}`
  const decoder = formatDefinition(debezium(json(row, options))).createDecoder()
  const bytes = Buffer.from(event)
  const [change] = decoder.decode(bytes, 0, bytes.length) as [{ row: { value: unknown } }]
  return change.row.value
}

const timestamp = { kind: 'timestamp' } as const
const date = { kind: 'date' } as const
const decimal = { kind: 'decimal', precision: 38, scale: 2 } as const
const time = (name: string) => ({ type: 'int64', name: `io.debezium.time.${name}` })
const connect = (name: string) => ({ name: `org.apache.kafka.connect.data.${name}` })

test.each<[SchemaData, Readonly<Record<string, unknown>>, string, unknown]>([
  [timestamp, time('Timestamp'), '1700000000123', 1_700_000_000_123],
  [timestamp, time('MicroTimestamp'), '1700000000123000', 1_700_000_000_123],
  [timestamp, time('NanoTimestamp'), '1700000000123000000', 1_700_000_000_123],
  [timestamp, time('NanoTimestamp'), '-1000000', -1],
  [timestamp, time('ZonedTimestamp'), '"2023-11-14T22:13:20.123000Z"', 1_700_000_000_123],
  [timestamp, time('Date'), '19675', 1_699_920_000_000],
  [timestamp, connect('Timestamp'), '5', 5],
  [{ kind: 'nullable', of: timestamp }, time('MicroTimestamp'), '1000', 1],
  [{ kind: 'nullable', of: timestamp }, time('MicroTimestamp'), 'null', null],
  [date, time('Date'), '19675', '2023-11-14'],
  [date, connect('Date'), '-1', '1969-12-31'],
  [date, time('MicroTimestamp'), '86400000000', '1970-01-02'],
  [date, time('IsoDate'), '"2023-11-14Z"', '2023-11-14'],
  [
    { kind: 'int64', as: 'bigint' },
    time('MicroTimestamp'),
    '17000000001234567',
    17000000001234567n,
  ],
  [decimal, { ...connect('Decimal'), parameters: { scale: '2' } }, '"MDk="', '123.45'],
  [decimal, { ...connect('Decimal'), parameters: { scale: '0' } }, '"/w=="', '-1.00'],
  [{ kind: 'utf8' }, { ...connect('Decimal'), parameters: { scale: '2' } }, '"MDk="', '123.45'],
  [
    decimal,
    { type: 'struct', name: 'io.debezium.data.VariableScaleDecimal' },
    '{"scale":1,"value":"MDk="}',
    '1234.50',
  ],
])('the schema around an event states the unit: %j of %j', (schema, field, text, value) => {
  expect(told(schema, field, text)).toEqual(value)
})

test('the schema around an event is obeyed in structs and lists as well', () => {
  const inner: SchemaData = { kind: 'struct', fields: [{ name: 'at', schema: timestamp }] }
  const field = { type: 'struct', fields: [{ field: 'at', ...time('MicroTimestamp') }] }
  expect(told(inner, field, '{"at":1000}')).toEqual({ at: 1 })
  const items = { type: 'array', items: time('MicroTimestamp') }
  expect(told({ kind: 'list', item: timestamp }, items, '[1000,2000]')).toEqual([1, 2])
})

test.each<[SchemaData, Readonly<Record<string, unknown>>, string, RegExp]>([
  [timestamp, time('MicroTimestamp'), '1700000000123456', /is 1700000000123456, .*MicroTimestamp/],
  [timestamp, time('NanoTimestamp'), '1700000000123456789', /is 1700000000123456789, .*Nano/],
  [timestamp, time('MicroTime'), '1000', /MicroTime/],
  [timestamp, time('Year'), '2024', /Year/],
  [date, time('MicroDuration'), '86400000000', /MicroDuration/],
  [date, time('Timestamp'), '1', /Timestamp/],
  [timestamp, time('MicroTimestamp'), '8640000000000001000', /timestamp, the value is/],
  [decimal, { ...connect('Decimal'), parameters: { scale: '2' } }, '"*"', /Decimal/],
  [decimal, connect('Decimal'), '"MDk="', /Decimal/],
])('what is not in the stated unit is refused: %j of %j, %s', (schema, field, text, message) => {
  expect(() => told(schema, field, text)).toThrow(message)
  expect(() => told(schema, field, text)).toThrow(expect.objectContaining({ code: 'VALUE_UNFIT' }))
})

test('microseconds are cut to milliseconds where the format says so, as the hint has it', () => {
  const micros = () => told(timestamp, time('MicroTimestamp'), '1700000000123456')
  expect(micros).toThrow(
    expect.objectContaining({ hint: expect.stringContaining("finerThanMs: 'cut'") as string }),
  )
  const cut = { finerThanMs: 'cut' } as const
  expect(told(timestamp, time('MicroTimestamp'), '1700000000123456', cut)).toBe(1_700_000_000_123)
  expect(told(timestamp, time('MicroTimestamp'), '-1', cut)).toBe(-1)
  expect(told({ kind: 'int64', as: 'number' }, time('MicroTimestamp'), '7', cut)).toBe(7)
})

test.each(['{"id":1}', '{"status":"BEGIN","id":"571","event_count":null}', '{"op":{}}'])(
  'an event without an op is told as such: %s',
  (event) => {
    expect(() => changes(event)).toThrow(expect.objectContaining({ code: 'RECORD_MALFORMED' }))
    expect(() => changes(event)).toThrow(/"op"|the op/)
  },
)
