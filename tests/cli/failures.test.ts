import { describe, expect } from 'vitest'
import {
  counting,
  ENDLESS,
  enginePid,
  expectError,
  expectExact,
  lastLine,
  RECORDS,
  REST,
  startChecked,
  test,
  until,
  type Ended,
} from './process.ts'

/** What the last line of --json says of the failure. */
function errorOf(ended: Ended): { readonly code: string; readonly place: Place } {
  const { error } = lastLine(ended)
  return error as ReturnType<typeof errorOf>
}

interface Place {
  readonly operator?: string
  readonly subtask?: number
  readonly split?: string
  readonly offset?: number | readonly [number, number]
  readonly at?: string
}

/** Line, from 1, of the first line of the script that holds `text`. */
const lineOf = (script: string, text: string): number =>
  script.split('\n').findIndex((line) => line.includes(text)) + 1

const THROWS = `if (record.index === 777) throw new Error('cannot take ' + record.index)`
const NONE = { MILLRACE_RESTART_STRATEGY: 'none' }
const RUN = ['run', 'job.ts', '--json', '--parallelism', '2']

/** Where the generator has record 777. */
const SPLIT = 'generator-09'
const OFFSET = 777

describe.concurrent('a user function that throws', () => {
  test('names operator, subtask, split, offset and the line of the file; none gives up at once', async ({
    project,
  }) => {
    const script = counting({ map: THROWS })
    project.write('job.ts', script)
    const ended = await project.run(RUN, NONE)
    expectError(ended, 1, 'USER_FUNCTION_FAILED')
    expect(lastLine(ended)).toMatchObject({ status: 'failed', restarts: 0 })
    const { place } = errorOf(ended)
    expect(place).toMatchObject({ subtask: 1, split: SPLIT, offset: OFFSET })
    expect(place.operator).toBeTruthy()
    expect(place.at).toMatch(new RegExp(`^job\\.ts:${lineOf(script, 'cannot take')}:\\d+$`))
    expect(ended.stderr).toContain(`record at offset ${OFFSET} of ${SPLIT}`)
    // A mistake of the user's has no stack of ours.
    expect(ended.stderr).not.toMatch(/^\s+at .*(worker|engine)/m)
  })

  test('in a file that the job imports, it names that file', async ({ project }) => {
    const helper = `interface Row { readonly index: number }
      type Unused = string

      export function check(row: Row): void {
        if (row.index === 777) throw new TypeError('checked and found wanting')
      }`
    project.write('lib/helper.ts', helper)
    const top = `import { check } from './lib/helper.ts'`
    project.write('job.ts', counting({ top, map: 'check(record)' }))
    const ended = await project.run(RUN, NONE)
    expectError(ended, 1, 'USER_FUNCTION_FAILED')
    expect(errorOf(ended).place.at).toMatch(/helper\.ts:5:\d+$/)
  })

  test('three times at one record is poison, with 5; mended, the job goes on exactly', async ({
    project,
  }) => {
    project.write('job.ts', counting({ map: THROWS }))
    const ended = await project.run(RUN)
    expectError(ended, 5, 'RECORD_POISON')
    expect(lastLine(ended)).toMatchObject({ status: 'failed', restarts: 2 })
    expect(errorOf(ended).place).toMatchObject({ split: SPLIT, offset: OFFSET })
    expect(ended.stderr).toMatch(/error RECORD_POISON: [^\n]*generator-09[\s\S]*cannot take 777/)

    project.write('job.ts', counting())
    expect((await project.run(RUN)).exitCode).toBe(0)
    expectExact(project, 2_000)
  })

  test('behind a keyed exchange the record is still known, and poison', async ({ project }) => {
    const script = counting({
      keyed: `.process('tally', {
        emits: Count,
        state: { n: valueState(int32(), { default: 0 }) },
        onRecord(record, { key, state, emit }) {
          ${THROWS}
          state.n.update(state.n.value() + 1)
          emit({ key, n: state.n.value() })
        },
      })`,
    })
    project.write('job.ts', script)
    const ended = await project.run(RUN)
    expectError(ended, 5, 'RECORD_POISON')
    const { place } = errorOf(ended)
    expect(place).toMatchObject({ operator: 'tally', split: SPLIT, offset: OFFSET })
    expect(place.at).toMatch(new RegExp(`job\\.ts:${lineOf(script, 'cannot take')}:\\d+$`))
  })

  test('in an aggregate function of a window, and in a timer, the step is named', async ({
    project,
  }) => {
    const top = `const { aggregateFunction, field, millis, monotonous, tumbling } = millrace`
    const timed = (keyed: string): string =>
      counting({ top, map: 'return { ...record, at: record.index }', keyed }).replace(
        `.keyBy('key')`,
        `.assignTimestampsAndWatermarks('at', monotonous()).keyBy('key')`,
      )
    project.write(
      'window.ts',
      timed(`.window(tumbling(millis(500))).aggregate('folded', { n: aggregateFunction({
        accumulator: int32(),
        result: int32(),
        create: () => 0,
        add: (sum, record) => {
          ${THROWS}
          return sum + 1
        },
        merge: (left, right) => left + right,
        getResult: (sum) => sum,
      }) }).pick('key', 'n')`),
    )
    project.write(
      'timer.ts',
      timed(`.process('timed', {
        emits: Count,
        onRecord(record, { timers }) { timers.registerEventTimeTimer(record.at + 5) },
        onTimer() { throw new Error('no timer may fire') },
      })`),
    )
    const window = await project.run(['run', 'window.ts', '--json'], NONE)
    expectError(window, 1, 'USER_FUNCTION_FAILED')
    expect(errorOf(window).place.operator).toBe('folded')
    expect(errorOf(window).place.at).toMatch(/window\.ts:\d+:\d+$/)

    const timer = await project.run(['run', 'timer.ts', '--json'], NONE)
    expectError(timer, 1, 'USER_FUNCTION_FAILED')
    expect(errorOf(timer).place.operator).toBe('timed')
    expect(errorOf(timer).place.at).toMatch(/timer\.ts:\d+:\d+$/)
  })

  test('what is thrown need not be an error', async ({ project }) => {
    project.write('job.ts', counting({ map: `if (record.index === 777) throw undefined` }))
    const ended = await project.run(RUN, NONE)
    expectError(ended, 1, 'USER_FUNCTION_FAILED')
    expect(errorOf(ended).place).toMatchObject({ split: SPLIT, offset: OFFSET })
  })

  test('a key that is none, and a value that does not fit, name record and step', async ({
    project,
  }) => {
    project.write(
      'key.ts',
      counting()
        .replace(`keyBy('key')`, `keyBy((record) => keyOf(record))`)
        .replace(
          'export default',
          `const keyOf = ({ key, index }) => index === 777 ? undefined : key
        export default`,
        ),
    )
    const key = await project.run(['run', 'key.ts', '--json'], NONE)
    expectError(key, 1, 'KEY_INVALID')
    const place = { operator: 'count', split: SPLIT, offset: OFFSET }
    expect(errorOf(key).place).toMatchObject(place)

    const keyed = `.process('halves', {
      emits: Count,
      onRecord: (record, { key, emit }) => emit({ key, n: record.index === 777 ? 1.5 : 1 }),
    })`
    project.write('value.ts', counting({ keyed }))
    const value = await project.run(['run', 'value.ts', '--json', '--set', 'out=./o2'], NONE)
    expectError(value, 1, 'VALUE_UNFIT')
    expect(value.stderr).toMatch(/"n" of "(halves|files)" is int32, the value is 1\.5/)
  })
})

describe.concurrent('steps that do what they must not', () => {
  test('a step that returns a promise is STEP_ASYNC, with 2, at its first record', async ({
    project,
  }) => {
    project.write('job.ts', counting({ map: `return Promise.resolve(record)` }))
    const ended = await project.run(RUN)
    expectError(ended, 2, 'STEP_ASYNC')
    expect(ended.stderr).toMatch(/a source of its own/)
    expect(lastLine(ended)).toMatchObject({ status: 'failed', restarts: 0 })
  })

  test('process.exit(0) in a step is a failure, not an end', async ({ project }) => {
    project.write('job.ts', counting({ map: `if (record.index === 777) process.exit(0)` }))
    const ended = await project.run(RUN, NONE)
    expectError(ended, 1, 'WORKER_DIED')
    expect(ended.stderr).toMatch(/worker \d ended by itself with code 0/)
    expect(ended.stderr).toMatch(/process\.exit/)
  })

  test('a promise that nobody awaits, rejected in a worker, fails the job', async ({ project }) => {
    const map = `if (record.index === 777) void Promise.reject(new Error('nobody heard'))`
    project.write('job.ts', counting({ map }))
    const args = [...RUN, '--set', 'records=100000', '--set', 'perSecond=2000']
    const ended = await project.run(args, NONE)
    expect(ended.exitCode).not.toBe(0)
    expect(ended.stderr).toMatch(/nobody heard/)
  })

  test('a worker that runs out of memory is a failure that restarts', async ({ project }) => {
    const map = `
      if (record.index === 777 && existsSync('eat')) {
        rmSync('eat')
        const eaten = []
        for (;;) eaten.push(new Array(1e6).fill(record.index + eaten.length))
      }`
    const top = `import { existsSync, rmSync } from 'node:fs'`
    project.write('eat', '')
    project.write('job.ts', counting({ top, map }))
    const ended = await project.run(RUN, { NODE_OPTIONS: '--max-old-space-size=256' })
    expect(ended.exitCode).toBe(0)
    expect(ended.stderr).toMatch(/error WORKER_DIED/)
    expect(lastLine(ended)).toMatchObject({ status: 'finished', restarts: 1 })
    expectExact(project, 2_000)
  })
})

describe.concurrent('restart strategies', () => {
  const FAILS = counting({
    top: `import { appendFileSync, readFileSync } from 'node:fs'`,
    map: `
      if (record.index === 100 && process.env.LIVES !== undefined) {
        appendFileSync('lives', 'x')
        if (readFileSync('lives', 'utf8').length <= Number(process.env.LIVES)) process.exit(3)
      }`,
  })

  test('fixed-delay gives up after its attempts', async ({ project }) => {
    project.write('job.ts', FAILS)
    const environment = {
      MILLRACE_RESTART_STRATEGY: 'fixed-delay',
      MILLRACE_RESTART_ATTEMPTS: '2',
      MILLRACE_RESTART_DELAY_MS: '1ms',
      LIVES: '9',
    }
    const ended = await project.run(RUN, environment)
    expectError(ended, 1, 'WORKER_DIED')
    expect(lastLine(ended)).toMatchObject({ status: 'failed', restarts: 2 })
  })

  test('exponential waits longer each time, and the job ends exactly', async ({ project }) => {
    project.write('job.ts', FAILS)
    const restart = { strategy: 'exponential', initialMs: 10, factor: 3, maxMs: 60_000 }
    project.write('settings.json', JSON.stringify({ restart }))
    const ended = await project.run([...RUN, '--config', 'settings.json'], { LIVES: '3' })
    expect(ended.exitCode).toBe(0)
    expect(ended.stderr).toMatch(
      /restart 1 in 10 ms[\s\S]*restart 2 in 30 ms[\s\S]*restart 3 in 90 ms/,
    )
    expect(lastLine(ended)).toMatchObject({ status: 'finished', restarts: 3 })
    expectExact(project, 2_000)
  })

  test('a signal in the pause before a restart ends the run', async ({ project }) => {
    project.write('job.ts', FAILS)
    const run = project.start(RUN, {
      MILLRACE_RESTART_STRATEGY: 'fixed-delay',
      MILLRACE_RESTART_DELAY_MS: '10m',
      LIVES: '9',
    })
    await run.saw(/restart 1 in/)
    run.child.kill('SIGTERM')
    expect((await run.ended).exitCode).toBe(143)
  })

  test('many engines killed one after another leave exact output', async ({ project }) => {
    project.write('job.ts', counting())
    const run = await startChecked(project, ['run', 'job.ts', '--json', ...ENDLESS])
    let engine = 0
    const another = (): boolean => enginePid(project) !== engine
    for (let kill = 0; kill < 4; kill += 1) {
      await until('another engine', another)
      engine = enginePid(project)
      process.kill(engine, 'SIGKILL')
    }
    await until('another engine', another)
    run.child.kill('SIGTERM')
    const stopped = await run.ended
    expect(stopped.exitCode).toBe(143)
    expect(lastLine(stopped)).toMatchObject({ status: 'stopped', restarts: 4 })
    expect((await project.run(['run', 'job.ts', ...REST])).exitCode).toBe(0)
    expectExact(project, RECORDS)
  })
})
