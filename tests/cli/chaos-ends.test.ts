/** `millrace chaos` is ended: by its budget, by a signal, by a job that does not return. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect } from 'vitest'
import { counting, test, until, type Project } from './process.ts'

const small = ['--set', 'records=200']
/** Minutes for a real run. */
const slow = ['--set', 'records=50000', '--set', 'perSecond=400']

/** So that what is left there is seen. */
function ownTmp(project: Project): Readonly<Record<string, string>> {
  mkdirSync(project.path('tmp'))
  return { TMPDIR: project.path('tmp') }
}

const sandboxes = (project: Project): readonly string[] =>
  readdirSync(project.path('tmp')).filter((name) => name.startsWith('millrace-chaos-'))

describe('in simulation', () => {
  test('a loop without an end in the code of the job', async ({ project }) => {
    project.write('job.ts', counting({ map: 'while (record.index === 50);' }))
    const ended = await project.run(['chaos', 'run', 'job.ts', ...small, '--budget', '2s'])
    expect(ended.exitCode, ended.stdout).toBe(2)
    expect(ended.stderr).toMatch(/CHAOS_UNFIT: the job did not come to its end .* does not return/)
  })

  test('the same, after a restore only: what was broken, by which schedule', async ({
    project,
  }) => {
    const top = 'const known = new Set<string>()'
    const keyed = `.process('once', {
      emits: Count,
      state: { seen: valueState(int32()) },
      onRecord({ key }, { state, emit }) {
        while (state.seen.value() !== undefined && !known.has(key + runs));
        known.add(key + runs)
        state.seen.update(1)
        emit({ key, n: 1 })
      },
    })`
    const env = 'const runs = builds++'
    project.write('job.ts', counting({ top: `let builds = 0\n${top}`, env, keyed }))
    const ended = await project.run(['chaos', 'run', 'job.ts', ...small, '--budget', '5s'])
    expect(ended.exitCode, ended.stdout + ended.stderr).toBe(1)
    expect(ended.stdout).toMatch(/^violations +none so far\n\nthen came (?:led to|seed) .+: .+/m)
    expect(ended.stdout).toMatch(/^ {2}I11 .* its code does not return/m)
  })

  test('SIGINT in the middle: what was found until then is told', async ({ project }) => {
    const top = `import { appendFileSync } from 'node:fs'`
    project.write('job.ts', counting({ top, map: `appendFileSync('seen', '.')` }))
    const started = project.start(['chaos', 'run', 'job.ts', ...small, '--schedules', '500'])
    // Without a fault it is run up to six times.
    const seen = (): number => (project.has('seen') ? readFileSync(project.path('seen')).length : 0)
    await until('runs with faults', () => seen() > 2_000 || started.child.exitCode !== null)
    started.child.kill('SIGINT')
    const ended = await started.ended
    expect(ended.exitCode, ended.stdout + ended.stderr).toBe(130)
    expect(ended.stdout).toMatch(/^schedules +\d+ of 517 in /)
    expect(ended.stdout).toMatch(/^ended +by a signal: \d+ schedules were not tried$/m)
  })
})

describe('with real threads', () => {
  test('a run without a fault that takes longer than the budget', async ({ project }) => {
    const env = ownTmp(project)
    project.write('job.ts', counting())
    const args = ['chaos', 'run', 'job.ts', ...slow, '--mode', 'threads', '--budget', '2s']
    const ended = await project.run(args, env)
    expect(ended.exitCode, ended.stdout).toBe(2)
    expect(ended.stderr).toMatch(/CHAOS_UNFIT: "counting" did not come to its end in time/)
    expect(sandboxes(project)).toEqual([])
  })

  test('SIGTERM: no folder and no process is left', async ({ project }) => {
    const env = ownTmp(project)
    project.write('job.ts', counting())
    const args = ['chaos', 'run', 'job.ts', ...slow, '--mode', 'threads']
    const started = project.start(args, env)
    const begun = (): boolean =>
      sandboxes(project).some((name) => readdirSync(project.path('tmp', name)).includes('work'))
    await until('a run', () => begun() || started.child.exitCode !== null)
    started.child.kill('SIGTERM')
    const ended = await started.ended
    expect(ended.exitCode, ended.stdout + ended.stderr).toBe(143)
    expect(sandboxes(project)).toEqual([])
  })
})
