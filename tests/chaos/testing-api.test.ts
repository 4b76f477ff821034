/** Faults in a user's own test: by the name of a step, and between the records of its input. */
import { AssertionError } from 'node:assert'
import { runInNewContext } from 'node:vm'
import { expect, test, vi } from 'vitest'
import { defineJob, int32, parameter, StreamError, struct, utf8, valueState } from 'millrace'
import type { Source } from 'millrace'
import { fileSink, fileSource, json, printSink } from 'millrace/connectors'
import {
  ask,
  chaos,
  crash,
  endOfInput,
  errno,
  expectExactlyOnce,
  moveClock,
  pause,
  powerLoss,
  rescale,
  runChaos,
  testSource,
  throws,
  torn,
} from 'millrace/testing'

interface Sale {
  readonly shop: string
  readonly cents: number
}

const Total = struct({ shop: utf8(), sales: int32(), cents: int32() })
const sale = (shop: string, cents: number): Sale => ({ shop, cents })

/** Running totals, in state; or, with `forgets`, in a variable. */
const totals = (source: Source<Sale>, forgets = false) =>
  defineJob('totals', (env) => {
    let known = 0
    env
      .fromSource('sales', source)
      .keyBy('shop')
      .process('total', {
        emits: Total,
        state: { total: valueState(struct({ sales: int32(), cents: int32() })) },
        onRecord({ shop, cents }, { state, emit }) {
          const before = state.total.value() ?? { sales: 0, cents: 0 }
          known += 1
          const sales = forgets ? known : before.sales + 1
          const total = { sales, cents: before.cents + cents }
          state.total.update(total)
          emit({ shop, ...total })
        },
      })
      .sinkTo('out', fileSink({ directory: 'out/totals', schema: Total }))
  })

const rows = [sale('a', 1), sale('b', 2), sale('a', 3), sale('a', 4)] as const
const [first, second, third, fourth] = rows

test('a crash between two records strikes there, and once', async () => {
  const source = testSource([first, second, pause(), crash(), third, crash(), fourth])
  const result = await runChaos(totals(source))
  expectExactlyOnce(result)
  expect(result.lives.map(({ ended }) => ended.type)).toEqual(['crash', 'crash', 'finished'])
  const struck = result.trace.filter(({ fault }) => fault !== undefined)
  expect(struck.map(({ life, point, place }) => [life, point, place.what])).toEqual([
    [1, 'source.poll', 'element 3'],
    [2, 'source.poll', 'element 5'],
  ])
  expect(result.published['out']).toHaveLength(4)
})

test('time for a checkpoint is time to remember', async () => {
  const forgotten = (...before: readonly [] | readonly [ReturnType<typeof pause>]) =>
    runChaos(totals(testSource([first, second, ...before, crash(), third, fourth]), true), {
      parallelism: 1,
    })
  // Nothing was kept, so all is read again, by a life that knows as little as the first.
  expect((await forgotten()).violations).toEqual([])
  const { violations } = await forgotten(pause(100))
  expect(violations.map(({ invariant }) => invariant)).toContain('I1')
})

test('every other fault of an input', async () => {
  const faults = [powerLoss(), throws(), rescale(3), ask('stop'), moveClock(-5_000)]
  const source = testSource([first, ...faults.flatMap((fault) => [pause(50), fault]), ...rows])
  const result = await runChaos(totals(source))
  expectExactlyOnce(result)
  const ends = result.lives.map(({ ended, parallelism }) => `${ended.type} ${parallelism}`)
  expect(ends).toEqual(['power-loss 2', 'failed 2', 'rescale 2', 'stopped 3', 'finished 3'])
})

test('an input ends where it says so, with and without faults', async () => {
  const source = testSource([first, second, crash(), endOfInput(), third])
  const { published, expected, violations } = await runChaos(totals(source))
  expect(violations).toEqual([])
  expect(published['out']).toHaveLength(2)
  expect(published['out']!.toSorted()).toEqual(expected['out']!.toSorted())
})

test('a fault at a step of the protocol, and one that finds no moment', async () => {
  const faults = [
    chaos.at('sink.prepare', { uid: 'out', subtask: 1, nth: 2 }, crash()),
    chaos.at('disk.manifest.sync', { life: 2 }, errno('ENOSPC')),
    chaos.at('disk.staged.write', { nth: 500 }, torn(7)),
  ]
  const source = testSource([first, pause(), second, pause(), third, pause(), fourth])
  const result = await runChaos(totals(source), { seed: 5, faults })
  expectExactlyOnce(result)
  expect(result.fired).toEqual(faults.slice(0, 2))
  expect(result.missed).toEqual(faults.slice(2))
  const again = await runChaos(totals(source), { seed: 5, faults })
  expect(again.hash).toBe(result.hash)
})

test('what a job breaks is said with its sink, its row, its faults and how to have it again', async () => {
  const source = testSource([first, second, pause(), third, fourth])
  const faults = [chaos.at('coordinator.committed', { nth: 2 }, crash())]
  const result = await runChaos(totals(source, true), { parallelism: 1, faults })
  const error = thrownBy(() => {
    expectExactlyOnce(result)
  })
  expect(error).toBeInstanceOf(AssertionError)
  const { message } = error as AssertionError
  expect(message).toContain('job "totals" broke what it promises')
  expect(message).toContain(
    'I1: sink "out": 2 rows differ: ' +
      'expected {"shop":"a","sales":3,"cents":4} / found {"shop":"a","sales":1,"cents":4}',
  )
  expect(message).toContain('the job probably remembers something outside its state')
  expect(message).toContain('coordinator.committed #2 → crash')
  expect(message).toContain('1: at parallelism 1, crash')
  expect(message).toContain(
    `again: runChaos(job, { parallelism: 1, seed: 0, faults: ` +
      `[chaos.at('coordinator.committed', { nth: 2 }, crash())] })`,
  )
})

test('the call to have it again holds all that was given, and gives the same run', async () => {
  const Sum = struct({ shop: utf8(), cents: int32() })
  const sums = defineJob('sums', { input: parameter.text() }, (env, { input }) => {
    let known = 0
    env
      .fromSource('lines', fileSource({ path: input, format: json(Sum) }))
      .keyBy('shop')
      .process('sum', {
        emits: Sum,
        state: {},
        onRecord(_, { emit }) {
          known += 1
          emit({ shop: 'all', cents: known })
        },
      })
      .sinkTo('out', fileSink({ directory: 'out', schema: Sum }))
  })
  const lines = rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  const result = await runChaos(sums, {
    parallelism: 1,
    parameters: { input: 'in/*.jsonl' },
    files: { 'in/1.jsonl': lines, 'in/2.jsonl': new TextEncoder().encode(lines) },
    checkpointing: { everyMs: 7 },
    pollMs: 3,
    batchRecords: 1,
    recordsMax: 3,
    faults: [chaos.at('coordinator.committed', { nth: 2 }, crash())],
  })
  const { message } = thrownBy(() => {
    expectExactlyOnce(result)
  }) as AssertionError
  const call = /^again: (.*)$/m.exec(message)![1]!
  const again = (await runInNewContext(call, { runChaos, job: sums, chaos, crash, Buffer })) as {
    readonly hash: string
  }
  expect(again.hash).toBe(result.hash)
  expect(call).toContain('checkpointing: { everyMs: 7 }, pollMs: 3, batchRecords: 1, recordsMax: 3')
})

test('what the call cannot spell out it names, and no secret is in it', async () => {
  const source = testSource([first, second, pause(), third, fourth])
  const result = await runChaos(totals(source, true), {
    parallelism: 1,
    parameters: { password: { secret: 'hidden' } },
    files: { 'in/large.txt': 'x'.repeat(10_000) },
    orders: { out: (row) => ({ key: row, place: 0 }) },
    faults: [chaos.at('coordinator.committed', { nth: 2 }, crash())],
  })
  const { message } = thrownBy(() => {
    expectExactlyOnce(result)
  }) as AssertionError
  const lines = message.slice(message.indexOf('again: ')).split('\n')
  expect(lines).toEqual([
    `again: runChaos(job, { parallelism: 1, seed: 0, parameters: { password: { secret: '' } }, ` +
      `files, orders, faults: [chaos.at('coordinator.committed', { nth: 2 }, crash())] })`,
    '  secret "password": put its text in',
    '  files: as the test gives them, in/large.txt',
    '  orders: as the test gives them, for out',
  ])
})

test('parameters, input files and a smaller input', async () => {
  const Line = struct({ shop: utf8(), cents: int32() })
  const job = defineJob('lines', { input: parameter.text() }, (env, { input }) => {
    env
      .fromSource('lines', fileSource({ path: input, format: json(Line) }))
      .sinkTo('out', fileSink({ directory: 'out', schema: Line }))
  })
  const lines = rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  const options = {
    parameters: { input: 'in/*.jsonl' },
    files: { 'in/1.jsonl': lines, 'in/2.jsonl': lines },
    faults: [chaos.at('disk.publish.link', {}, crash())],
  }
  const whole = await runChaos(job, options)
  expectExactlyOnce(whole)
  expect(whole.published['out']).toHaveLength(8)
  const small = await runChaos(job, { ...options, recordsMax: 1 })
  expectExactlyOnce(small)
  expect(small.published['out']).toHaveLength(2)
})

test('a sink that prints is silent, and where no other commits the job is not run', async () => {
  let calls = 0
  const job = (commits: boolean): unknown =>
    defineJob('printing', (env) => {
      const sales = env.fromSource('sales', testSource(rows)).map((row) => {
        calls += 1
        return row
      })
      sales.sinkTo('terminal', printSink())
      if (commits) sales.sinkTo('out', fileSink({ directory: 'out', schema: Sold }))
    })
  const Sold = struct({ shop: utf8(), cents: int32() })
  await expect(runChaos(job(false))).rejects.toMatchObject({ code: 'CHAOS_UNFIT' })
  expect(calls).toBe(0)
  const write = vi.spyOn(process.stdout, 'write')
  try {
    expectExactlyOnce(await runChaos(job(true)))
    expect(write.mock.calls.filter(([text]) => String(text).includes('cents'))).toEqual([])
  } finally {
    write.mockRestore()
  }
  expect(calls).toBeGreaterThan(0)
})

test('a slip in a fault is told when it is written', () => {
  // @ts-expect-error: there is no such point.
  const slip = thrownBy(() => chaos.at('sink.prepar', {}, crash()))
  expect((slip as StreamError).code).toBe('CHAOS_SCHEDULE_INVALID')
  expect((slip as StreamError).hint).toContain('"sink.prepare"')
})

function thrownBy(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  return undefined
}
