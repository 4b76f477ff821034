import { readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { expect } from 'vitest'
import { checkpoints, test as alone, until } from './cli/process.ts'
import { lastLine, ROOT, type Project } from './millrace.ts'

/** The built command line, started as a user starts it, with jobs that a user could write. */
const test = alone.concurrent

const HEAD = `
  import { count, defineJob, int32, parameter, struct, utf8 } from 'millrace'
  import { fileSink, generatorSource, printSink } from 'millrace/connectors'
  const Count = struct({ key: utf8(), n: int32() })
`

/** Counts per key; as many records as it is told, at a rate if it is told one. */
const COUNTING = `${HEAD}
  const parameters = {
    records: parameter.integer({ default: 1000 }),
    perSecond: parameter.integer({ default: 0 }),
    poison: parameter.integer({ default: -1 }),
  }
  export default defineJob('counting', parameters, (env, { records, perSecond, poison }) => {
    env.checkpointing({ everyMs: 200 })
    env.fromSource('numbers', generatorSource({
      ...(records === 0 ? {} : { records }),
      ...(perSecond === 0 ? {} : { perSecond }),
      generate: (index) => ({ key: 'k' + (index % 10), index }),
    }))
      .map((record) => {
        if (record.index === poison) throw new Error('cannot take ' + record.index)
        return { key: record.key }
      })
      .keyBy('key').aggregate('count', { n: count() })
      .sinkTo('files', fileSink({ directory: './out', schema: Count }))
  })
`

function outputLines(project: Project): number {
  return readdirSync(project.path('out'))
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => readFileSync(project.path('out', name), 'utf8').trimEnd().split('\n').length)
    .reduce((sum, lines) => sum + lines, 0)
}

test('help teaches, and a wrong call ends with 2 and says what there is', async ({ project }) => {
  const help = await project.run(['--help'])
  expect(help).toMatchObject({ exitCode: 0 })
  expect(help.stdout).toMatch(/npx millrace init/)
  expect((await project.run(['run', '--help'])).stdout).toMatch(/Examples:/)

  const slip = await project.run(['rnu', 'job.ts'])
  expect(slip).toMatchObject({ exitCode: 2 })
  expect(slip.stderr).toMatch(/there is no command "rnu"[\s\S]*Did you mean "run"\?/)
  expect((await project.run(['run'])).exitCode).toBe(2)
  expect((await project.run(['run', 'job.ts', '--frob'])).exitCode).toBe(2)
  expect((await project.run([])).exitCode).toBe(2)
})

test('a mistake in the job ends with 2, its code, a hint, and no stack', async ({ project }) => {
  const missing = await project.run(['run', 'nowhere.ts'])
  expect(missing).toMatchObject({ exitCode: 2 })
  expect(missing.stderr).toMatch(/error JOB_NOT_FOUND: there is no job script at/)

  project.write('job.ts', `${HEAD} export default defineJob('x', (env) => {`)
  const syntax = await project.run(['run', 'job.ts'])
  expect(syntax).toMatchObject({ exitCode: 2 })
  expect(syntax.stderr).toMatch(/error JOB_BUNDLE_FAILED: [\s\S]*job\.ts:5:\d+: /)

  project.write('job.ts', 'export default 5')
  expect((await project.run(['run', 'job.ts'])).stderr).toMatch(/error JOB_INVALID/)

  project.write('job.ts', COUNTING)
  const parameter = await project.run(['run', 'job.ts', '--set', 'recods=5'])
  expect(parameter).toMatchObject({ exitCode: 2 })
  expect(parameter.stderr).toMatch(/PARAMETER_UNKNOWN[\s\S]*Did you mean "records"\?/)
  expect(parameter.stderr).not.toMatch(/^\s+at .*\.js/m)
})

test('explain shows the plan, and settings with their origin', async ({ project }) => {
  project.write('job.ts', COUNTING)
  project.write('settings.json', JSON.stringify({ checkpointing: { retain: 5 } }))
  const text = await project.run(['explain', 'job.ts', '--parallelism', '2'])
  expect(text).toMatchObject({ exitCode: 0, stderr: '' })
  expect(text.stdout).toMatch(/numbers[\s\S]*job\.ts:\d+[\s\S]*count/)
  const json = await project.run(['explain', 'job.ts', '--json'])
  expect(lastLine(json)).toHaveProperty('plan')
  expect((await project.run(['explain', 'job.ts', '--svg'])).stdout).toMatch(/^<svg[\s\S]*<\/svg>/)

  const environment = { MILLRACE_CONFIG: 'settings.json', MILLRACE_GRACE: '7s' }
  const settings = await project.run(
    ['explain', 'job.ts', '--config', '--set', 'records=5'],
    environment,
  )
  expect(settings.stdout).toMatch(/grace +7000 +environment: MILLRACE_GRACE/)
  expect(settings.stdout).toMatch(/checkpointing\.retain +5 +config file: checkpointing\.retain in/)
  expect(settings.stdout).toMatch(/checkpointing\.everyMs +200 +job/)
  expect(settings.stdout).toMatch(/restart\.strategy +exponential +default/)
  expect(settings.stdout).toMatch(/set\.records +5 +flag/)
})

test('check finds what types find, by the typescript of the project', async ({ project }) => {
  project.write('job.ts', COUNTING)
  const without = await project.run(['check', 'job.ts'])
  expect(without.stdout).toMatch(/types: not checked/)

  // Version 7 lets nobody import what is in `bin`.
  const seven = { version: '7.0.2', bin: { tsc: './bin/tsc' } }
  const sealed = { ...seven, exports: { './package.json': './package.json' } }
  project.write('node_modules/typescript/package.json', JSON.stringify(sealed))
  const ours = JSON.stringify(`${ROOT}node_modules/typescript/bin/tsc`)
  project.write('node_modules/typescript/bin/tsc', `require(${ours})`)
  expect((await project.run(['check', 'job.ts'])).stdout).toMatch(/types: no errors/)
  rmSync(project.path('node_modules/typescript'), { recursive: true })

  symlinkSync(`${ROOT}node_modules/typescript`, project.path('node_modules/typescript'))
  const good = await project.run(['check', 'job.ts'])
  expect(good).toMatchObject({ exitCode: 0 })
  expect(good.stdout).toMatch(/plan: counting has \d+ steps[\s\S]*types: no errors/)

  project.write('job.ts', COUNTING.replace(`'k' + (index % 10)`, `index`))
  const wrong = await project.run(['check', 'job.ts'])
  expect(wrong).toMatchObject({ exitCode: 1 })
  expect(wrong.stdout).toMatch(/job\.ts[\s\S]*types: errors, see above\n/)

  // What the types and what the plan find are shown together.
  const lost = `fileSource({ path: './lost/*.csv', format: csv(struct({ n: int32() })) })`
  project.write(
    'job.ts',
    `import { defineJob, int32, struct } from 'millrace'
    import { csv, fileSource, printSink } from 'millrace/connectors'
    const text: string = 1
    export default defineJob('lost', (env) => {
      env.fromSource('in', ${lost}).sinkTo('out', printSink({ prefix: text }))
    })`,
  )
  const both = await project.run(['check', 'job.ts'])
  expect(both).toMatchObject({ exitCode: 2 })
  expect(both.stdout).toMatch(/job\.ts.*TS2322[\s\S]*types: errors/)
  expect(both.stderr).toMatch(/error OPTION_INVALID: .*"\.\/lost"[\s\S]*"in"[\s\S]*job\.ts:5/)

  // A project is checked whole, and whose mistake it is, is said.
  project.write('job.ts', COUNTING)
  project.write('other.ts', `import { rmSync } from 'node:fs'\nrmSync('out')\n`)
  const options = { strict: true, module: 'preserve', target: 'es2023', skipLibCheck: true }
  const config = { compilerOptions: { ...options, types: [] }, include: ['job.ts', 'other.ts'] }
  project.write('tsconfig.json', JSON.stringify(config))
  const beside = await project.run(['check', 'job.ts'])
  expect(beside).toMatchObject({ exitCode: 1 })
  expect(beside.stdout).toContain("not in the job's own file, but in other.ts")
  expect(beside.stdout).toContain('npm install --save-dev @types/node')
})

test('a job runs to its end, sums up in one line, and says so when it is run again', async ({
  project,
}) => {
  project.write('job.ts', COUNTING)
  const ended = await project.run(['run', 'job.ts', '--json', '--parallelism', '2'])
  const [starting, , ...told] = ended.stderr.trimEnd().split('\n')
  expect(starting).toBe('starting job.ts')
  expect(told.filter((line) => !/^(info|counting \d)/.test(line)).slice(0, -1)).toEqual([
    'step           in    out',
    'numbers ×2  1,000  1,000',
    '└ map-1     1,000  1,000',
    'count ×2    1,000  1,000',
    '└ files     1,000',
  ])
  expect(ended.exitCode).toBe(0)
  expect(lastLine(ended)).toMatchObject({
    status: 'finished',
    job: 'counting',
    recordsIn: 1_000,
    recordsOut: 1_000,
    restarts: 0,
  })
  expect(outputLines(project)).toBe(1_000)

  const again = await project.run(['run', 'job.ts', '--json'])
  expect(again.exitCode).toBe(0)
  expect(lastLine(again)).toMatchObject({ status: 'already-finished' })
  expect(outputLines(project)).toBe(1_000)

  const inspected = await project.run(['inspect', 'counting'])
  expect(inspected).toMatchObject({ exitCode: 0 })
  expect(inspected.stdout).toMatch(/counting in .*[\s\S]*not running[\s\S]*final[\s\S]*count/)
})

test('SIGTERM stops cleanly with 143, and the same command goes on', async ({ project }) => {
  project.write('job.ts', COUNTING)
  const args = ['run', 'job.ts', '--json', '--set', 'records=2000', '--set', 'perSecond=300']
  const first = project.start(args)
  await first.saw(/counting runs in/)
  await until('a checkpoint', () => checkpoints(project).length > 0)
  first.child.kill('SIGTERM')
  const stopped = await first.ended
  expect(stopped.exitCode).toBe(143)
  expect(lastLine(stopped)).toMatchObject({ status: 'stopped' })

  const second = await project.run(args)
  expect(second.exitCode).toBe(0)
  expect(lastLine(second)).toMatchObject({ status: 'finished', recordsIn: 2_000 })
  expect(outputLines(project)).toBe(2_000)
})

test('a killed engine is started again, and the output is as without the kill', async ({
  project,
}) => {
  project.write('job.ts', COUNTING)
  const args = ['run', 'job.ts', '--json', '--set', 'records=2000', '--set', 'perSecond=300']
  const running = project.start(args, { MILLRACE_RESTART_STRATEGY: 'fixed-delay' })
  await running.saw(/counting runs in/)
  await until('a checkpoint', () => checkpoints(project).length > 0)
  const owner = readFileSync(project.path('.millrace/counting/owner.json'), 'utf8')
  process.kill((JSON.parse(owner) as { readonly pid: number }).pid, 'SIGKILL')
  const ended = await running.ended
  expect(ended.stderr).toMatch(/error WORKER_DIED: the engine process ended by SIGKILL/)
  expect(ended.stderr).toMatch(/restart 1 in 1\.0 s[\s\S]*from checkpoint \d+/)
  expect(lastLine(ended)).toMatchObject({ status: 'finished', recordsIn: 2_000, restarts: 1 })
  expect(outputLines(project)).toBe(2_000)
})

test('an engine does not outlive its parent, and the same command goes on at once', async ({
  project,
}) => {
  project.write('job.ts', COUNTING)
  const args = ['run', 'job.ts', '--json', '--set', 'records=2000', '--set', 'perSecond=300']
  const running = project.start(args)
  await running.saw(/counting runs in/)
  await until('a checkpoint', () => checkpoints(project).length > 0)
  running.child.kill('SIGKILL')
  const ended = await project.run(args)
  expect(ended.stderr).not.toMatch(/error/)
  expect(lastLine(ended)).toMatchObject({ status: 'finished', recordsIn: 2_000 })
  expect(outputLines(project)).toBe(2_000)
})

test('a second instance is refused with 4; stop ends the first with 0', async ({ project }) => {
  project.write('job.ts', COUNTING)
  const running = project.start(['run', 'job.ts', '--set', 'records=0', '--set', 'perSecond=500'])
  await running.saw(/counting runs in/)
  const busy = await project.run(['run', 'job.ts'])
  expect(busy.stderr).toMatch(/WORK_DIR_BUSY/)
  expect(busy.exitCode).toBe(4)

  const inspected = await project.run(['inspect', 'counting'])
  expect(inspected.stdout).toMatch(/running \(process \d+\)/)
  const savepoint = await project.run(['savepoint', 'counting', '--to', './saved'])
  expect(savepoint.stderr).toBe('')
  expect(savepoint.exitCode).toBe(0)
  expect(project.has('saved')).toBe(true)
  expect(await project.run(['stop', 'counting'])).toMatchObject({ exitCode: 0 })
  const ended = await running.ended
  expect(ended.exitCode).toBe(0)
  expect(ended.stderr).toMatch(/counting stopped/)

  const nobody = await project.run(['stop', 'counting'])
  expect(nobody.exitCode).toBe(1)
  expect(nobody.stderr).toMatch(/JOB_NOT_RUNNING/)
})

test('a record that fails three times ends the run with 5 and names it', async ({ project }) => {
  project.write('job.ts', COUNTING)
  const environment = { MILLRACE_RESTART_STRATEGY: 'fixed-delay', MILLRACE_RESTART_DELAY_MS: '1' }
  const ended = await project.run(
    ['run', 'job.ts', '--json', '--set', 'poison=500', '--set', 'perSecond=300'],
    environment,
  )
  expect(ended.stderr).toMatch(/error RECORD_POISON: the record at offset \d+ of ".+" failed/)
  expect(ended.stderr).toMatch(/cannot take 500/)
  expect(ended.stderr).toMatch(/at +job\.ts:\d+:\d+/)
  expect(ended.exitCode).toBe(5)
  expect(lastLine(ended)).toMatchObject({ status: 'failed', restarts: 2 })
})

test('dev prints what sinks would write, and starts anew when the job is saved', async ({
  project,
}) => {
  project.write('job.ts', COUNTING)
  const dev = project.start(['dev', 'job.ts', '--set', 'records=0', '--set', 'perSecond=100'])
  await dev.saw(/^files> \{"key":"k\d","n":\d+\}/m)
  project.write('job.ts', COUNTING.replace(`'k' +`, `'changed' +`))
  await dev.saw(/changed: starting anew/)
  await dev.saw(/^files> \{"key":"changed\d"/m)
  dev.child.kill('SIGINT')
  expect((await dev.ended).exitCode).toBe(130)
  expect(project.has('out')).toBe(false)
  expect(project.has('.millrace')).toBe(false)
})
