import { describe, expect } from 'vitest'
import {
  counting,
  ENDLESS,
  enginePid,
  expectError,
  expectExact,
  isAlive,
  lastLine,
  RECORDS,
  REST,
  startChecked,
  test,
  until,
} from './process.ts'

const RUN = ['run', 'job.ts', ...ENDLESS]

describe.concurrent('one instance a work folder', () => {
  test('a second one is refused, also while the first is only stopped; --take-over kills it', async ({
    project,
  }) => {
    project.write('job.ts', counting())
    const first = await startChecked(project, RUN)
    const engine = enginePid(project)
    const refused = await project.run(RUN)
    expectError(refused, 4, 'WORK_DIR_BUSY')
    expect(refused.stderr).toContain(`is in use by process ${engine}`)
    expect(refused.stderr).toMatch(/--take-over/)

    process.kill(engine, 'SIGSTOP')
    first.child.kill('SIGSTOP')
    try {
      expectError(await project.run(RUN), 4, 'WORK_DIR_BUSY')
      const second = await project.run(['run', 'job.ts', '--take-over', '--json', ...REST])
      expect(second.exitCode).toBe(0)
      expect(lastLine(second)).toMatchObject({ status: 'finished', recordsIn: RECORDS })
    } finally {
      first.child.kill('SIGCONT')
      if (isAlive(engine)) process.kill(engine, 'SIGKILL')
    }
    await first.ended
    expect(first.child.signalCode).toBe('SIGKILL')
    expect(isAlive(engine)).toBe(false)
    expectExact(project, RECORDS)
  })

  test('of two starts at once one runs, twenty times, each killed and started again at once', async ({
    project,
  }) => {
    project.write('job.ts', counting())
    for (let race = 0; race < 20; race += 1) {
      const both = [project.start(RUN), project.start(RUN)]
      const loser = await Promise.race(
        both.map((started) => started.ended.then((ended) => ({ started, ended }))),
      )
      expectError(loser.ended, 4, 'WORK_DIR_BUSY')
      const winner = both.find((started) => started !== loser.started)!
      await winner.saw(/ runs in /)
      expect(winner.child.exitCode).toBe(null)
      winner.child.kill('SIGKILL')
    }
    const last = await project.run(['run', 'job.ts', ...REST])
    expect(last.exitCode).toBe(0)
    expectExact(project, RECORDS)
  }, 400_000)

  test('the engine ends when its parent is killed, and the same command at once goes on', async ({
    project,
  }) => {
    project.write('job.ts', counting())
    const first = await startChecked(project, RUN)
    const engine = enginePid(project)
    first.child.kill('SIGKILL')
    const second = await project.run(['run', 'job.ts', '--json', ...REST])
    expect(second.stderr).not.toMatch(/WORK_DIR_BUSY/)
    expect(second.exitCode).toBe(0)
    expect(isAlive(engine)).toBe(false)
    expect(lastLine(second)).toMatchObject({ status: 'finished', recordsIn: RECORDS })
    expectExact(project, RECORDS)
  })

  test('the engine ends with its parent when nobody starts again', async ({ project }) => {
    project.write('job.ts', counting())
    const first = await startChecked(project, RUN)
    const engine = enginePid(project)
    first.child.kill('SIGKILL')
    await until('the engine is gone', () => !isAlive(engine))
  })

  test('a killed engine is started again by its parent, and the output is exact', async ({
    project,
  }) => {
    project.write('job.ts', counting())
    const args = ['run', 'job.ts', '--json', '--set', 'records=4000', '--set', 'perSecond=1000']
    const run = await startChecked(project, args)
    const engine = enginePid(project)
    process.kill(engine, 'SIGKILL')
    const ended = await run.ended
    expect(ended.exitCode).toBe(0)
    expect(ended.stderr).toMatch(/the engine process ended by SIGKILL[\s\S]*restart 1 in/)
    expect(lastLine(ended)).toMatchObject({ status: 'finished', restarts: 1, recordsIn: 4_000 })
    expectExact(project, 4_000)
  })

  test('a work folder of another job is refused', async ({ project }) => {
    project.write('job.ts', counting())
    project.write('other.ts', counting({ name: 'other' }))
    expect((await project.run(['run', 'job.ts', '--work-dir', './w'])).exitCode).toBe(0)
    const refused = await project.run(['run', 'other.ts', '--work-dir', './w', '--set', 'out=./o2'])
    expectError(refused, 3, 'WORK_DIR_FOREIGN')
    expect(refused.stderr).toMatch(/belongs to job "counting", this is job "other"/)
  })

  test('the output of another run is refused', async ({ project }) => {
    project.write('job.ts', counting())
    expect((await project.run(['run', 'job.ts'])).exitCode).toBe(0)
    const refused = await project.run(['run', 'job.ts', '--work-dir', './other'])
    expectError(refused, 3, 'SINK_FOREIGN')
    expect(refused.stderr).toMatch(/"files"/)
    expectExact(project, 2_000)
  })
})
