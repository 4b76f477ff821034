import { expect, test } from 'vitest'
import { schemaOf } from '../../engine/index.ts'
import { debezium } from './debezium-format.ts'
import { formatDefinition } from './format.ts'
import { json } from './json-format.ts'
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
