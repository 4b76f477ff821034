/**
 * The first promise on real processes: seeded schedules of SIGKILL, SIGSTOP, full disks and failing
 * system calls, at changing parallelism. Expected rows are counted apart from the engine; the files
 * are read by DuckDB.
 */
import { readdirSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { bucketTotals, sessionTotals, type Row } from '../kill/oracle.ts'
import { countIds, readTotals, staged } from '../kill/parquet-rows.ts'
import { figures, firstSeed, share } from '../share.ts'
import { runSchedule, type ScheduleReport } from './schedule-run.ts'
import { scheduleOf, type ProcessFault } from './schedule.ts'
import { injectorsHere } from './small-disk.ts'

const RECORDS = 12_000
/** The jobs' own gap and bucket, see tests/jobs. */
const GAP_MS = 1_500
const BUCKET_MS = 10_000

interface Expected {
  readonly totals?: readonly Row[]
  readonly ids: boolean
}

const buckets = bucketTotals(RECORDS, BUCKET_MS)
const JOBS: Readonly<Record<string, Expected>> = {
  'window-to-parquet.ts': { totals: buckets, ids: true },
  'timers.ts': { totals: buckets, ids: false },
  'sessions.ts': { totals: sessionTotals(RECORDS, GAP_MS), ids: false },
  'chain.ts': { ids: true },
}

const can = injectorsHere()
const first = firstSeed()
const schedules = share(4, 200)

test.skipIf(!can.full)('full disks can be tried here (root, or unshare -Urm)', () => undefined)
test.skipIf(!can.errno)('failing system calls can be tried here (strace)', () => undefined)

test(
  'schedules of real faults lose nothing and double nothing, and every life says why it ended',
  async () => {
    const startedMs = performance.now()
    const faults = new Map<ProcessFault['type'], number>()
    const seen = { livesThatFailed: 0, errnosInjected: 0, livesThatToldOfNoSpace: 0 }
    for (let seed = first; seed < first + schedules; seed += 1) {
      const schedule = scheduleOf(seed, Object.keys(JOBS), can)
      await runSchedule(schedule, RECORDS, (report) => check(schedule.job, seed, report))
        .then((report) => {
          seen.livesThatFailed += report.livesThatFailed
          seen.errnosInjected += report.errnosInjected
          seen.livesThatToldOfNoSpace += report.livesThatToldOfNoSpace
        })
        .catch((error: unknown) => {
          throw new Error(`seed ${seed}: ${JSON.stringify(schedule)}`, { cause: error })
        })
      for (const { fault } of schedule.lives) {
        faults.set(fault.type, (faults.get(fault.type) ?? 0) + 1)
      }
    }
    figures('schedules of real faults', {
      schedules,
      firstSeed: first,
      ...Object.fromEntries(faults),
      ...seen,
      missing: 0,
      duplicates: 0,
      seconds: Math.round((performance.now() - startedMs) / 1_000),
    })
  },
  schedules * 60_000,
)

async function check(job: string, seed: number, report: ScheduleReport): Promise<ScheduleReport> {
  const said = `seed ${seed}\n${report.history.join('\n')}`
  expect(report.complaints, said).toEqual([])
  const { totals, ids } = JOBS[job]!
  const table = join(report.out, 'table')
  if (totals !== undefined) {
    const found = await readTotals(join(table, 'totals'))
    expect({ said, ...differences(found, totals) }).toEqual({ said, missing: [], extra: [] })
    expect(await staged(join(table, 'totals')), said).toEqual([])
  }
  if (ids) {
    const landed = await countIds(join(table, 'raw'))
    expect(landed, said).toEqual({ rows: RECORDS, distinct: RECORDS })
    expect(await staged(join(table, 'raw')), said).toEqual([])
  }
  expect(leftBehind(report), said).toEqual([])
  return report
}

/** Rows that were not written, and those that were, but should not, or not again. */
function differences(
  found: readonly Row[],
  expected: readonly Row[],
): { readonly missing: readonly Row[]; readonly extra: readonly Row[] } {
  const open = new Map<Row, number>()
  for (const row of expected) open.set(row, (open.get(row) ?? 0) + 1)
  const extra: Row[] = []
  for (const row of found) {
    const count = open.get(row) ?? 0
    if (count === 0) extra.push(row)
    else open.set(row, count - 1)
  }
  const missing = [...open].filter(([, count]) => count > 0).map(([row]) => row)
  return { missing: missing.slice(0, 5), extra: extra.slice(0, 5) }
}

/** Half-written files, an owner, and bundles, after the last life. */
function leftBehind({ workDir, folder }: ScheduleReport): readonly string[] {
  const bundles = join(folder, '.millrace', '.bundles')
  return [
    ...readdirSync(workDir, { recursive: true })
      .map(String)
      .filter((path) => /\.tmp$|^owner\.json$|^scratch\//.test(path)),
    ...(existsSync(bundles) ? readdirSync(bundles) : []),
  ]
}
