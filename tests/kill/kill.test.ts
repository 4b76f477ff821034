/**
 * The first promise, on real processes: jobs are killed by SIGKILL at random moments, started again
 * at another parallelism, and in the end their files hold what a run without a kill would have
 * written. The expected rows are counted apart from the engine; the files are read by DuckDB.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { bucketTotals, sessionTotals, type Row } from './oracle.ts'
import { runWithKills } from './kill-run.ts'
import { countIds, readTotals, staged } from './parquet-rows.ts'

const RECORDS = 60_000
const PARALLELISMS = [1, 2, 4, 2, 1, 4, 2, 4, 1, 2, 4, 2]
/** The job's own gap and bucket, see tests/jobs. */
const GAP_MS = 1_500
const BUCKET_MS = 10_000

const seed = Number(process.env['MILLRACE_TEST_SEED'] ?? 20_261_124)

const jobs: readonly {
  readonly job: string
  readonly expected: () => readonly Row[]
  readonly raw: boolean
}[] = [
  { job: 'window-to-parquet.ts', expected: () => bucketTotals(RECORDS, BUCKET_MS), raw: true },
  { job: 'timers.ts', expected: () => bucketTotals(RECORDS, BUCKET_MS), raw: false },
  { job: 'sessions.ts', expected: () => sessionTotals(RECORDS, GAP_MS), raw: false },
]

for (const [number, { job, expected, raw }] of jobs.entries()) {
  test(`${job}, killed again and again, lands each record exactly once`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-kill-'))
    try {
      const report = await runWithKills({
        job,
        set: { directory: join(folder, 'out'), records: String(RECORDS) },
        workDir: join(folder, 'work'),
        parallelisms: PARALLELISMS,
        seed: seed + number,
        killWithinMs: 2_500,
      })
      const said = `seed ${seed + number}\n${report.history.join('\n')}`
      const totals = await readTotals(join(folder, 'out/totals'))
      expect(totals, said).toEqual(expected())
      expect(await staged(join(folder, 'out/totals')), said).toEqual([])
      if (raw) {
        const landed = await countIds(join(folder, 'out/raw'))
        expect(landed, said).toEqual({ rows: RECORDS, distinct: RECORDS })
      }
      console.log(`${job}: ${report.kills} kills, ${totals.length} rows, seed ${seed + number}`)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
}
