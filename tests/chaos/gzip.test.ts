/** What is packed by gzip, read and written in simulation: the same steps each time. */
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { defineJob, int32, struct, utf8 } from 'millrace'
import { fileSource, fileSink, json, parquetSink } from 'millrace/connectors'
import { chaos, crash, expectExactlyOnce, powerLoss, runChaos } from 'millrace/testing'

const RECORDS = 8_000
const Row = struct({ id: int32(), text: utf8() })

/** Does not pack well, so that it takes its time. */
function row(id: number): string {
  const text = ((id * 2_654_435_761) % 2 ** 32).toString(36).repeat(3)
  return `${JSON.stringify({ id, text })}\n`
}

const files = {
  '/in/rows.jsonl.gz': gzipSync(Array.from({ length: RECORDS }, (_, id) => row(id)).join('')),
}

const repacking = defineJob('repacking', (env) => {
  env.checkpointing({ everyMs: 20 })
  const rows = env.fromSource('rows', fileSource({ path: '/in/*.gz', format: json(Row) }))
  rows.sinkTo('lines', fileSink({ directory: '/out/lines', schema: Row }))
  const tables = parquetSink({ directory: '/out/tables', schema: Row, compression: 'gzip' })
  rows.sinkTo('tables', tables)
})

const paces = { files, pollMs: 10, parallelism: 1 }

test('each record once, and every run of a schedule is step for step the same', async () => {
  const faults = [
    chaos.at('coordinator.written', { nth: 2 }, crash()),
    chaos.at('source.poll', { nth: 5, life: 2 }, powerLoss()),
  ]
  const run = () => runChaos(repacking, { ...paces, faults })
  const first = await run()
  expectExactlyOnce(first)
  expect(first.missed).toEqual([])
  expect(first.published['lines']).toHaveLength(RECORDS)
  expect(first.published['tables']).toHaveLength(RECORDS)
  expect((await run()).hash).toBe(first.hash)
})

test('a file that is cut off ends the job, and says which', async () => {
  const cut = { '/in/rows.jsonl.gz': files['/in/rows.jsonl.gz'].subarray(0, 10_000) }
  const failing = runChaos(repacking, { ...paces, files: cut })
  await expect(failing).rejects.toMatchObject({ code: 'RECORD_MALFORMED' })
  await expect(failing).rejects.toThrow(/unexpected end of file/)
})
