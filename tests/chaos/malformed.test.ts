/** Records that cannot be decoded: dead letters are published exactly once, like all else. */
import { expect, test } from 'vitest'
import { DeadLetter, defineJob, int32, struct } from 'millrace'
import { fileSink, fileSource, json } from 'millrace/connectors'
import { chaos, crash, expectExactlyOnce, powerLoss, runChaos } from 'millrace/testing'

const RECORDS = 2_000
const Row = struct({ id: int32() })

/** Every seventh line is none. */
const line = (id: number): string => (id % 7 === 0 ? `#${id}\n` : `{"id":${id}}\n`)
const files = { '/in/rows.jsonl': Array.from({ length: RECORDS }, (_, id) => line(id)).join('') }

const sorting = defineJob('sorting', (env) => {
  env.checkpointing({ everyMs: 20 })
  const source = fileSource({ path: '/in/*', format: json(Row), onMalformed: 'dead-letter' })
  const rows = env.fromSource('rows', source)
  rows.sinkTo('good', fileSink({ directory: '/out/good', schema: Row }))
  rows
    .sideOutput('malformed')
    .sinkTo('bad', fileSink({ directory: '/out/bad', schema: DeadLetter }))
})

test('good and bad records once each, through crashes', async () => {
  const result = await runChaos(sorting, {
    files,
    pollMs: 10,
    parallelism: 2,
    faults: [
      chaos.at('coordinator.written', { nth: 1 }, crash()),
      chaos.at('source.poll', { nth: 2, life: 2 }, powerLoss()),
    ],
  })
  expectExactlyOnce(result)
  expect(result.missed).toEqual([])
  const bad = result.published['bad']!.map((row) => JSON.parse(row) as Letter)
  const good = result.published['good']!
  expect(good).toHaveLength(RECORDS - bad.length)
  expect(bad.map(({ offset }) => offset - 1).toSorted((left, right) => left - right)).toEqual(
    Array.from({ length: Math.ceil(RECORDS / 7) }, (_, index) => index * 7),
  )
  const letter = bad.find(({ offset }) => offset === 8)
  expect(letter).toMatchObject({
    source: 'rows',
    split: 'rows.jsonl',
    code: 'RECORD_MALFORMED',
  })
  expect(Buffer.from(letter!.bytes, 'base64').toString()).toBe('#7')
})

interface Letter {
  readonly offset: number
  readonly bytes: string
}
