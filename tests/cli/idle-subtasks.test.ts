/**
 * A subtask that has no split does not hold event time back: with real files, through the command
 * line, where there are fewer files than subtasks.
 */
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect } from 'vitest'
import { ROOT } from '../millrace.ts'
import { query } from '../kill/parquet-rows.ts'
import { rows, test, until, type Project } from './process.ts'

const MINUTE = 60_000
const START = 1_700_000_040_000 // A full minute.

/** One record a second of event time. */
function lines(fromSecond: number, toSecond: number): string {
  const line = (second: number): string =>
    `{"shop":"s${second % 3}","cents":${second},"at":${START + second * 1_000}}\n`
  return Array.from({ length: toSecond - fromSecond }, (_, index) => line(fromSecond + index)).join(
    '',
  )
}

/** What a plain loop counts in each minute and shop, of the minutes before `minutes`. */
function revenue(seconds: number, minutes: number): string[] {
  const found = new Map<string, { orders: number; cents: number }>()
  for (let second = 0; second < seconds; second += 1) {
    const minute = Math.floor(second / 60)
    if (minute >= minutes) continue
    const key = `s${second % 3} ${START + minute * MINUTE}`
    const { orders, cents } = found.get(key) ?? { orders: 0, cents: 0 }
    found.set(key, { orders: orders + 1, cents: cents + second })
  }
  return [...found].map(([key, { orders, cents }]) => `${key} ${orders} ${cents}`).sort()
}

const JOB = `
import { boundedOutOfOrderness, count, defineJob, field, int32, minutes, seconds } from 'millrace'
import { float64, struct, sum, timestamp, tumbling, utf8 } from 'millrace'
import { fileSource, fileSink, json } from 'millrace/connectors'
const Order = struct({ shop: utf8(), cents: int32(), at: timestamp() })
const Revenue = struct({ shop: utf8(), minute: int32(), orders: int32(), cents: float64() })
export default defineJob('revenue', (env) => {
  env.checkpointing({ everyMs: 200 })
  env.fromSource('orders', fileSource({ path: './orders', format: json(Order), watch: true }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(seconds(30)))
    .keyBy('shop').window(tumbling(minutes(1)))
    .aggregate('per-minute', { orders: count(), cents: sum('cents') })
    .map(({ windowStart, ...row }) => ({ ...row, minute: (windowStart - ${START}) / ${MINUTE} }))
    .sinkTo('table', fileSink({ directory: './out', schema: Revenue }))
})
`

function shown(project: Project): string[] {
  return rows(project.path('out'))
    .map(
      ({ shop, minute, orders, cents }) =>
        `${shop as string} ${START + (minute as number) * MINUTE} ${orders as number} ${cents as number}`,
    )
    .sort()
}

test.concurrent(
  "README's job gives its rows over one file, at parallelism 1, 2 and 4",
  async ({ project }) => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
    const job = /```ts\n([\s\S]*?export default defineJob\('revenue'[\s\S]*?)```/.exec(readme)![1]!
    const expected = revenue(200, 2)
    await Promise.all(
      [1, 2, 4].map(async (parallelism) => {
        const folder = `p${parallelism}`
        project.write(`${folder}/job.ts`, job)
        project.write(`${folder}/orders/a.jsonl`, lines(0, 200))
        const args = ['run', 'job.ts', '--parallelism', String(parallelism)]
        const run = project.start(args, {}, project.path(folder))
        const table = project.path(folder, 'out/revenue')
        const read = async (): Promise<string[]> => {
          if (!existsSync(table) || readdirSync(table).every((name) => name.startsWith('_')))
            return []
          const found = await query(
            `SELECT shop, epoch_ms(minute), orders, cents FROM '${table}/*.parquet'`,
          )
          return found.map((row) => row.map(String).join(' ')).sort()
        }
        await expect.poll(read, { timeout: 60_000, interval: 200 }).toEqual(expected)
        run.child.kill('SIGTERM')
        expect((await run.ended).exitCode).toBe(143)
        expect(await read()).toEqual(expected)
      }),
    )
  },
)

test.concurrent(
  'a folder that is empty at the start holds nothing back when files come',
  async ({ project }) => {
    project.write('job.ts', JOB)
    project.write('orders/.keep', '')
    const run = project.start(['run', 'job.ts', '--parallelism', '3'])
    await run.saw(/ runs in /)
    writeFileSync(project.path('orders/a.jsonl'), lines(0, 100))
    await until('the first window', () => shown(project).length >= 3)
    expect(shown(project)).toEqual(revenue(100, 1))
    appendFileSync(project.path('orders/a.jsonl'), lines(100, 260))
    await until('later windows', () => shown(project).length >= 9)
    expect(shown(project)).toEqual(revenue(260, 3))
  },
)

test.concurrent(
  'of watched files in order only the last holds event time back',
  async ({ project }) => {
    project.write('job.ts', JOB.replace('watch: true', 'watch: true, inOrder: true'))
    project.write('orders/a.jsonl', lines(0, 100))
    project.write('orders/b.jsonl', lines(100, 200))
    const run = project.start(['run', 'job.ts', '--parallelism', '2'])
    await until('windows of both', () => shown(project).length >= 6)
    expect(shown(project)).toEqual(revenue(200, 2))
    project.write('orders/c.jsonl', lines(200, 340))
    await until('later windows', () => shown(project).length >= 15)
    expect(shown(project)).toEqual(revenue(340, 5))
    run.child.kill('SIGTERM')
    expect((await run.ended).exitCode).toBe(143)
  },
)

test.concurrent(
  'what holds a window back is told, and the hint lets it go on',
  async ({ project }) => {
    project.write('job.ts', JOB)
    project.write('orders/a.jsonl', lines(0, 100))
    // Begun, so that it is read, and without a whole line.
    project.write('orders/silent.jsonl', '{"shop"')
    const run = project.start(['run', 'job.ts', '--parallelism', '2', '--json'])
    await run.saw(/withIdleness/)
    run.child.kill('SIGTERM')
    const { stderr, stdout } = await run.ended
    const told = stderr.split('\n').filter((line) => line.includes('withIdleness'))
    expect(told).toHaveLength(1)
    for (const part of ['per-minute', 'orders', 'subtask', 'silent.jsonl', 'none']) {
      expect(told[0]).toContain(part)
    }
    expect(shown(project)).toEqual([])
    const { steps } = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as {
      steps: { watermark: string }[]
    }
    expect(steps.map(({ watermark }) => watermark)).toContain('none')

    const hinted = JOB.replace('(seconds(30))', '(seconds(30)).withIdleness(seconds(1))')
    project.write('job.ts', hinted)
    const again = project.start(['run', 'job.ts', '--parallelism', '2'])
    await until('the first window', () => shown(project).length >= 3)
    expect(shown(project)).toEqual(revenue(100, 1))
    again.child.kill('SIGTERM')
    await again.ended
  },
)

test.concurrent(
  'a subtask whose last file has ended, and a restore with another parallelism, hold nothing back',
  async ({ project }) => {
    project.write('job.ts', JOB)
    project.write('orders/a.jsonl', lines(0, 100))
    writeFileSync(project.path('orders/b.jsonl.gz'), gzipSync(lines(0, 40)))
    const both = (seconds: number, minutes: number): string[] => {
      // Minute 0 has the records of both files.
      const [all, twice] = [revenue(seconds, minutes), revenue(40, 1)]
      return all.map((row) => {
        const [shop, minute, orders, cents] = row.split(' ')
        const more = twice.find((other) => other.startsWith(`${shop} ${minute} `))?.split(' ')
        if (more === undefined) return row
        return [
          shop,
          minute,
          Number(orders) + Number(more[2]),
          Number(cents) + Number(more[3]),
        ].join(' ')
      })
    }
    const first = project.start(['run', 'job.ts', '--parallelism', '2'])
    await until('the first window', () => shown(project).length >= 3)
    expect(shown(project)).toEqual(both(100, 1))
    first.child.kill('SIGTERM')
    expect((await first.ended).exitCode).toBe(143)

    const again = project.start(['run', 'job.ts', '--parallelism', '4'])
    await again.saw(/ runs in /)
    appendFileSync(project.path('orders/a.jsonl'), lines(100, 260))
    await until('later windows', () => shown(project).length >= 9)
    expect(shown(project)).toEqual(both(260, 3))
  },
)
