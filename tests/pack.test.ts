import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { cleanEnvironment } from './environment.ts'
import { ROOT } from './millrace.ts'

/**
 * The package as a stranger gets it: packed, installed into an empty folder, and its own first job
 * run there. The registry is asked for what `npm ci` has not left in npm's cache.
 */
const folder = mkdtempSync(join(tmpdir(), 'millrace-pack-'))
const app = join(folder, 'app')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Ended {
  readonly status: number | null
  readonly output: string
}

function run(command: string, args: readonly string[], cwd: string): Ended {
  const ended = spawnSync(command, args, { cwd, encoding: 'utf8', env: cleanEnvironment() })
  return { status: ended.status, output: ended.stdout + ended.stderr }
}

const millrace = (...args: readonly string[]): Ended =>
  run('npx', ['--no-install', 'millrace', ...args], app)

test('packed and installed, it writes a job that runs', { timeout: 300_000 }, () => {
  // What `npm test` has built is packed: the scripts would build it again.
  const packed = run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], ROOT)
  expect(packed.status, packed.output).toBe(0)
  const file = readdirSync(folder).find((name) => name.endsWith('.tgz'))!

  mkdirSync(app)
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund']
  const installed = run('npm', ['install', ...quiet, join(folder, file)], app)
  expect(installed.status, installed.output).toBe(0)

  expectOnlyWhatUsersNeed(join(app, 'node_modules/millrace'))

  const made = millrace('init')
  expect(made.status, made.output).toBe(0)
  expect(made.output).toMatch(/wrote job\.ts[\s\S]*npx millrace run job\.ts/)

  const ran = millrace(
    'run',
    'job.ts',
    '--set',
    'views=60000',
    '--set',
    'perSecond=60000',
    '--json',
  )
  expect(ran.status, ran.output).toBe(0)
  const summary = ran.output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(summary.at(-1)).toMatchObject({ status: 'finished', job: 'page-views', recordsIn: 60_000 })
  expect(views(join(app, 'out/views'))).toBe(60_000)

  // Types are checked by the project's own typescript; ours stands in for it.
  const bin = join(app, 'node_modules/typescript/bin')
  mkdirSync(bin, { recursive: true })
  const ours = JSON.stringify(join(ROOT, 'node_modules/typescript/bin/tsc'))
  writeFileSync(join(bin, 'tsc'), `require(${ours})`)
  writeFileSync(join(bin, '../package.json'), JSON.stringify({ bin: { tsc: './bin/tsc' } }))
  const checked = millrace('check', 'job.ts')
  expect(checked.status, checked.output).toBe(0)
  expect(checked.output).toMatch(/types: no errors/)

  const again = millrace('init')
  expect(again.status).toBe(2)
  expect(again.output).toMatch(/"job\.ts" exists here already/)
  expect(millrace('init', '--service').status).toBe(0)
  expect(readFileSync(join(app, 'job.service'), 'utf8')).toMatch(/RestartPreventExitStatus=2 3 5/)
  expect(readFileSync(join(app, 'Dockerfile'), 'utf8')).toMatch(/"run", "job\.ts"/)
})

/** Sum of the counts in all published files. */
function views(directory: string): number {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').trimEnd().split('\n'))
    .map((line) => (JSON.parse(line) as { readonly views: number }).views)
    .reduce((sum, count) => sum + count, 0)
}

/** No tests, no benches; what is there needs nothing but its dependencies. */
function expectOnlyWhatUsersNeed(installed: string): void {
  const names = readdirSync(installed, { recursive: true, encoding: 'utf8' })
  const top = readdirSync(installed).sort()
  expect(top.filter((name) => !/^(README|CHANGELOG)\.md$|^LICENSE$/.test(name))).toEqual(
    ['dist', 'docs', 'examples', 'package.json'].sort(),
  )
  expect(top).toContain('README.md')
  expect(names).toContain('docs/guide/getting-started.md')
  expect(names).toContain('examples/01-word-count.ts')
  expect(names.filter((name) => /\.test\.|(^|\/)(bench|tests)(\/|$)/.test(name))).toEqual([])
  // `engine/testing` is the entry point "millrace/testing"; other folders of that name are fixtures.
  const testing = names.filter((name) => /^dist\/.*\/testing(\/|\.|$)/.test(name))
  expect(testing.filter((name) => !name.startsWith('dist/engine/testing'))).toEqual([])

  const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>
  }
  const known = new Set([...Object.keys(dependencies), 'millrace'])
  const strange = names
    .filter((name) => name.startsWith('dist/') && name.endsWith('.js'))
    .flatMap((name) => {
      const text = readFileSync(join(installed, name), 'utf8')
      return [...text.matchAll(/^(?:import|export) .*?from '([^'.][^']*)'/gm)]
        .map(([, specifier]) => specifier!)
        .filter((specifier) => !specifier.startsWith('node:'))
        .filter((specifier) => !known.has(packageOf(specifier)))
        .map((specifier) => `${name}: ${specifier}`)
    })
  expect(strange).toEqual([])
}

/** `@scope/name` of `@scope/name/file`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}
