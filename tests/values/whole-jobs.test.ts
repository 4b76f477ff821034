/**
 * Inputs that once gave wrong answers, each through a whole job: from a real file to a real file,
 * or to the error that names the record.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { StreamEnvironment } from 'millrace'
import {
  count,
  days,
  decimal,
  defineJob,
  float64,
  int32,
  monotonous,
  nullable,
  seconds,
  struct,
  timestamp,
  tumbling,
  utf8,
} from 'millrace'
import { collectionSource, csv, debezium, fileSink, fileSource, json } from 'millrace/connectors'
import { linesIn, runHere } from './run-here.ts'

const Windows = struct({
  k: utf8(),
  n: int32(),
  windowStart: timestamp(),
  windowEnd: timestamp(),
})

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-whole-'))
})
afterEach(() => {
  rmSync(root, { recursive: true })
})

/** What the job of `build` writes of a file with `text`. */
async function rowsOf(
  text: string,
  build: (env: StreamEnvironment, path: string, directory: string) => unknown,
): Promise<string[]> {
  const path = join(root, 'in.txt')
  writeFileSync(path, text)
  const out = join(root, 'out')
  await runHere(
    defineJob('whole', (env) => {
      env.restart({ strategy: 'none' })
      build(env, path, out)
    }),
    join(root, 'work'),
  )
  return linesIn(out)
}

describe('digits of a decimal', () => {
  const Row = struct({
    d: nullable(decimal(38, 0)),
    e: nullable(decimal(38, 19)),
    p: nullable(decimal(10, 2)),
  })
  const copy = (text: string): Promise<string[]> =>
    rowsOf(text, (env, path, directory) => {
      env
        .fromSource('in', fileSource({ path, format: json(Row) }))
        .sinkTo('out', fileSink({ directory, schema: Row }))
    })

  test('arrive as they were written', async () => {
    expect(
      await copy('{"d":1000000000000000000001}\n{"e":0.1000000000000000055}\n{"p":12.30}\n'),
    ).toEqual([
      '{"d":"1000000000000000000001","e":null,"p":null}',
      '{"d":null,"e":"0.1000000000000000055","p":null}',
      '{"d":null,"e":null,"p":"12.30"}',
    ])
  })

  test('beyond its scale are refused, whatever a float64 would make of them', async () => {
    await expect(copy('{"p":12.300000000000000001}\n')).rejects.toMatchObject({
      code: 'VALUE_UNFIT',
      place: { split: 'in.txt', offset: 1 },
    })
  })
})

describe.each([
  ['json', json, (value: string) => `{"f":${value}}\n`],
  ['csv', csv, (value: string) => `f\n${value}\n`],
] as const)('a number of %s beyond float64', (_, format, written) => {
  const Row = struct({ f: float64() })
  const copy = (value: string): Promise<string[]> =>
    rowsOf(written(value), (env, path, directory) => {
      env
        .fromSource('in', fileSource({ path, format: format(Row) }))
        .sinkTo('out', fileSink({ directory, schema: Row }))
    })

  test.each(['1e400', '-1e400', '1e-400', '9'.repeat(310)])('%s is refused', async (value) => {
    await expect(copy(value)).rejects.toMatchObject({ code: 'VALUE_UNFIT' })
  })
  test.each([
    ['1.7976931348623157e308', '{"f":1.7976931348623157e+308}'],
    ['5e-324', '{"f":5e-324}'],
  ])('%s is taken', async (value, line) => {
    expect(await copy(value)).toEqual([line])
  })
})

test.each(['0.5', '100.25', '8640000000000001', '1e16', '-0.001'])(
  'an event time of %s is refused at its record, and fails no checkpoint',
  async (time) => {
    const Row = struct({ k: utf8(), t: float64() })
    const rows = rowsOf(`{"k":"a","t":0}\n{"k":"a","t":${time}}\n`, (env, path, directory) => {
      env
        .fromSource('in', fileSource({ path, format: json(Row) }))
        .assignTimestampsAndWatermarks((row) => row.t, monotonous())
        .keyBy('k')
        .window(tumbling(seconds(1)))
        .aggregate('w', { n: count() })
        .sinkTo('out', fileSink({ directory, schema: Windows }))
    })
    await expect(rows).rejects.toMatchObject({
      code: 'VALUE_UNFIT',
      place: { split: 'in.txt', offset: 2 },
    })
  },
)

test.each(['8640000000000000', '-8640000000000000', '8639999999999999'])(
  'a record at %s is refused by its window, which would end beyond what can be stored',
  async (time) => {
    const Row = struct({ k: utf8(), t: timestamp() })
    const rows = rowsOf(`{"k":"a","t":0}\n{"k":"a","t":${time}}\n`, (env, path, directory) => {
      env
        .fromSource('in', fileSource({ path, format: json(Row) }))
        .assignTimestampsAndWatermarks('t', monotonous())
        .keyBy('k')
        .window(tumbling(seconds(1)))
        .aggregate('w', { n: count() })
        .sinkTo('out', fileSink({ directory, schema: Windows }))
    })
    await expect(rows).rejects.toMatchObject({
      code: 'VALUE_UNFIT',
      message: expect.stringContaining('would begin or end beyond') as string,
      place: { operator: 'w', subtask: 0 },
    })
  },
)

describe('change events', () => {
  const Row = struct({ id: int32(), at: nullable(timestamp()) })
  const copy = (event: object): Promise<string[]> =>
    rowsOf(`${JSON.stringify(event)}\n`, (env, path, directory) => {
      env
        .fromSource('in', fileSource({ path, format: debezium(json(Row)) }))
        .map((change) => change.row)
        .sinkTo('out', fileSink({ directory, schema: Row }))
    })
  const event = (name: string, at: number): object => ({
    schema: {
      type: 'struct',
      fields: [
        {
          field: 'after',
          type: 'struct',
          fields: [
            { field: 'id', type: 'int32' },
            { field: 'at', type: 'int64', name },
          ],
        },
      ],
    },
    payload: { before: null, after: { id: 1, at }, op: 'c' },
  })

  test.each([
    ['io.debezium.time.Timestamp', 1_700_000_000_123],
    ['io.debezium.time.MicroTimestamp', 1_700_000_000_123_000],
    ['org.apache.kafka.connect.data.Timestamp', 1_700_000_000_123],
  ])('%s is the unit of its number', async (name, at) => {
    expect(await copy(event(name, at))).toEqual(['{"id":1,"at":1700000000123}'])
  })

  test('a time that is finer than a millisecond is refused', async () => {
    const fine = copy(event('io.debezium.time.MicroTimestamp', 1_700_000_000_123_456))
    await expect(fine).rejects.toMatchObject({ code: 'VALUE_UNFIT' })
  })

  test.each([{ id: 1 }, {}, { op: 5 }, { op: 'x', after: { id: 1 } }])(
    '%j is malformed, and the message says what is missing',
    async (given) => {
      const rows = copy(given)
      await expect(rows).rejects.toMatchObject({
        code: 'RECORD_MALFORMED',
        message: expect.not.stringMatching(/undefined|Cannot read/) as string,
        place: { operator: 'in', split: 'in.txt', offset: 1 },
      })
    },
  )
})

test('a record that its format refuses is named by source, file and line', async () => {
  const Row = struct({ id: int32() })
  const rows = rowsOf('{"id":1}\n{"id":"x"}\n', (env, path, directory) => {
    env
      .fromSource('in', fileSource({ path, format: json(Row) }))
      .sinkTo('out', fileSink({ directory, schema: Row }))
  })
  await expect(rows).rejects.toMatchObject({
    place: { operator: 'in', split: 'in.txt', offset: 2, unit: 'line', record: '{"id":"x"}' },
  })
})

test.each([
  ['America/New_York', '2024-03-10T08:30Z', '2024-03-10T08:00Z'],
  ['America/New_York', '2024-11-03T09:30Z', '2024-11-03T09:00Z'],
  ['America/New_York', '2024-03-10T07:59Z', '2024-03-09T09:00Z'],
  ['Europe/Berlin', '2024-03-31T02:30Z', '2024-03-31T02:00Z'],
  ['UTC', '2024-03-10T04:00Z', '2024-03-10T04:00Z'],
])('a business day that begins at four in %s holds %s', async (timeZone, at, start) => {
  const offsetMs = 4 * 3_600_000
  const [line] = await rowsOf('', (env, _path, directory) => {
    env
      .fromSource('in', collectionSource([{ k: 'a', t: Date.parse(at) }]))
      .assignTimestampsAndWatermarks('t', monotonous())
      .keyBy('k')
      .window(tumbling(days(1), { timeZone, offsetMs }))
      .aggregate('w', { n: count() })
      .sinkTo('out', fileSink({ directory, schema: Windows }))
  })
  expect((JSON.parse(line!) as { windowStart: number }).windowStart).toBe(Date.parse(start))
})
