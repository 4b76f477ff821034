// Windows are run beside a naive model that keeps every record and looks at every window: over
// random records, watermarks and lateness the two must give the same, in the same order.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { KeySelector } from '../../engine/stream/keys.ts'
import type { OperatorFactory } from './options.ts'
import type { OperatorSubject } from '../../engine/testing/operator-host.ts'
import type { ProcessScope } from './process-context.ts'
import type { TestElement } from '../../engine/testing/index.ts'
import type { WindowData } from '../windows.ts'
import { aggregateData, count, countDistinct, max, sum } from '../aggregates.ts'
import { createWindowAggregate, createWindowProcess, createWindowReduce } from './factories.ts'
import { end, record, side, verifyOperator, watermark } from '../../engine/testing/index.ts'
import { MIN_WATERMARK } from '../../engine/stream/elements.ts'

/** More for a soak; fast-check prints the seed of a failure. */
const RUNS = Number(process.env['MILLRACE_TEST_RUNS'] ?? 10)

const byKey: KeySelector = { type: 'field', field: 'k' }
const keyed = (factory: OperatorFactory): OperatorSubject => ({ ...factory, keys: [byKey] })

function counts(windows: WindowData, allowedLatenessMs = 0): OperatorSubject {
  const named = { n: count(), total: sum('v') }
  const aggregates = Object.entries(named).map(([name, given]) => {
    return { name, aggregate: aggregateData(given) }
  })
  const common = { key: byKey, keyColumns: ['k'], schema: undefined, result: undefined }
  return keyed(createWindowAggregate({ ...common, aggregates, windows, allowedLatenessMs }))
}

const tumbling = (sizeMs: number, offsetMs = 0, timeZone?: string): WindowData => ({
  kind: 'windows',
  type: 'tumbling',
  sizeMs,
  offsetMs,
  ...(timeZone === undefined ? {} : { timeZone }),
})
const sliding = (sizeMs: number, everyMs: number): WindowData => {
  return { kind: 'windows', type: 'sliding', sizeMs, everyMs }
}
const session = (gapMs: number): WindowData => ({ kind: 'windows', type: 'session', gapMs })

const at = (k: number, ms: number, v = 1): TestElement => record({ k, v }, ms)
const result = (
  k: number,
  windowStart: number,
  windowEnd: number,
  n: number,
  total = n,
): TestElement => record({ k, n, total, windowStart, windowEnd }, windowEnd - 1)
const late = (k: number, ms: number, v = 1): TestElement => side('late', { k, v }, ms)

test('a tumbling window fires when the watermark passes its end', () => {
  verifyOperator(counts(tumbling(10)))
    .input(at(1, 0), at(1, 9), at(2, 5), at(1, 10), watermark(8), watermark(9), end())
    .expect(
      watermark(8),
      result(1, 0, 10, 2),
      result(2, 0, 10, 1),
      watermark(9),
      result(1, 10, 20, 1),
      end(),
    )
})

test('a late record inside the allowed lateness fires its window again, one after it is put aside', () => {
  verifyOperator(counts(tumbling(60), 30))
    .input(at(1, 10), watermark(60), at(1, 20), watermark(88), at(1, 30), watermark(89), at(1, 40))
    .expect(
      result(1, 0, 60, 1),
      watermark(60),
      result(1, 0, 60, 2),
      watermark(88),
      result(1, 0, 60, 3),
      watermark(89),
      late(1, 40),
    )
})

test('a record is in every sliding window that holds it', () => {
  verifyOperator(counts(sliding(10, 4)))
    .input(at(1, 5), at(1, 9), at(1, 12), end())
    .expect(
      result(1, -4, 6, 1),
      result(1, 0, 10, 2),
      result(1, 4, 14, 3),
      result(1, 8, 18, 2),
      result(1, 12, 22, 1),
      end(),
    )
})

test('a session ends one gap after its last record; a record between two joins them', () => {
  verifyOperator(counts(session(10)))
    .input(at(1, 0), at(1, 25), at(2, 3), at(1, 10), at(1, 18), watermark(12), at(1, 1), end())
    .expect(result(2, 3, 13, 1), watermark(12), result(1, 0, 35, 5), end())
})

test('windows of a time zone follow its clock: days of 23, 24 and 25 hours', () => {
  const hour = 3_600_000
  const days = counts(tumbling(24 * hour, 0, 'Europe/Vienna'))
  const [spring, autumn] = [Date.UTC(2026, 2, 28, 23), Date.UTC(2026, 9, 24, 22)]
  verifyOperator(days)
    .input(
      at(1, spring),
      at(1, spring + 23 * hour - 1),
      at(1, spring + 23 * hour),
      at(2, autumn + 24 * hour),
      end(),
    )
    .expect(
      result(1, spring, spring + 23 * hour, 2),
      result(1, spring + 23 * hour, spring + 47 * hour, 1),
      result(2, autumn, autumn + 25 * hour, 1),
      end(),
    )
  const quarters = counts(tumbling(6 * hour, 0, 'Europe/Vienna'))
  verifyOperator(quarters)
    .input(at(1, spring + 22 * hour), at(1, spring + 23 * hour), end())
    .expect(
      result(1, spring + 18 * hour, spring + 23 * hour, 1),
      result(1, spring + 23 * hour, spring + 29 * hour, 1),
      end(),
    )
})

test('reduce and process see the records of a window', () => {
  const options = { key: byKey, schema: undefined, allowedLatenessMs: 0 }
  const step = (left: { k: number; v: number }, right: { v: number }): object => ({
    k: left.k,
    v: left.v + right.v,
  })
  verifyOperator(keyed(createWindowReduce({ ...options, step: step, windows: sliding(4, 2) })))
    .input(at(1, 2, 5), at(1, 4, 6), end())
    .expect(record({ k: 1, v: 5 }, 3), record({ k: 1, v: 11 }, 5), record({ k: 1, v: 6 }, 7), end())

  const definition = {
    onWindow(records: readonly { v: number }[], { key, window, emit, emitTo }: ProcessScope) {
      emit({ key, ...window, values: records.map(({ v }) => v) })
      if (records.length > 1) emitTo('many', key)
    },
  }
  const process = createWindowProcess({
    ...options,
    definition,
    sides: ['many'],
    windows: session(5),
  })
  verifyOperator(keyed(process))
    .input(at(1, 2, 5), at(1, 4, 6), at(1, 20, 7), end())
    .expect(
      record({ key: 1, start: 2, end: 9, values: [5, 6] }, 8),
      record({ key: 1, start: 20, end: 25, values: [7] }, 24),
      side('many', 1, 8),
      end(),
    )
})

test('different values are told apart over the slices of a window', () => {
  const aggregates = Object.entries({ kinds: countDistinct('v'), top: max('v') }).map(
    ([name, given]) => ({ name, aggregate: aggregateData(given) }),
  )
  const common = { key: byKey, keyColumns: ['k'], schema: undefined, result: undefined }
  const windows = sliding(4, 2)
  verifyOperator(
    keyed(createWindowAggregate({ ...common, aggregates, windows, allowedLatenessMs: 0 })),
  )
    .input(at(1, 0, 7), at(1, 1, 8), at(1, 2, 7), end())
    .expect(
      record({ k: 1, kinds: 2, top: 8, windowStart: -2, windowEnd: 2 }, 1),
      record({ k: 1, kinds: 2, top: 8, windowStart: 0, windowEnd: 4 }, 3),
      record({ k: 1, kinds: 1, top: 7, windowStart: 2, windowEnd: 6 }, 5),
      end(),
    )
})

test('a record without event time is refused', () => {
  const run = (): void => {
    verifyOperator(counts(tumbling(10)))
      .input(record({ k: 1, v: 1 }))
      .expect()
  }
  expect(run).toThrow('has no event time')
})

interface ModelWindow {
  readonly k: number
  start: number
  end: number
  n: number
  total: number
}

const stepOf = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      k: fc.integer({ min: 1, max: 3 }),
      ms: fc.integer({ min: -20, max: 60 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ forwardMs: fc.integer({ min: 1, max: 25 }) }) },
)
type Step = { k: number; ms: number } | { forwardMs: number }

/** Elements for the operator, and what the model gives for them. */
function model(
  steps: readonly Step[],
  latenessMs: number,
  add: (
    windows: ModelWindow[],
    k: number,
    ms: number,
    isLate: (end: number) => boolean,
  ) => ModelWindow[],
): { input: TestElement[]; expected: TestElement[] } {
  const input: TestElement[] = []
  const expected: TestElement[] = []
  let windows: ModelWindow[] = []
  let now = MIN_WATERMARK
  const emit = ({ k, start, end: to, n, total }: ModelWindow): void => {
    expected.push(result(k, start, to, n, total))
  }
  for (const [index, step] of steps.entries()) {
    if ('k' in step) {
      input.push(at(step.k, step.ms, index))
      const isLate = (to: number): boolean => to - 1 + latenessMs <= now
      const hit = add(windows, step.k, step.ms, isLate)
      if (hit.length === 0) expected.push(late(step.k, step.ms, index))
      for (const window of hit) {
        window.n += 1
        window.total += index
        if (window.end - 1 <= now) emit(window)
      }
    } else {
      const before = now
      now = Math.max(now, -20) + step.forwardMs
      input.push(watermark(now))
      windows.sort((left, right) => left.end - right.end || left.k - right.k)
      for (const window of windows)
        if (window.end - 1 > before && window.end - 1 <= now) emit(window)
      const live = windows.filter((window) => window.end - 1 + latenessMs > now)
      windows.splice(0, windows.length, ...live)
      expected.push(watermark(now))
    }
  }
  windows = []
  return { input, expected }
}

function slidingModel(size: number, every: number) {
  return (windows: ModelWindow[], k: number, ms: number, isLate: (end: number) => boolean) => {
    const hit: ModelWindow[] = []
    for (let start = -200 * every; start <= ms; start += every) {
      if (start + size <= ms || isLate(start + size)) continue
      let window = windows.find((other) => other.k === k && other.start === start)
      if (window === undefined) {
        window = { k, start, end: start + size, n: 0, total: 0 }
        windows.push(window)
      }
      hit.push(window)
    }
    return hit
  }
}

function sessionModel(gap: number) {
  return (windows: ModelWindow[], k: number, ms: number, isLate: (end: number) => boolean) => {
    const joined = { k, start: ms, end: ms + gap, n: 0, total: 0 }
    const touching = windows.filter(
      (other) => other.k === k && other.start <= ms + gap && other.end >= ms,
    )
    for (const other of touching) {
      joined.start = Math.min(joined.start, other.start)
      joined.end = Math.max(joined.end, other.end)
      joined.n += other.n
      joined.total += other.total
    }
    if (isLate(joined.end)) return []
    windows.splice(
      0,
      windows.length,
      ...windows.filter((other) => !touching.includes(other)),
      joined,
    )
    return [joined]
  }
}

const scenario = fc.record({
  steps: fc.array(stepOf, { minLength: 1, maxLength: 12 }),
  latenessMs: fc.constantFrom(0, 0, 5, 13, 40),
})

/** Late records leave behind the results of their batch: in each segment, compare them apart. */
function check(subject: OperatorSubject, { input, expected }: ReturnType<typeof model>): void {
  // One record a batch: an element between two records keeps them apart.
  const apart: TestElement[] = []
  const wanted: TestElement[] = [...expected]
  for (const element of input) apart.push(element, PAUSE)
  verifyOperator(subject)
    .input(...apart)
    .expect(...wanted)
}

/** Moves the clock, which windows in event time do not look at. */
const PAUSE: TestElement = { type: 'processing-time', ms: 1 }

test('tumbling and sliding windows equal the naive model', () => {
  const sizes = fc.constantFrom([10, 10], [10, 5], [10, 4], [12, 8], [7, 3], [9, 1])
  fc.assert(
    fc.property(scenario, sizes, ({ steps, latenessMs }, [size, every]) => {
      const windows = size === every ? tumbling(size) : sliding(size, every)
      check(counts(windows, latenessMs), model(steps, latenessMs, slidingModel(size, every)))
    }),
    { numRuns: RUNS },
  )
})

test('session windows equal the naive model', () => {
  fc.assert(
    fc.property(scenario, fc.constantFrom(3, 8, 15), ({ steps, latenessMs }, gap) => {
      check(counts(session(gap), latenessMs), model(steps, latenessMs, sessionModel(gap)))
    }),
    { numRuns: RUNS },
  )
})
