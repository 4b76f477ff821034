import { existsSync } from 'node:fs'
import { describe, expect } from 'vitest'
import { byHand, RUN, stoppedAt } from './changing.ts'
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
  until,
  type Project,
} from './process.ts'

/** A job whose engine dies, once, when there is a file "die". */
const DYING = {
  top: `import { existsSync, rmSync } from 'node:fs'`,
  map: `if (existsSync('die')) { rmSync('die'); process.exit(1) }`,
}

describe.concurrent('state that does not fit the job', () => {
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
    project.write('job.ts', counting({ keyed: byHand('tally'), ...DYING }))
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

  test('a sink that has published all gets another uid, by the flag or without one', async ({
    project,
  }) => {
    await stoppedAt(project)
    const renamed = counting().replace(`.sinkTo('files'`, `.sinkTo('lake'`)
    project.write('job.ts', renamed)
    const run = await startChecked(project, [...RUN, ...ENDLESS, '--rename-uid', 'files=lake'])
    run.child.kill('SIGTERM')
    expect((await run.ended).exitCode).toBe(143)
    project.write('job.ts', counting())
    const ended = await project.run([...RUN, ...REST])
    expect(ended.stderr).not.toMatch(/error/)
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

  test('a state that is renamed is refused; --rename-state finds it, through a crash too', async ({
    project,
  }) => {
    await stoppedAt(project, counting({ keyed: byHand('acc', undefined, 'acc') }))
    const renamed = byHand('acc', undefined, 'accu')
    project.write('job.ts', counting({ keyed: renamed }))
    await refused(
      project,
      'STATE_NOT_DECLARED',
      /holds state "acc" of "acc", valueState\(int32\(\)\), which .* declares "accu"[\s\S]*--rename-state acc:acc=accu/,
    )
    const args = [...RUN, '--rename-state', 'acc:acc=accu']
    project.write('job.ts', counting({ keyed: renamed, ...DYING }))
    const run = await startChecked(project, [...args, ...ENDLESS])
    project.write('die', '')
    await run.saw(/starts again|restart/i)
    await until('the restarted job has forgotten its death', () => !existsSync(project.path('die')))
    run.child.kill('SIGKILL')
    const ended = await project.run([...args, ...REST])
    expect(ended.stderr).not.toMatch(/error/)
    expectExact(project, RECORDS)
  })

  test('a renamed job goes on by --job-was, after what one tries first and through kill -9', async ({
    project,
  }) => {
    await stoppedAt(project)
    project.write('job.ts', counting({ name: 'tallies' }))
    // Without the flag it would begin anew; its target knows it as another job's.
    expectError(await project.run([...RUN, ...REST]), 3, 'SINK_FOREIGN')
    const slip = await project.run([...RUN, ...REST, '--job-was', 'countin'])
    expectError(slip, 3, 'CHECKPOINT_NOT_FOUND')
    expect(slip.stderr).toContain('Did you mean --job-was counting?')
    const args = [...RUN, '--job-was', 'counting']
    const run = await startChecked(project, [...args, ...ENDLESS], {}, '.millrace/tallies')
    run.child.kill('SIGKILL')
    const ended = await project.run([...args, ...REST])
    expect(ended.stderr).not.toMatch(/error/)
    expect(ended.exitCode).toBe(0)
    expectExact(project, RECORDS)
    expect(existsSync(project.path('.millrace/counting'))).toBe(false)
  })

  test('a flag about a step or state that is not there is told with the name that was meant', async ({
    project,
  }) => {
    await stoppedAt(project, counting({ keyed: byHand('tally') }))
    for (const [flags, near] of [
      [['--drop-state', 'taly'], 'tally'],
      [['--rename-uid', 'taly=sums'], 'tally'],
      [['--keep-state', 'tallly'], 'tally'],
      [['--rename-state', 'tally:m=k'], 'n'],
    ] as const) {
      const ended = await project.run([...RUN, ...REST, ...flags])
      expectError(ended, 2, 'USAGE')
      expect(ended.stderr).toContain(`Did you mean "${near}"?`)
    }
    expect((await project.run([...RUN, ...REST])).exitCode).toBe(0)
    expectExact(project, RECORDS)
  })

  test('another key is refused, and the key as it was goes on', async ({ project }) => {
    await stoppedAt(project)
    const other = counting().replace(`.keyBy('key')`, '.keyBy((record) => record.index % 10)')
    project.write('job.ts', other)
    await refused(
      project,
      'STATE_KEY_CHANGED',
      /"count" was keyed by "key" .*now by a function[\s\S]*--drop-state count/,
    )
    project.write('job.ts', counting())
    expect((await project.run([...RUN, ...REST])).exitCode).toBe(0)
    expectExact(project, RECORDS)
  })
})
