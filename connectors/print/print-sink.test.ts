import { expect, test } from 'vitest'
import { printed } from './print-sink.ts'

test('a record is one line: text as it is, anything else as JSON', () => {
  expect(printed('plain')).toBe('plain')
  expect(printed('two\nlines\r')).toBe('two\\nlines\\r')
  expect(printed({ user: 'u', at: 1, nothing: null })).toBe('{"user":"u","at":1,"nothing":null}')
  expect(printed({ big: 12345678901234567890n })).toBe('{"big":"12345678901234567890"}')
  expect(printed({ bytes: Uint8Array.of(1, 2), ratio: NaN })).toBe('{"bytes":"AQI=","ratio":"NaN"}')
  expect(printed({ less: -0, none: 0 })).toBe('{"less":"-0","none":0}')
  expect(printed(undefined)).toBe('undefined')
  expect(printed(7n)).toBe('"7"')
})
