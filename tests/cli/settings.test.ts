import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import {
  counting,
  ENDLESS,
  expectError,
  expectExact,
  lastLine,
  REST,
  startChecked,
  test,
  type Project,
} from './process.ts'

describe.concurrent('parameters', () => {
  const PARAMETERS = counting({
    top: `const more = {
      place: parameter.text(), wait: parameter.duration({ default: millrace.seconds(1) }),
      size: parameter.choice(['small', 'large'], { default: 'small' }),
    }`,
  }).replace('const parameters = {', 'const parameters = { ...more,')

  test('missing, misspelt and misfit ones end with 2 before anything starts', async ({
    project,
  }) => {
    project.write('job.ts', PARAMETERS)
    const cases = [
      [[], 'PARAMETER_MISSING', /job "counting" needs "place"[\s\S]*--set place=/],
      [['place=x', 'plaec=y'], 'PARAMETER_UNKNOWN', /"plaec"[\s\S]*Did you mean "place"\?/],
      [['place=x', 'records=many'], 'PARAMETER_INVALID', /"records"/],
      [['place=x', 'wait=soon'], 'PARAMETER_INVALID', /"wait"/],
      [['place=x', 'size=huge'], 'PARAMETER_INVALID', /"size"[\s\S]*small/],
    ] as const
    for (const [set, code, text] of cases) {
      const ended = await project.run(['run', 'job.ts', ...set.flatMap((pair) => ['--set', pair])])
      expectError(ended, 2, code)
      expect(ended.stderr).toMatch(text)
    }
    expect(project.has('.millrace')).toBe(false)
    expectError(await project.run(['run', 'job.ts', '--set', 'place']), 2, 'USAGE')
  })

  test('a changed one wins over what the checkpoint has, and is logged', async ({ project }) => {
    project.write('job.ts', counting())
    const run = await startChecked(project, ['run', 'job.ts', ...ENDLESS])
    run.child.kill('SIGTERM')
    expect((await run.ended).exitCode).toBe(143)
    const ended = await project.run(['run', 'job.ts', ...REST])
    expect(ended.exitCode).toBe(0)
    expect(ended.stderr).toMatch(/parameter[^\n]*perSecond/)
  })
})

describe.concurrent('secrets', () => {
  const CANARY = 'c4nary-of-the-mine'
  const SECRET = counting({
    map: `
      if (password.reveal() !== '${CANARY.slice(0, 6)}' + '${CANARY.slice(6)}') throw new Error('wrong')
      if (record.index === 0) console.log(String(password), JSON.stringify({ password }), password)
      if (record.index === 777 && fail) throw new Error('failed with ' + password)`,
  })
    .replace(
      'const parameters = {',
      `const parameters = { password: parameter.secret(), fail: parameter.flag({ default: false }),`,
    )
    .replace('(env, { records', '(env, { password, fail, records')

  const everyFile = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => !name.startsWith('node_modules'))
      .map((name) => join(folder, name))
      .filter((path) => statSync(path).isFile())

  test('a literal is refused, and a reference that leads nowhere', async ({ project }) => {
    project.write('job.ts', SECRET)
    const literal = await project.run(['run', 'job.ts', '--set', `password=${CANARY}`])
    expectError(literal, 2, 'SECRET_LITERAL')
    expect(literal.stderr).not.toContain(CANARY)
    expect(literal.stderr).toMatch(/env:[\s\S]*file:/)
    for (const reference of ['env:NOT_SET_ANYWHERE', 'file:./not-there']) {
      const ended = await project.run(['run', 'job.ts', '--set', `password=${reference}`])
      expectError(ended, 2, 'SECRET_UNREADABLE')
    }
    const missing = await project.run(['run', 'job.ts'])
    expectError(missing, 2, 'PARAMETER_MISSING')
  })

  test('one by env: or file: reaches the steps, and no file, log, plan or error', async ({
    project,
  }) => {
    project.write('job.ts', SECRET)
    const secret = project.write('secret', `${CANARY}\n`)
    const environment = { PASSWORD: CANARY }
    const byEnv = ['--set', 'password=env:PASSWORD']
    const outputs: string[] = []
    const run = async (args: readonly string[], exitCode: number): Promise<void> => {
      const ended = await project.run(args, environment)
      expect(ended.stderr).not.toMatch(/wrong/)
      expect(ended.exitCode).toBe(exitCode)
      outputs.push(ended.stdout, ended.stderr)
    }
    const verbose = ['--verbose', '--json', '--log-format', 'json']
    await run(['run', 'job.ts', ...byEnv, ...verbose, '--set', 'fail=true'], 5)
    await run(['run', 'job.ts', '--set', 'password=file:./secret', '--json'], 0)
    await run(['explain', 'job.ts', ...byEnv], 0)
    await run(['explain', 'job.ts', ...byEnv, '--json'], 0)
    await run(['explain', 'job.ts', ...byEnv, '--config'], 0)
    await run(['inspect', 'counting', '--json'], 0)
    expectExact(project, 2_000)

    expect(outputs.join('\n')).not.toContain(CANARY)
    expect(outputs.join('\n')).toMatch(/failed with \*\*\*/)
    for (const path of everyFile(project.folder)) {
      if (path !== secret) expect(readFileSync(path, 'latin1'), path).not.toContain(CANARY)
    }
  })
})

describe.concurrent('settings', () => {
  test('flag, environment, config file, job and default, in this order', async ({ project }) => {
    project.write('job.ts', counting({ env: 'env.checkpointing({ everyMs: 1, retain: 7 })' }))
    project.write(
      'settings.json',
      JSON.stringify({
        parallelism: 3,
        checkpointing: { everyMs: 2, timeoutMs: '5m' },
        set: { records: 30, perSecond: 3 },
      }),
    )
    const environment = {
      MILLRACE_CONFIG: 'settings.json',
      MILLRACE_CHECKPOINTING_EVERY_MS: '3',
      MILLRACE_SET_perSecond: '4',
      MILLRACE_PARALLELISM: '5',
    }
    const args = ['explain', 'job.ts', '--config', '--json', '--parallelism', '6']
    const ended = await project.run([...args, '--set', 'out=./here'], environment)
    expect(ended.stderr).toBe('')
    const found = JSON.parse(ended.stdout) as { name: string; value: unknown; origin: string }[]
    const of = (name: string): unknown[] => {
      const { value, origin } = found.find((row) => row.name === name)!
      return [value, origin]
    }
    expect(of('parallelism')).toEqual([6, 'flag'])
    expect(of('checkpointing.everyMs')).toEqual([3, 'environment'])
    expect(of('checkpointing.timeoutMs')).toEqual([300_000, 'config file'])
    expect(of('checkpointing.retain')).toEqual([7, 'job'])
    expect(of('checkpointing.minPauseMs')).toEqual([0, 'default'])
    expect(of('set.records')[1]).toBe('config file')
    expect(of('set.perSecond')).toEqual(['4', 'environment'])
    expect(of('set.out')).toEqual(['./here', 'flag'])
  })

  test('a setting that is none, or not its kind, ends with 2 and is named', async ({ project }) => {
    project.write('job.ts', counting())
    project.write('broken.json', '{')
    project.write('unknown.json', '{"paralelism": 2}')
    const cases: [readonly string[], Readonly<Record<string, string>>, string, RegExp][] = [
      [['--parallelism', '0'], {}, 'USAGE', /--parallelism is "0"/],
      [['--grace', 'soon'], {}, 'USAGE', /--grace is "soon"/],
      [['--config', 'nowhere.json'], {}, 'CONFIG_INVALID', /nowhere\.json/],
      [['--config', 'broken.json'], {}, 'CONFIG_INVALID', /broken\.json is not JSON/],
      [['--config', 'unknown.json'], {}, 'CONFIG_INVALID', /Did you mean "parallelism"\?/],
      [[], { MILLRACE_PARALLELISM: 'two' }, 'CONFIG_INVALID', /MILLRACE_PARALLELISM is "two"/],
      [['--parallelism', '129'], {}, 'PARALLELISM_INVALID', /129/],
      [['--rename-uid', 'count'], {}, 'USAGE', /--rename-uid/],
    ]
    for (const [args, environment, code, text] of cases) {
      const ended = await project.run(['run', 'job.ts', ...args], environment)
      expectError(ended, 2, code)
      expect(ended.stderr).toMatch(text)
    }
    expect(project.has('.millrace')).toBe(false)
  })

  test("standard output is the job's own, and with --json one more line; logs may be JSON", async ({
    project,
  }) => {
    const printing = counting().replace(/fileSink\(\{[^)]*\}\)/, 'printSink()')
    project.write('job.ts', printing)
    const args = ['run', 'job.ts', '--json', '--log-format', 'json', '--set', 'records=100']
    const ended = await project.run(args)
    expect(ended.exitCode).toBe(0)
    const lines = ended.stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(101)
    expect(lines.slice(0, 100).every((line) => /^\{"key"/.test(line))).toBe(true)
    expect(lastLine(ended)).toMatchObject({ status: 'finished', recordsIn: 100, recordsOut: 100 })
    for (const line of ended.stderr.trimEnd().split('\n')) {
      if (line.startsWith('{')) expect(JSON.parse(line)).toHaveProperty('msg')
    }
  })

  test('a reader of the output who leaves ends the run; nothing is started again', async ({
    project,
  }) => {
    project.write('job.ts', counting().replace(/fileSink\(\{[^)]*\}\)/, 'printSink()'))
    const run = project.start(['run', 'job.ts', ...ENDLESS])
    await run.saw(/"key"/)
    run.child.stdout!.destroy()
    const ended = await run.ended
    expectError(ended, 1, 'OUTPUT_CLOSED')
    expect(ended.stderr).not.toMatch(/restart 1 in|EPIPE[\s\S]*at /)
  })
})

describe.concurrent('nonsense', () => {
  test('a script that is no job ends with 2, a code and a hint, and no stack of ours', async ({
    project,
  }) => {
    const define = (body: string): string =>
      `import { defineJob } from 'millrace'
       import { generatorSource, printSink } from 'millrace/connectors'
       ${body}`
    const source = `env.fromSource('a', generatorSource({ records: 1, generate: () => ({ k: 'x' }) }))`
    const cases: [string, string, RegExp][] = [
      ['export default {', 'JOB_BUNDLE_FAILED', /job\.ts:1:\d+/],
      ['export const job = 5', 'JOB_INVALID', /default/],
      ['export default () => 1', 'JOB_INVALID', /default/],
      ['', 'JOB_INVALID', /default/],
      [`throw new Error('not today')\nexport default 1`, 'JOB_INVALID', /not today/],
      [`import { avg } from 'millrace'\nexport default avg`, 'JOB_INVALID', /imports "avg"/],
      [`import x from './nowhere.ts'\nexport default x`, 'JOB_BUNDLE_FAILED', /nowhere/],
      [`import x from 'no-such-package'\nexport default x`, 'JOB_BUNDLE_FAILED', /no-such-package/],
      [define(`export default defineJob('x', async (env) => {})`), 'JOB_INVALID', /async/],
      [define(`export default defineJob('', (env) => {})`), 'JOB_INVALID', /name/],
      [define(`export default defineJob('../x', (env) => {})`), 'JOB_INVALID', /name/],
      [
        define(`export default defineJob('x', () => { throw new Error('no') })`),
        'JOB_INVALID',
        /no/,
      ],
      [define(`export default defineJob('x', (env) => {})`), 'GRAPH_NO_SOURCE', /./],
      [define(`export default defineJob('x', (env) => { ${source} })`), 'GRAPH_NO_SINK', /"a"/],
      [
        define(`export default defineJob('x', (env) => {
          ${source}.map((row) => row).sinkTo(Math.random() < 0 ? 's' : 'a', printSink()) })`),
        'UID_DUPLICATE',
        /"a"/,
      ],
      [
        define(`export default defineJob('x', (env) => {
          ${source}.sinkTo('s' + Math.floor(Math.random() * 1e9), printSink()) })`),
        'PLAN_NOT_DETERMINISTIC',
        /./,
      ],
    ]
    for (const [script, code, text] of cases) {
      project.write('job.ts', script)
      const ended = await project.run(['run', 'job.ts'])
      expect(ended.stderr, script).toMatch(text)
      expectError(ended, 2, code)
      expect(ended.stderr).not.toMatch(/^\s+at .*(engine|dist|operators)\//m)
    }
  }, 400_000)
})

describe.concurrent('other commands', () => {
  test('what is asked of a job that does not run says so', async ({ project }) => {
    project.write('job.ts', counting())
    expectError(await project.run(['inspect', 'counting']), 2, 'USAGE')
    expectError(await project.run(['stop', 'counting']), 2, 'USAGE')
    expect((await project.run(['run', 'job.ts'])).exitCode).toBe(0)
    for (const command of ['stop', 'savepoint']) {
      expectError(await project.run([command, 'counting']), 1, 'JOB_NOT_RUNNING')
    }
    project.write('empty/file', '')
    expectError(await project.run(['inspect', 'empty']), 3, 'CHECKPOINT_NOT_FOUND')
  })

  test('explain says what is chained, what is exchanged, and why', async ({ project }) => {
    project.write('job.ts', counting())
    const text = await project.run(['explain', 'job.ts', '--parallelism', '2'])
    expect(text.exitCode).toBe(0)
    expect(text.stdout).toMatch(/numbers/)
    expect(text.stdout).toMatch(/chained/)
    expect(text.stdout).toMatch(/not chained[^\n]*key/)
    expect(project.has('.millrace')).toBe(false)
  })

  test('init writes a job that runs, twice nothing, and what a service needs', async ({
    project,
  }) => {
    expect((await project.run(['init'])).exitCode).toBe(0)
    expect(
      project.has('job.ts') && project.has('tsconfig.json') && project.has('package.json'),
    ).toBe(true)
    const run = await project.run(['run', 'job.ts', '--json', '--set', 'views=20000'])
    expect(run.stderr).not.toMatch(/error/)
    expect(lastLine(run)).toMatchObject({
      status: 'finished',
      job: 'page-views',
      recordsIn: 20_000,
    })

    const before = readFileSync(project.path('job.ts'), 'utf8')
    expectError(await project.run(['init']), 2, 'USAGE')
    expect(readFileSync(project.path('job.ts'), 'utf8')).toBe(before)
    expect((await project.run(['init', '--service'])).exitCode).toBe(0)
    expect(readFileSync(project.path('job.service'), 'utf8')).toMatch(/ExecStart=.*run/)
    expect(project.has('Dockerfile') && project.has('.dockerignore')).toBe(true)
  })

  test('dev shows a mistake, waits, and runs what mends it', async ({ project }) => {
    project.write('job.ts', `import { nothing } from './nowhere.ts'`)
    const dev = project.start([
      'dev',
      'job.ts',
      '--set',
      'records=100000',
      '--set',
      'perSecond=100',
    ])
    await dev.saw(/error JOB_BUNDLE_FAILED[\s\S]*waiting for a change/)
    writeJob(project)
    await dev.saw(/^files> \{"key":"k\d","n":\d+\}/m)
    dev.child.kill('SIGTERM')
    expect((await dev.ended).exitCode).toBe(143)
    expect(project.has('out')).toBe(false)
    expect(project.has('.millrace')).toBe(false)
  })
})

function writeJob(project: Project): void {
  project.write('job.ts', counting())
}
