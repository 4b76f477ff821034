import { expect, test } from 'vitest'
import type { ErrorData } from '../base/errors.ts'
import type { RestartSettings } from '../graph/stream-graph.ts'
import type { Failure } from './restart-strategy.ts'
import { decideRestart } from './restart-strategy.ts'

const exponential: RestartSettings = {
  strategy: 'exponential',
  initialMs: 1_000,
  maxMs: 5_000,
  factor: 2,
  resetAfterMs: 60_000,
  attempts: 6,
}

const crash = (atMs: number): Failure => ({ atMs, error: undefined, restartable: true })

function onRecord(atMs: number, offset: number | readonly [number, number]): Failure {
  const place = { operator: 'visits', subtask: 1, split: 'orders-3', offset }
  const error: ErrorData = { code: 'USER_FUNCTION_FAILED', message: 'no', place }
  return { atMs, error, restartable: true }
}

test('no strategy gives up at the first failure', () => {
  const decision = decideRestart({ strategy: 'none' }, [crash(0)])
  expect(decision).toEqual({ type: 'give-up', reason: 'no-strategy' })
})

test('a fixed delay restarts as often as it says', () => {
  const settings: RestartSettings = { strategy: 'fixed-delay', attempts: 2, delayMs: 300 }
  expect(decideRestart(settings, [crash(0)])).toMatchObject({ type: 'restart', afterMs: 300 })
  expect(decideRestart(settings, [crash(0), crash(1)])).toMatchObject({ attempt: 2 })
  expect(decideRestart(settings, [crash(0), crash(1), crash(2)])).toEqual({
    type: 'give-up',
    reason: 'attempts',
  })
})

test('an exponential delay doubles up to its bound', () => {
  const delays: number[] = []
  const failures: Failure[] = []
  for (let index = 0; index < 5; index += 1) {
    failures.push(crash(index * 100))
    const decision = decideRestart(exponential, failures)
    if (decision.type === 'restart') delays.push(decision.afterMs)
  }
  expect(delays).toEqual([1_000, 2_000, 4_000, 5_000, 5_000])
})

test('an exponential delay begins anew after a quiet time', () => {
  const failures = [crash(0), crash(100), crash(200), crash(60_200)]
  expect(decideRestart(exponential, failures)).toMatchObject({ afterMs: 1_000, attempt: 1 })
  expect(decideRestart(exponential, failures.slice(0, 3))).toMatchObject({ attempt: 3 })
})

test('an exponential strategy gives up when its attempts are used', () => {
  const failures = Array.from({ length: 7 }, (_, index) => crash(index))
  expect(decideRestart(exponential, failures)).toEqual({ type: 'give-up', reason: 'attempts' })
})

test('an error that a restart cannot mend ends the job', () => {
  const failure: Failure = { ...crash(0), restartable: false }
  expect(decideRestart(exponential, [failure])).toEqual({
    type: 'give-up',
    reason: 'not-restartable',
  })
})

test('the same record failing three times is poison, also with other failures between', () => {
  const failures = [onRecord(0, 812), onRecord(1, 812), crash(2)]
  expect(decideRestart(exponential, failures)).toMatchObject({ type: 'restart' })
  expect(decideRestart(exponential, [...failures, onRecord(3, 812)])).toEqual({
    type: 'poison',
    place: { operator: 'visits', subtask: 1, split: 'orders-3', offset: 812 },
    failures: 3,
  })
})

test('three different records failing are not poison', () => {
  const failures = [onRecord(0, 1), onRecord(1, 2), onRecord(2, 3)]
  expect(decideRestart(exponential, failures)).toMatchObject({ type: 'restart', attempt: 3 })
})

test('a batch known only by its range counts as one record', () => {
  const failures = [onRecord(0, [1, 9]), onRecord(1, [1, 9]), onRecord(2, [1, 9])]
  expect(decideRestart(exponential, failures)).toMatchObject({ type: 'poison' })
})
