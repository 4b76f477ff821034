/**
 * A source that is far ahead of another is paused, over real files and worker threads: what waits
 * in the state has a bound, checkpoints go on, and the answer is that of a plain loop.
 */
import { appendFileSync } from 'node:fs'
import { expect } from 'vitest'
import { rows, test, type Project } from './process.ts'

const START = 1_700_000_040_000
const SECONDS = 40_000
const MINUTES = Math.floor(SECONDS / 60)
/** Rows of the file that is far ahead are about so long. */
const ROW_BYTES = 250
const READ_AHEAD_BYTES = 1_024 * 1_024

function dense(from: number, to: number): string {
  const note = 'x'.repeat(ROW_BYTES - 60)
  return Array.from({ length: to - from }, (_, index) => {
    const second = from + index
    return `{"key":"k${second % 3}","n":${second},"at":${START + second * 1_000},"note":"${note}"}\n`
  }).join('')
}

function sparse(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, index) => {
    const minute = from + index
    return `{"key":"k${minute % 3}","n":${minute},"at":${START + minute * 60_000}}\n`
  }).join('')
}

/** For each row of `sparse` those of `dense` with its key, up to five seconds away. */
function pairs(): string[] {
  const found: string[] = []
  for (let minute = 0; minute < MINUTES; minute += 1) {
    for (let second = minute * 60 - 5; second <= minute * 60 + 5; second += 1) {
      if (second >= 0 && second < SECONDS && second % 3 === minute % 3) {
        found.push(`${minute} ${second}`)
      }
    }
  }
  return found.sort()
}

// The first file of `dense` goes to subtask 0, the large one to subtask 1: another thread than that
// of the file of `sparse`.
const JOB = `
import { defineJob, float64, int32, minutes, monotonous, seconds, struct, timestamp, utf8 } from 'millrace'
import { fileSource, fileSink, json } from 'millrace/connectors'
const Dense = struct({ key: utf8(), n: int32(), at: timestamp(), note: utf8() })
const Sparse = struct({ key: utf8(), n: int32(), at: timestamp() })
const Pair = struct({ minute: int32(), second: int32() })
const times = monotonous().withWatermarkAlignment({ maxDrift: minutes(1), readAheadMb: 1 })
export default defineJob('pairs', (env) => {
  env.checkpointing({ everyMs: 200 })
  const dense = env.fromSource('dense', fileSource({ path: './dense', format: json(Dense), inOrder: true }))
  const sparse = env.fromSource('sparse', fileSource({ path: './sparse', format: json(Sparse), watch: true }))
  sparse.assignTimestampsAndWatermarks('at', times).keyBy('key')
    .intervalJoin('join', dense.assignTimestampsAndWatermarks('at', times).keyBy('key'),
      { lower: seconds(-5), upper: seconds(5) },
      (left, right) => ({ minute: left.n, second: right.n }))
    .sinkTo('out', fileSink({ directory: './out', schema: Pair }))
})
`

interface Step {
  readonly name: string
  readonly recordsIn: number
  readonly paused?: unknown
}
interface Report {
  readonly running: {
    readonly steps: readonly Step[]
    readonly lastCheckpoint: { readonly count: number } | null
  }
  readonly checkpoints: readonly {
    readonly operators: readonly { readonly uid: string; readonly bytes: number }[]
  }[]
}

async function report(project: Project): Promise<Report> {
  const shown = await project.run(['inspect', '.millrace/pairs', '--json'])
  return JSON.parse(shown.stdout) as Report
}

const step = ({ running }: Report, name: string): Step =>
  running.steps.find((each) => each.name === name)!

test('what waits for a slow source has a bound, and the answer is that of a plain loop', async ({
  project,
}) => {
  project.write('job.ts', JOB)
  project.write('dense/a.jsonl', dense(0, 1))
  project.write('dense/b.jsonl', dense(1, SECONDS))
  project.write('sparse/a.jsonl', sparse(0, 10))
  const run = project.start(['run', 'job.ts', '--parallelism', '2'])
  await run.saw(/ runs in /)
  const waiting = { timeout: 60_000, interval: 100 }

  const isPaused = async (): Promise<unknown> => step(await report(project), 'dense').paused
  await expect
    .poll(isPaused, waiting)
    .toEqual([{ subtask: 1, waitsFor: { source: 'sparse', subtask: 0 } }])
  const paused = await report(project)
  // Ten minutes that `sparse` has reached, one of drift, the bytes ahead, and a batch.
  const most = 11 * 60 + (READ_AHEAD_BYTES + 2 * 65_536) / ROW_BYTES
  const read = step(paused, 'dense').recordsIn
  expect(read).toBeGreaterThan(READ_AHEAD_BYTES / (2 * ROW_BYTES))
  expect(read).toBeLessThan(most)

  const count = paused.running.lastCheckpoint?.count ?? 0
  const later = async (): Promise<number> => (await report(project)).running.lastCheckpoint!.count
  await expect.poll(later, waiting).toBeGreaterThan(count + 2)
  const after = await report(project)
  expect(step(after, 'dense')).toMatchObject({ recordsIn: read, paused: [{ subtask: 1 }] })
  const join = after.checkpoints[0]!.operators.find(({ uid }) => uid === 'join')!
  expect(join.bytes).toBeLessThan(4 * READ_AHEAD_BYTES)

  appendFileSync(project.path('sparse/a.jsonl'), sparse(10, MINUTES))
  const all = async (): Promise<number> => step(await report(project), 'dense').recordsIn
  await expect.poll(all, waiting).toBe(SECONDS)
  expect((await project.run(['stop', '.millrace/pairs', '--drain'])).exitCode).toBe(0)
  await run.ended
  const found = rows(project.path('out')).map(
    ({ minute, second }) => `${minute as number} ${second as number}`,
  )
  expect(found.sort()).toEqual(pairs())
})
