/** `millrace chaos` on a user's own job: a search, what it leaves of a failure, and its mistakes. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { ROOT } from '../millrace.ts'
import { counting, test } from './process.ts'

const broken = readFileSync(join(ROOT, 'examples/10-broken-on-purpose.ts'), 'utf8')
const small = ['--set', 'records=200']

describe('a search', () => {
  test('finds nothing in a job that is right, in simulation and for real', async ({ project }) => {
    project.write('job.ts', counting())
    const args = ['chaos', 'run', 'job.ts', ...small]
    const simulated = await project.run([...args, '--schedules', '10', '--strict'])
    expect(simulated.stdout).toMatch(/^schedules +10 in /)
    expect(simulated.stderr).toContain('calls the functions of your job for real')
    expect(simulated.stdout).toMatch(/^violations +none\nstrict +\d+ rare states were not reached/m)
    expect(simulated.exitCode, simulated.stdout + simulated.stderr).toBe(1)
    const real = await project.run([...args, '--mode', 'process', '--schedules', '1'])
    expect(real.exitCode, real.stdout + real.stderr).toBe(0)
    expect(real.stdout).toMatch(/^mode +process\nschedules +1 of 1 in /)
    expect(real.stdout).toMatch(/^faults +\d+ struck, \d+ of them when a checkpoint was complete/m)
    // Nothing of the job's own folders was touched.
    expect(project.has('out')).toBe(false)
  })

  test('leaves a bundle that replays step for step, and shrinks', async ({ project }) => {
    project.write('broken.ts', broken)
    const found = await project.run(['chaos', 'run', 'broken.ts', '--no-shrink', '--out', 'kept'])
    expect(found.exitCode, found.stderr).toBe(1)
    // A bundle for each, also where one seed has several: those that are led to rare states.
    const bundles = [...found.stdout.matchAll(/millrace chaos replay (\S+)/g)].map(
      ([, one]) => one!,
    )
    expect(new Set(bundles).size).toBe(3)
    // Its name says which schedule of the search it was.
    const [, words] = /^failure 1 of 3: (.+), parallelism/m.exec(found.stdout)!
    expect(bundles[0]).toBe(`kept/broken-on-purpose-${words!.replace(/ (?:to )?/, '-')}`)
    const bundle = bundles[0]!
    for (const name of ['bundle.json', 'trace.jsonl', 'picture.svg', 'reproduction.ts']) {
      expect(project.has(join(bundle, name)), name).toBe(true)
    }
    const replayed = await project.run(['chaos', 'replay', bundle, '--picture', 'again.svg'])
    expect(replayed.exitCode, replayed.stderr).toBe(1)
    expect(replayed.stdout).toContain('step for step the run of the bundle')
    expect(project.has('again.svg')).toBe(true)
    const shrunk = await project.run(['chaos', 'shrink', bundle, '--out', 'shrunk'])
    expect(shrunk.exitCode, shrunk.stderr).toBe(1)
    expect(shrunk.stdout).toMatch(/shrunk in \d+ tries to: [^;]+, at parallelism 1/)
  })

  test('by every single fault that its budget ends is not called clean', async ({ project }) => {
    project.write('job.ts', counting())
    const args = ['chaos', 'exhaust', 'job.ts', ...small, '--faults', 'crash', '--budget', '3s']
    const ended = await project.run(args)
    expect(ended.exitCode, ended.stdout + ended.stderr).toBe(124)
    expect(ended.stdout).toMatch(/^schedules +\d+ of \d+ in /)
    expect(ended.stdout).toMatch(/^ended +by its budget: \d+ schedules were not tried$/m)
    expect(ended.stdout).toMatch(/^violations +no(?:ne in what|thing) was tried$/m)
  })
})

describe('a mistake is told as one', () => {
  const mistakes: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['a kind of fault', ['run', 'job.ts', '--faults', 'crsh'], /USAGE.*"crsh"[\s\S]*"crash"/],
    ['a mode', ['run', 'job.ts', '--mode', 'fast'], /USAGE: there is no mode "fast"/],
    ['a number', ['run', 'job.ts', '--schedules', 'many'], /USAGE: --schedules many/],
    ['a budget', ['run', 'job.ts', '--budget', 'soon'], /USAGE: --budget soon/],
    ['a depth', ['exhaust', 'job.ts', '--depth', '3'], /USAGE: --depth 3/],
    ['a seed without a job', ['replay', '7'], /USAGE: seed 7 needs a job/],
    ['a bundle', ['replay', 'nothing'], /USAGE: there is no bundle "nothing"/],
    ['no job', ['run'], /USAGE: missing required argument 'job'\n.*"millrace chaos run --help"/],
    ['a flag', ['run', 'job.ts', '--seeds', '1'], /USAGE: unknown option '--seeds'\n.*--seed\?/],
    ['a command', ['nonsense'], /USAGE: unknown command 'nonsense'\n.*"millrace chaos --help"/],
    ['one word too many', ['doctor', 'extra'], /USAGE: too many arguments for 'doctor'/],
    ['a place', ['run', 'job.ts', '--picture', 'none/x.svg'], /USAGE: nothing can be written to/],
    ['a file for a folder', ['fsck', 'job.ts'], /USAGE: "job.ts" is a file/],
    ['a point', ['explain', 'disk.manifest.lnk'], /USAGE.*[\s\S]*"disk.manifest.link"/],
  ]
  for (const [what, args, message] of mistakes) {
    test(what, async ({ project }) => {
      project.write('job.ts', counting())
      const ended = await project.run(['chaos', ...args])
      expect(ended.exitCode).toBe(2)
      expect(ended.stderr).toMatch(message)
      expect(ended.stderr).not.toMatch(/^\s+at /m)
    })
  }

  test('a job that fails by itself', async ({ project }) => {
    project.write('job.ts', counting({ map: `if (record.index === 50) throw new Error('fifty')` }))
    const ended = await project.run(['chaos', 'run', 'job.ts', ...small])
    expect(ended.exitCode, ended.stdout).toBe(2)
    expect(ended.stderr).toMatch(/CHAOS_UNFIT: "counting" fails without a fault/)
    expect(ended.stderr).toMatch(/at +job\.ts:\d+:\d+\n +cause fifty/)
  })

  test('a job that cannot be judged', async ({ project }) => {
    project.write('job.ts', counting().replace(/fileSink\(\{[^}]*\}\)/, 'printSink()'))
    const ended = await project.run(['chaos', 'run', 'job.ts', ...small])
    expect(ended.exitCode, ended.stdout).toBe(2)
    expect(ended.stderr).toMatch(/CHAOS_UNFIT: no sink of "counting" commits/)
  })

  test('a job whose answer is chance', async ({ project }) => {
    const job = counting({ map: 'record = { ...record, key: String(Math.random()) }' })
    project.write('job.ts', job)
    const ended = await project.run(['chaos', 'run', 'job.ts', ...small])
    expect(ended.exitCode, ended.stdout).toBe(2)
    expect(ended.stderr).toMatch(
      /CHAOS_NOT_DETERMINISTIC: .*, which were run in the same way, differ at sink/,
    )
  })
})
