/**
 * Hostile files, each through a whole job: rows, or an error that names source, file and what to
 * do. No form of JavaScript shows in a message, and no error is a bug of the engine.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { defineJob, float64, int32, nullable, struct, utf8 } from 'millrace'
import { csv, debezium, fileSink, fileSource, json, text } from 'millrace/connectors'
import { StreamError } from '../../engine/base/errors.ts'
import { linesIn, runHere } from './run-here.ts'

const Row = struct({ id: int32(), f: nullable(float64()), s: nullable(utf8()) })
const bytes = (...values: readonly number[]): Buffer => Buffer.from(values)
const FILES: Readonly<Record<string, string | Buffer>> = {
  empty: '',
  'one line feed': '\n',
  'only blank lines': '\n\n \n\t\n',
  'only a byte order mark': '\ufeff',
  'a mark and a record': '\ufeff{"id":1}\n',
  'a mark in the middle': '{"id":1}\n\ufeff{"id":2}\n',
  'no last line feed': '{"id":1}',
  'carriage returns': '{"id":1}\r{"id":2}\r',
  'both line ends': '{"id":1}\r\n{"id":2}\n',
  'cut off in a record': '{"id":1}\n{"id":',
  'cut off in a text': '{"id":1}\n{"id":2,"s":"ab',
  'cut off in a character': Buffer.concat([Buffer.from('{"id":1,"s":"'), bytes(0xf0, 0x9f)]),
  'Latin-1': Buffer.concat([Buffer.from('{"id":1,"s":"'), bytes(0xe9), Buffer.from('"}\n')]),
  'overlong UTF-8': Buffer.concat([
    Buffer.from('{"id":1,"s":"'),
    bytes(0xc0, 0x80),
    Buffer.from('"}\n'),
  ]),
  'a surrogate in UTF-8': Buffer.concat([
    Buffer.from('{"id":1,"s":"'),
    bytes(0xed, 0xa0, 0x80),
    Buffer.from('"}\n'),
  ]),
  'half a surrogate': '{"id":1,"s":"\\ud800"}\n',
  'zero bytes': bytes(0, 0, 0, 0, 10),
  'a hole in the middle': Buffer.concat([
    Buffer.from('{"id":1}\n'),
    Buffer.alloc(9),
    Buffer.from('\n'),
  ]),
  'UTF-16': Buffer.from('\ufeff{"id":1}\n', 'utf16le'),
  'UTF-16 without a mark': Buffer.from('{"id":1}\n', 'utf16le'),
  Parquet: 'PAR1\u0015\u0004PAR1',
  'gzip by another name': gzipSync('{"id":1}\n'),
  'an array': '[{"id":1},{"id":2}]\n',
  'a pretty printed object': '{\n  "id": 1\n}\n',
  null: 'null\n',
  'a number': '5\n',
  'a text': '"id"\n',
  'two objects a line': '{"id":1}{"id":2}\n',
  'a comma behind': '{"id":1,}\n',
  'single quotes': "{'id':1}\n",
  'a comment': '// first\n{"id":1}\n',
  NaN: '{"id":1,"f":NaN}\n',
  'an infinity': '{"id":1,"f":-Infinity}\n',
  'the id as a text': '{"id":"1"}\n',
  'an id with a fraction': '{"id":1.5}\n',
  'an id that is too great': '{"id":2147483648}\n',
  'an id of 400 digits': `{"id":${'9'.repeat(400)}}\n`,
  'a great exponent': '{"id":1,"f":1e999999999999}\n',
  'leading zeros': '{"id":01}\n',
  'a plus': '{"id":+1}\n',
  hexadecimal: '{"id":0x10}\n',
  'no id': '{"f":1}\n',
  'the id is null': '{"id":null}\n',
  'keys twice': '{"id":1,"id":2}\n',
  proto: '{"__proto__":{"id":1},"id":2}\n',
  'only proto': '{"__proto__":{"id":1}}\n',
  constructor: '{"constructor":{"id":1},"id":3,"toString":5}\n',
  'nested deep': `{"id":1,"x":${'['.repeat(20_000)}${']'.repeat(20_000)}}\n`,
  'nested deep, not closed': `{"id":1,"x":${'{"a":'.repeat(20_000)}\n`,
  'a long text': `{"id":1,"s":"${'x'.repeat(2_000_000)}"}\n`,
  'a long key': `{"${'k'.repeat(500_000)}":1,"id":1}\n`,
  'many fields': `{${Array.from({ length: 20_000 }, (_, n) => `"k${n}":${n}`).join()},"id":1}\n`,
  'control characters': '{"id":1,"s":"a\u0001b"}\n',
  'an unknown escape': '{"id":1,"s":"\\x41"}\n',
  CSV: 'id,f,s\n1,2.5,a\n',
  'CSV with semicolons': 'id;f;s\n1;2.5;a\n',
  'CSV with another header': 'ID,F,S\n1,2.5,a\n',
  'CSV with a column twice': 'id,id,f,s\n1,2,3,a\n',
  'CSV with too few cells': 'id,f,s\n1\n',
  'CSV with too many cells': 'id,f,s\n1,2,a,b,c\n',
  'CSV with an open quote': 'id,f,s\n1,2,"a\n2,3,b\n',
  'CSV with a quote inside': 'id,f,s\n1,2,a"b"c\n',
  'CSV with text behind a quote': 'id,f,s\n1,2,"a"b\n',
  'CSV with spaces': 'id, f, s\n 1, 2, a\n',
  'CSV with a number of the country': 'id,f,s\n1,"2,5",a\n',
  'CSV with a line feed in a cell': 'id,f,s\n1,2,"a\nb"\n',
  'CSV with a header only': 'id,f,s\n',
  'CSV with an empty header': '\n1,2,a\n',
  'CSV with null': 'id,f,s\nnull,NULL,\\N\n',
  'a change': '{"op":"c","after":{"id":1}}\n',
  'a change without after': '{"op":"c"}\n',
  'a change with after as a text': '{"op":"u","before":"x","after":"y"}\n',
  'a deletion without before': '{"op":"d","before":null,"after":null}\n',
  'a truncation': '{"op":"t"}\n',
  'a message': '{"op":"m","message":{"prefix":"x"}}\n',
  'a schema that is none': '{"schema":5,"payload":{"op":"c","after":{"id":1}}}\n',
  'a payload as a text': '{"schema":{},"payload":"c"}\n',
  'a schema without fields': '{"schema":{"fields":[null]},"payload":{"op":"c","after":{"id":1}}}\n',
}

const FORMATS = { json: json(Row), csv: csv(Row), debezium: debezium(json(Row)) }
/** Words that only a slip of ours brings into a message. */
const INNER = /undefined|\[object |Cannot read|is not a function|is not iterable|StreamError|\$\{/
const CODES = new Set(['RECORD_MALFORMED', 'VALUE_UNFIT', 'OPTION_INVALID'])

async function outcome(
  name: string,
  content: string | Buffer,
  format: keyof typeof FORMATS | 'text',
): Promise<readonly string[] | StreamError> {
  const root = mkdtempSync(join(tmpdir(), 'millrace-hostile-'))
  const path = join(root, name)
  writeFileSync(path, content)
  const directory = join(root, 'out')
  const job = defineJob('hostile', (env) => {
    if (format === 'text') {
      env
        .fromSource('in', fileSource({ path, format: text() }))
        .map((s) => ({ s }))
        .sinkTo('out', fileSink({ directory, schema: struct({ s: utf8() }) }))
    } else if (format === 'debezium') {
      env
        .fromSource('in', fileSource({ path, format: FORMATS[format] }))
        .map(({ row }) => row)
        .sinkTo('out', fileSink({ directory, schema: Row }))
    } else {
      env
        .fromSource('in', fileSource({ path, format: FORMATS[format] }))
        .sinkTo('out', fileSink({ directory, schema: Row }))
    }
  })
  try {
    await runHere(job, join(root, 'work'))
    return existsSync(directory) ? linesIn(directory) : []
  } catch (error) {
    if (!(error instanceof StreamError)) throw error
    return error
  } finally {
    rmSync(root, { recursive: true })
  }
}

function expectTold(found: readonly string[] | StreamError, what: string): void {
  if (!(found instanceof StreamError)) {
    for (const line of found) expect(JSON.parse(line), what).toBeTypeOf('object')
    return
  }
  const { code, message, hint, place } = found
  expect(CODES, `${what}: ${message}`).toContain(code)
  expect(message, what).not.toMatch(INNER)
  expect(message.length, what).toBeLessThan(500)
  expect(hint, `${what}: ${message}`).toEqual(expect.any(String))
  expect(hint, what).not.toMatch(INNER)
  // Half a character can be held, not written.
  const steps = what.startsWith('half a surrogate') ? ['in', 'out'] : ['in']
  expect(steps, `${what}: ${message}`).toContain(place.operator)
  if (place.operator === 'in') expect(place.split, what).toMatch(/^in\.txt/)
}

/** The formats in which a file is odd in a way of its own. */
function formatsOf(name: string): readonly (keyof typeof FORMATS | 'text')[] {
  if (/^(a change|a deletion|a truncation|a message|a schema|a payload)/.test(name)) {
    return ['debezium', 'json']
  }
  if (name.startsWith('CSV')) return ['csv']
  const isOddText = /line|mark|cut|UTF|zero|hole|return|surrogate|Latin|gzip|Parquet/.test(name)
  return isOddText ? ['json', 'csv', 'text'] : ['json']
}

test.each(Object.entries(FILES))('%s', async (name, content) => {
  for (const format of formatsOf(name)) {
    expectTold(await outcome('in.txt', content, format), `${name} as ${format}`)
  }
})

const whole = gzipSync('{"id":1}\n'.repeat(50))
test.each<[string, Buffer]>([
  ['cut off', whole.subarray(0, 30)],
  ['cut off in its head', whole.subarray(0, 5)],
  ['empty', Buffer.alloc(0)],
  ['no gzip', Buffer.from('{"id":1}\n')],
  ['with a wrong sum', Buffer.concat([whole.subarray(0, -8), Buffer.alloc(8)])],
  ['with bytes behind', Buffer.concat([whole, Buffer.from('more')])],
  ['with zeros behind', Buffer.concat([whole, Buffer.alloc(512)])],
  ['of two members, the second cut off', Buffer.concat([whole, whole.subarray(0, 20)])],
  ['twice gzip', gzipSync(whole)],
])('a .gz file, %s', async (name, content) => {
  const found = await outcome('in.txt.gz', content, 'json')
  expectTold(found, name)
  if (found instanceof StreamError) return
  // What is no error is whole.
  expect(['empty', 'with zeros behind']).toContain(name)
  expect(found).toHaveLength(name === 'empty' ? 0 : 50)
})
