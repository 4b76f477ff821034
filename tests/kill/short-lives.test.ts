/**
 * A job that is killed again and again, soon after it began, still gets on: its checkpoints
 * complete while its records flow. The same over a broker: kafka-kill.kafka.test.ts.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { livesToTheEnd } from './short-lives.ts'
import { query } from './parquet-rows.ts'

const RECORDS = 1_500_000

test('the main job, killed four CPU seconds after each start, comes to its end', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-lives-'))
  try {
    const lives = await livesToTheEnd({
      job: fileURLToPath(new URL('../../examples/start/shop.ts', import.meta.url)),
      arguments: ['--set', `directory=${join(folder, 'out')}`, '--set', `records=${RECORDS}`],
      environment: { MILLRACE_CHECKPOINTING_EVERY_MS: '500' },
      workDir: join(folder, 'work'),
      cpuSeconds: 4,
      most: 12,
    })
    const landed = await query(
      `SELECT count(*), count(DISTINCT id), max(id) FROM '${folder}/out/orders/**/*.parquet'`,
    )
    expect(landed.map((row) => row.map(Number))).toEqual([[RECORDS, RECORDS, RECORDS - 1]])
    console.log(`shop.ts: ${lives} lives`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
