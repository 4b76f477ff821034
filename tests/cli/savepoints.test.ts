import { renameSync, rmSync } from 'node:fs'
import { describe, expect } from 'vitest'
import {
  checkpoints,
  counting,
  ENDLESS,
  expectError,
  expectExact,
  lastLine,
  RECORDS,
  REST,
  rows,
  startChecked,
  test,
  type Project,
} from './process.ts'

const RUN = ['run', 'job.ts', '--json', '--parallelism', '2']

/** Runs the job for a while and stops it with a savepoint in `./saved`; gives what it had read. */
async function stoppedAt(project: Project, script = counting()): Promise<number> {
  project.write('job.ts', script)
  const run = await startChecked(project, [...RUN, ...ENDLESS])
  const stop = await project.run(['stop', 'counting', '--savepoint', './saved', '--json'])
  expect(stop.stderr).toBe('')
  expect(stop.exitCode).toBe(0)
  expect(lastLine(stop)).toEqual({ savepoint: project.path('saved') })
  const ended = await run.ended
  expect(ended.exitCode).toBe(0)
  const line = lastLine(ended)
  expect(line).toMatchObject({ status: 'stopped', savepoint: project.path('saved') })
  expect(rows(project.path('out'))).toHaveLength(line['recordsIn'] as number)
  return line['recordsIn'] as number
}

describe.concurrent('savepoints', () => {
  test('one of a running job starts another one elsewhere, at another parallelism, as a fork', async ({
    project,
  }) => {
    project.write('job.ts', counting())
    const run = await startChecked(project, [...RUN, ...ENDLESS])
    const taken = await project.run(['savepoint', 'counting', '--to', './saved', '--json'])
    expect(taken.stderr).toBe('')
    expect(lastLine(taken)).toEqual({ savepoint: project.path('saved') })
    const twice = await project.run(['savepoint', 'counting', '--to', './saved'])
    expectError(twice, 2, 'OPTION_INVALID')
    expect(twice.stderr).toContain(`"${project.path('saved')}" is not empty`)
    // It stands alone: its job may go on, and it may be moved.
    renameSync(project.path('saved'), project.path('moved'))
    expect(await project.run(['stop', 'counting'])).toMatchObject({ exitCode: 0 })
    expect((await run.ended).exitCode).toBe(0)
    rmSync(project.path('.millrace'), { recursive: true })

    const inspected = await project.run(['inspect', './moved'])
    expect(inspected).toMatchObject({ exitCode: 0, stderr: '' })
    const args = ['run', 'job.ts', '--json', '--from', './moved', '--work-dir', './w2', '--fork']
    const fork = await project.run([...args, '--parallelism', '3', ...REST, '--set', 'out=./out2'])
    expect(fork.stderr).not.toMatch(/error/)
    expect(lastLine(fork)).toMatchObject({ status: 'finished', recordsIn: RECORDS })
    // The first rows are in the first output; together they are all, with what both have done.
    const first = rows(project.path('out'))
    const second = rows(project.path('out2'))
    const all = new Set([...first, ...second].map(({ key, n }) => `${key} ${n}`))
    expect(all.size).toBe(RECORDS)
    expect(first.length + second.length).toBeGreaterThanOrEqual(RECORDS)
  })

  test('a stop with savepoint goes on from it in a new work folder, with the same output', async ({
    project,
  }) => {
    await stoppedAt(project)
    const args = ['run', 'job.ts', '--json', '--from', './saved', '--work-dir', './w2']
    const next = [...args, '--parallelism', '3']
    const run = await startChecked(project, [...next, ...ENDLESS], {}, 'w2')
    run.child.kill('SIGKILL')
    // A supervisor repeats the whole command: the folder has gone on since.
    const ended = await project.run([...next, ...REST])
    expect(ended.stderr).not.toMatch(/error/)
    expect(lastLine(ended)).toMatchObject({ status: 'finished', recordsIn: RECORDS })
    expectExact(project, RECORDS)

    // The first folder's job is behind its target now.
    expectError(await project.run([...RUN, ...REST]), 3, 'SINK_AHEAD')
  })

  test('a drained stop fires all and is final: its savepoint is refused, its folder is finished', async ({
    project,
  }) => {
    project.write('job.ts', counting())
    const run = await startChecked(project, [...RUN, ...ENDLESS])
    const stop = await project.run(['stop', 'counting', '--drain', '--savepoint', './saved'])
    expect(stop.stderr).toBe('')
    expect(stop.stdout).toMatch(/^drained and stopped: savepoint .*saved/)
    const ended = await run.ended
    expect(ended.exitCode).toBe(0)
    expect(rows(project.path('out'))).toHaveLength(lastLine(ended)['recordsIn'] as number)

    const from = await project.run([...RUN, '--from', './saved', '--work-dir', './w2'])
    expectError(from, 3, 'SAVEPOINT_DRAINED')
    const again = await project.run([...RUN, ...REST])
    expect(again.exitCode).toBe(0)
    expect(lastLine(again)).toMatchObject({ status: 'already-finished' })
  })

  test('stop --savepoint without a folder chooses one and says which', async ({ project }) => {
    project.write('job.ts', counting())
    const run = await startChecked(project, [...RUN, ...ENDLESS])
    const stop = await project.run(['stop', '.millrace/counting', '--savepoint', '--json'])
    expect(stop.exitCode).toBe(0)
    const folder = lastLine(stop)['savepoint'] as string
    expect((await project.run(['inspect', folder])).exitCode).toBe(0)
    expect(lastLine(await run.ended)).toMatchObject({ savepoint: folder })
  })

  test('--fresh sets the folder aside, and the output of the run before is refused', async ({
    project,
  }) => {
    await stoppedAt(project)
    const fresh = await project.run([...RUN, '--fresh'])
    expectError(fresh, 3, 'SINK_FOREIGN')
    const elsewhere = await project.run([...RUN, '--fresh', '--set', 'out=./out2'])
    expect(elsewhere.exitCode).toBe(0)
    expect(lastLine(elsewhere)).toMatchObject({ status: 'finished', recordsIn: 2_000 })
    expectExact(project, 2_000, 'out2')
    const both = await project.run([...RUN, '--fresh', '--from', './saved'])
    expectError(both, 2, 'USAGE')
  })

  test('what is no savepoint is refused', async ({ project }) => {
    project.write('job.ts', counting())
    const refused = await project.run([...RUN, '--from', './nowhere'])
    expectError(refused, 3, 'CHECKPOINT_NOT_FOUND')
    expect(refused.stderr).toContain(project.path('nowhere'))
  })
})

describe.concurrent('state that does not fit the job', () => {
  /** Counts by hand, with one state of the given declaration. */
  const byHand = (uid: string, state = 'valueState(int32(), { default: 0 })'): string => `
    .process('${uid}', {
      emits: Count,
      state: { n: ${state} },
      onRecord(record, { key, state, emit }) {
        const n = Number(state.n.value() ?? 0) + 1
        state.n.update(${state.includes('utf8') ? 'String(n)' : 'n'})
        emit({ key, n })
      },
    })`
  const refused = async (project: Project, code: string, text: RegExp): Promise<void> => {
    const before = checkpoints(project)
    const ended = await project.run([...RUN, ...REST])
    expectError(ended, 3, code)
    expect(ended.stderr).toMatch(text)
    expect(ended.stderr).not.toMatch(/ runs in /)
    expect(checkpoints(project)).toEqual(before)
  }

  test('another type of a state is refused, naming step and state; --drop-state begins it anew', async ({
    project,
  }) => {
    const read = await stoppedAt(project, counting({ keyed: byHand('tally') }))
    project.write('job.ts', counting({ keyed: byHand('tally', 'valueState(utf8())') }))
    await refused(project, 'STATE_SCHEMA_CHANGED', /"tally"\.n was int32[\s\S]*--drop-state tally/)

    const dropped = await project.run([...RUN, ...REST, '--drop-state', 'tally'])
    expect(dropped.exitCode).toBe(0)
    const found = rows(project.path('out'))
    expect(found).toHaveLength(RECORDS)
    // Ten keys begin at 1 once more.
    expect(found.filter(({ n }) => n === 1)).toHaveLength(20)
    expect(read).toBeGreaterThan(0)
  })

  test('what --drop-state has dropped once is not dropped again by a restart', async ({
    project,
  }) => {
    await stoppedAt(project, counting({ keyed: byHand('tally') }))
    const args = [...RUN, ...REST, '--drop-state', 'tally']
    project.write(
      'job.ts',
      counting({
        keyed: byHand('tally'),
        top: `import { existsSync, rmSync } from 'node:fs'`,
        map: `if (existsSync('die')) { rmSync('die'); process.exit(1) }`,
      }),
    )
    const run = await startChecked(project, [...args, '--set', 'perSecond=10000'])
    project.write('die', '')
    const ended = await run.ended
    expect(ended.exitCode).toBe(0)
    expect(lastLine(ended)).toMatchObject({ status: 'finished', restarts: 1 })
    const found = rows(project.path('out'))
    expect(found).toHaveLength(RECORDS)
    expect(found.filter(({ n }) => n === 1)).toHaveLength(20)
  })

  test('a uid that is gone is refused; --rename-uid finds it, and may be repeated', async ({
    project,
  }) => {
    await stoppedAt(project, counting({ keyed: byHand('tally') }))
    project.write('job.ts', counting({ keyed: byHand('sums') }))
    await refused(
      project,
      'STATE_UID_MISSING',
      /state for operator "tally"[\s\S]*--rename-uid tally=NEW/,
    )
    const args = [...RUN, '--rename-uid', 'tally=sums']
    const run = await startChecked(project, [...args, ...ENDLESS])
    run.child.kill('SIGKILL')
    const ended = await project.run([...args, ...REST])
    expect(ended.stderr).not.toMatch(/error/)
    expect(ended.exitCode).toBe(0)
    expectExact(project, RECORDS)
  })

  test('another maxParallelism is refused', async ({ project }) => {
    await stoppedAt(project)
    project.write('job.ts', counting({ env: 'env.maxParallelism(64)' }))
    await refused(project, 'STATE_MAX_PARALLELISM', /"count" had maxParallelism 128 .* now 64/)
  })

  test('a source that is gone with unread input is refused', async ({ project }) => {
    await stoppedAt(project)
    project.write('job.ts', counting().replace(`'numbers'`, `'others'`))
    await refused(project, 'STATE_UID_MISSING', /unread input of source "numbers"/)
  })

  test('a new step beside the old ones, and a changed parameter, fit', async ({ project }) => {
    await stoppedAt(project)
    const script = counting({ top: `const { field } = millrace` })
    const more = script.replace(`.sinkTo('files'`, `.where(field('n').gt(0)).sinkTo('files'`)
    project.write('job.ts', more)
    const ended = await project.run([...RUN, ...REST])
    expect(ended.exitCode).toBe(0)
    expectExact(project, RECORDS)
  })
})
