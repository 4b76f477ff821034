import { rmSync } from 'node:fs'
import { describe, expect } from 'vitest'
import { formatCheckpointId } from '../../engine/checkpoint/layout.ts'
import {
  checkpoints,
  counting,
  ENDLESS,
  enginePid,
  expectExact,
  isAlive,
  lastLine,
  type Project,
  RECORDS,
  REST,
  rows,
  type Started,
  startChecked,
  test,
  until,
} from './process.ts'

/** Ten-record windows of each key: one whose count is not ten was cut, or counted twice. */
const WINDOWS = counting({
  name: 'windows',
  top: `const { field, monotonous, seconds, timestamp, tumbling } = millrace`,
  map: `return { ...record, at: record.index * 10 }`,
}).replace(
  /\.keyBy\('key'\)[\s\S]*$/,
  `.assignTimestampsAndWatermarks('at', monotonous())
    .keyBy('key').window(tumbling(seconds(1))).aggregate('totals', { n: count() })
    .select({ key: field('key'), n: field('n'), start: field('windowStart') })
    .sinkTo('files', fileSink({
      directory: out, schema: struct({ key: utf8(), n: int32(), start: timestamp() }),
    }))
})`,
)

describe.concurrent('stopping', () => {
  for (const [signal, exitCode] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    test(`${signal} ends with ${exitCode} after a last checkpoint, and the same command goes on exactly`, async ({
      project,
    }) => {
      project.write('job.ts', counting())
      const first = await startChecked(project, ['run', 'job.ts', '--json', ...ENDLESS])
      first.child.kill(signal)
      const stopped = await first.ended
      expect(stopped.exitCode).toBe(exitCode)
      const line = lastLine(stopped)
      expect(line).toMatchObject({ status: 'stopped', job: 'counting', restarts: 0 })
      expect(line['lastCheckpoint']).toBe(formatCheckpointId(checkpoints(project).at(-1)!))
      // The last checkpoint holds all that was read, and all of it is committed.
      expect(rows(project.path('out'))).toHaveLength(line['recordsIn'] as number)

      const again = await project.run(['run', 'job.ts', '--json', ...REST])
      expect(again.exitCode).toBe(0)
      expect(again.stderr).toMatch(/, from checkpoint 1\.\d+/)
      expect(lastLine(again)).toMatchObject({ status: 'finished', recordsIn: RECORDS })
      expectExact(project, RECORDS)
    })
  }

  test('a window open at SIGTERM stays open in state, and is whole later', async ({ project }) => {
    project.write('job.ts', WINDOWS)
    const folder = '.millrace/windows'
    const args = ['run', 'job.ts', '--parallelism', '2']
    const first = await startChecked(project, [...args, ...ENDLESS], {}, folder)
    await until('a window has fired', () => rows(project.path('out')).length > 0)
    first.child.kill('SIGTERM')
    expect((await first.ended).exitCode).toBe(143)
    const before = rows(project.path('out'))
    expect(before.every(({ n }) => n === 10)).toBe(true)

    expect((await project.run([...args, ...REST])).exitCode).toBe(0)
    const after = rows(project.path('out'))
    expect(after.every(({ n }) => n === 10)).toBe(true)
    expect(new Set(after.map(({ key, start }) => `${key} ${start}`)).size).toBe(RECORDS / 10)
    expect(after).toHaveLength(RECORDS / 10)
  })

  test('a second signal stops at once, and what was complete is gone on from', async ({
    project,
  }) => {
    const first = await startStuck(project, ['run', 'job.ts', ...ENDLESS])
    const engine = enginePid(project)
    first.child.kill('SIGINT')
    await first.saw(/SIGINT: stopping after a last checkpoint/)
    // Two at once are one.
    await new Promise((done) => setTimeout(done, 300))
    first.child.kill('SIGINT')
    const ended = await first.ended
    expect(ended.exitCode).toBe(130)
    expect(ended.stderr).toMatch(/stopped at once/)
    expect(isAlive(engine)).toBe(false)

    rmSync(project.path('stuck'))
    expect((await project.run(['run', 'job.ts', ...REST])).exitCode).toBe(0)
    expectExact(project, RECORDS)
  })

  test('a stop that takes longer than --grace is ended', async ({ project }) => {
    const args = ['run', 'job.ts', '--json', '--grace', '300ms', ...ENDLESS]
    const first = await startStuck(project, args)
    const engine = enginePid(project)
    first.child.kill('SIGTERM')
    const ended = await first.ended
    expect(ended.exitCode).toBe(143)
    expect(lastLine(ended)).toMatchObject({ status: 'killed' })
    expect(isAlive(engine)).toBe(false)
  })

  for (const [where, options] of [
    ['a map', { map: `if (record.index === 500) { console.log('stuck'); for (;;); }` }],
    [
      'onTimer',
      {
        keyed: `.process('count', {
          emits: Count,
          state: {},
          onRecord(_, { timers }) { timers.registerProcessingTimeTimer(timers.processingTimeMs) },
          onTimer() { console.log('stuck'); for (;;); },
        })`,
      },
    ],
  ] as const) {
    test(`an endless loop in ${where} is ended after --grace`, async ({ project }) => {
      project.write('job.ts', counting(options))
      const run = project.start(['run', 'job.ts', '--json', '--grace', '300ms'])
      await run.saw(/^stuck$/m)
      const engine = enginePid(project)
      run.child.kill('SIGTERM')
      const ended = await run.ended
      expect(ended.exitCode).toBe(143)
      expect(lastLine(ended)).toMatchObject({ status: 'killed' })
      expect(isAlive(engine)).toBe(false)
    })
  }

  test('a finished job says so, ends with 0 and writes nothing', async ({ project }) => {
    project.write('job.ts', counting())
    const args = ['run', 'job.ts', '--json']
    const line = lastLine(await project.run(args))
    expect(line).toMatchObject({
      status: 'finished',
      job: 'counting',
      workDir: project.path('.millrace/counting'),
      recordsIn: 2_000,
      recordsOut: 2_000,
      restarts: 0,
      checkpoints: expect.any(Number) as number,
      lastCheckpoint: expect.stringMatching(/^1\.\d+$/) as string,
      durationMs: expect.any(Number) as number,
    })
    const again = await project.run(args)
    expect(again.exitCode).toBe(0)
    expect(again.stderr).toMatch(/counting has finished before; --fresh starts it anew/)
    expect(lastLine(again)).toMatchObject({ status: 'already-finished', recordsIn: 2_000 })
    expectExact(project, 2_000)
  })
})

/** A job, checkpointed, one of whose steps does not come back: it can take no last checkpoint. */
async function startStuck(project: Project, args: readonly string[]): Promise<Started> {
  project.write(
    'job.ts',
    counting({
      top: `import { existsSync, writeFileSync } from 'node:fs'`,
      map: `
        if (existsSync('stuck')) writeFileSync('is-stuck', '')
        while (existsSync('stuck')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
      `,
    }),
  )
  const started = await startChecked(project, args)
  project.write('stuck', '')
  await until('the step is stuck', () => project.has('is-stuck'))
  return started
}
