import { renameSync, rmSync } from 'node:fs'
import { describe, expect } from 'vitest'
import { RUN, stoppedAt } from './changing.ts'
import {
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
} from './process.ts'

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
