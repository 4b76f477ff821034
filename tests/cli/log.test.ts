/** `--log-format json`: every line that a run writes on standard error is one object. */
import { expect } from 'vitest'
import { test } from './process.ts'

const JOB = `
import { existsSync, writeFileSync } from 'node:fs'
import { defineJob, int32, struct } from 'millrace'
import { fileSink, fileSource, json } from 'millrace/connectors'

const Row = struct({ n: int32() })
export default defineJob('logged', (env) => {
  env.restart({ strategy: 'fixed-delay', attempts: 2, delayMs: 10 })
  env
    .fromSource('in', fileSource({ path: './in.jsonl', format: json(Row), onMalformed: 'skip' }))
    .map((row) => {
      if (row.n !== 3 || existsSync('./seen')) return row
      writeFileSync('./seen', '')
      console.error('two lines\\nof the job')
      throw new RangeError('once only')
    })
    .sinkTo('out', fileSink({ directory: './out', schema: Row }))
})
`

interface Line {
  readonly level: string
  readonly time: number
  readonly job: string | null
  readonly code: string | null
  readonly msg: string
  readonly [name: string]: unknown
}

function linesOf(stderr: string): readonly Line[] {
  const lines = stderr.trimEnd().split('\n')
  const objects = lines.map((line) => JSON.parse(line) as Line)
  for (const [index, line] of objects.entries()) {
    expect(['error', 'warn', 'info'], lines[index]).toContain(line.level)
    expect(line.time, lines[index]).toBeGreaterThan(0)
    expect(line.job === null || line.job === 'logged', lines[index]).toBe(true)
    expect(line.code === null || typeof line.code === 'string', lines[index]).toBe(true)
    expect(line.msg, lines[index]).toEqual(expect.any(String))
    expect(lines[index]!.match(/"(level|time|job|code|msg)":/g), lines[index]).toHaveLength(5)
  }
  return objects
}

test('a run that skips, fails, restarts and ends says all of it as objects', async ({
  project,
}) => {
  project.write('job.ts', JOB)
  project.write('in.jsonl', '{"n":1}\nbroken\n{"n":3}\n')
  const ended = await project.run(['run', 'job.ts', '--log-format', 'json', '--parallelism', '1'])
  expect(ended).toMatchObject({ exitCode: 0, stdout: '' })
  const lines = linesOf(ended.stderr)
  expect(lines[0]).toMatchObject({ level: 'info', job: null, msg: 'the run starts' })
  const skipped = { level: 'warn', job: 'logged', operator: 'in', offset: 2 }
  expect(lines).toContainEqual(expect.objectContaining({ ...skipped, code: 'RECORD_MALFORMED' }))
  for (const msg of ['two lines', 'of the job']) {
    expect(lines).toContainEqual(expect.objectContaining({ stream: 'stderr', msg }))
  }
  expect(lines.find(({ attempt }) => attempt === 1)).toMatchObject({
    level: 'warn',
    job: 'logged',
    code: 'USER_FUNCTION_FAILED',
    msg: 'once only',
    afterMs: 10,
    place: { split: 'in.jsonl', offset: 3, unit: 'line', record: '{ n: 3 }' },
  })
  expect(lines.filter(({ msg }) => msg === 'the job runs')).toHaveLength(2)
  expect(lines.at(-1)).toMatchObject({
    level: 'info',
    job: 'logged',
    msg: 'the job has finished',
    recordsIn: 2,
    malformed: 1,
    restarts: 1,
  })
})

const BY_VARIABLE = { MILLRACE_LOG_FORMAT: 'json' }
/** What the parser of arguments finds is told as everything else is. */
const WRONG_CALLS: readonly {
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly found: RegExp
}[] = [
  { args: ['run', 'job.ts', '--frsh', '--log-format', 'json'], found: /unknown option '--frsh'/ },
  { args: ['run', '--log-format=json'], found: /missing required argument 'job'/ },
  { args: ['run', 'a.ts', 'b.ts', '--log-format', 'json'], found: /too many arguments/ },
  { args: ['run', 'a.ts', '--log-format', 'json', '--work-dir'], found: /argument missing/ },
  { args: ['run', ' ', '--log-format', 'json'], found: /<job> is empty/ },
  { args: ['rnu', 'job.ts', '--log-format', 'json'], found: /there is no command "rnu"/ },
  { args: ['--fresh', 'run', '--log-format', 'json'], found: /unknown option '--fresh'/ },
  { args: ['chaos', 'rnu', '--log-format', 'json'], found: /rnu/ },
  { args: ['rnu', 'job.ts'], env: BY_VARIABLE, found: /there is no command "rnu"/ },
  { args: ['chaos', 'rnu'], env: BY_VARIABLE, found: /rnu/ },
  { args: ['run', 'job.ts', '--fresh', '--from', 'x'], env: BY_VARIABLE, found: /both given/ },
]

test('a run that cannot begin says so as an object too', async ({ project }) => {
  const log = ['--log-format', 'json']
  const lost = await project.run(['run', 'lost.ts', ...log])
  expect(linesOf(lost.stderr).at(-1)).toMatchObject({ level: 'error', code: 'JOB_NOT_FOUND' })
  project.write('job.ts', JOB.replace('env.restart(', 'missing()\n  env.restart('))
  const thrown = linesOf((await project.run(['run', 'job.ts', ...log])).stderr).at(-1)
  const at = expect.stringMatching(/^job\.ts:8:\d+$/) as string
  expect(thrown).toMatchObject({ level: 'error', code: 'JOB_INVALID', place: { at } })
  for (const { args, env = {}, found } of WRONG_CALLS) {
    const ended = await project.run(args, env)
    expect(ended, args.join(' ')).toMatchObject({ exitCode: 2, stdout: '' })
    const lines = linesOf(ended.stderr)
    expect(lines, args.join(' ')).toHaveLength(1)
    const hint = expect.any(String) as string
    expect(lines[0], args.join(' ')).toMatchObject({ code: 'USAGE', hint, level: 'error' })
    expect(lines[0]!.msg, args.join(' ')).toMatch(found)
  }
  const wrong = await project.run(['run', 'job.ts', '--config', './lost.json', ...log])
  expect(wrong.exitCode).toBe(2)
  project.write('config.json', '{"logFormat": "json"}')
  const asked = ['--config', 'config.json', '--fresh', '--from', 'x']
  const both = await project.run(['run', 'job.ts', ...asked])
  expect(linesOf(both.stderr)).toMatchObject([{ level: 'error', code: 'USAGE' }])
  expect(linesOf(wrong.stderr)).toMatchObject([{ level: 'error', code: 'CONFIG_INVALID' }])
})
