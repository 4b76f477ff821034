import { expect, test } from 'vitest'
import type { Clock } from '../engine/base/clock.ts'
import type { StepProgress } from '../engine/job/protocol.ts'
import { RunScreen, summaryText } from './run-screen.ts'

/** A clock moved by hand; everything written is kept. */
function screen(columns: number | undefined) {
  let nowMs = 0
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    timer: () => ({ cancel: () => undefined }),
    sleep: () => Promise.resolve(),
    immediate: () => undefined,
  }
  const written: string[] = []
  const write = (text: string): void => void written.push(text)
  const shown = new RunScreen({ write, columns, color: false, verbose: false, clock })
  return { shown, written, advance: (ms: number) => (nowMs += ms) }
}

function steps(recordsIn: number): StepProgress[] {
  const common = { parallelism: 2, busy: 0.254, backPressured: 0.6 }
  return [
    { name: 'orders', ...common, recordsIn, recordsOut: recordsIn, lagMs: 4_200 },
    { name: 'lake', ...common, recordsIn: recordsIn / 2, recordsOut: 0, backPressured: 0 },
  ]
}

const checkpoint = { name: '1.3', completedAtMs: 9_000, durationMs: 12, bytes: 2_048, count: 3 }

test('a terminal has a table with rates, drawn over the last one', () => {
  const { shown, written, advance } = screen(100)
  advance(10_000)
  shown.onMessage({ type: 'progress', steps: steps(1_000), lastCheckpoint: checkpoint })
  advance(1_000)
  shown.onMessage({ type: 'progress', steps: steps(51_000), lastCheckpoint: checkpoint })
  expect(written[1]).toBe('\u001b[4A\r\u001b[J')
  expect(written[2]!.split('\n')).toEqual([
    'job  11 s  checkpoint 3 was 2.0 s ago, took 12 ms, 2.0 KiB',
    'step           in    in/s   out/s  busy  held back    lag',
    'orders ×2  51,000  50.0 k  50.0 k  25 %       60 %  4.2 s',
    'lake ×2    25,500  25.0 k       0  25 %        0 %  4.2 s'.replace('4.2 s', '     '),
    '',
  ])
})

test('a line goes above the table, which is drawn again below it', () => {
  const { shown, written } = screen(100)
  shown.onMessage({ type: 'progress', steps: steps(10) })
  const table = written.at(-1)
  shown.line('hello')
  expect(written.slice(-3)).toEqual(['\u001b[4A\r\u001b[J', 'hello\n', table])
})

test('what the job prints goes above the table by whole lines', () => {
  const { shown, written } = screen(100)
  const write = (bytes: Uint8Array): void => void written.push(new TextDecoder().decode(bytes))
  shown.onMessage({ type: 'progress', steps: steps(10) })
  const table = written.at(-1)
  const before = written.length
  shown.pass(new TextEncoder().encode('one'), write)
  expect(written).toHaveLength(before)
  shown.pass(new TextEncoder().encode(' line\nand'), write)
  expect(written.slice(before)).toEqual(['\u001b[4A\r\u001b[J', 'one', ' line\n', table])
  shown.close()
  expect(written.at(-1)).toBe('and')
})

test('elsewhere there is a plain line every ten seconds', () => {
  const { shown, written, advance } = screen(undefined)
  for (let second = 1; second <= 20; second += 1) {
    advance(1_000)
    shown.onMessage({ type: 'progress', steps: steps(second * 100), lastCheckpoint: checkpoint })
  }
  expect(written).toHaveLength(2)
  expect(written[0]).toBe(
    'job 10 s, in 1,000 (100/s), to "lake" 500, held back: orders, lag 4.2 s, ' +
      'checkpoint 3 was 1.0 s ago, took 12 ms, 2.0 KiB\n',
  )
})

test('counters that fall after a restart give no negative rate', () => {
  const { shown, written, advance } = screen(100)
  for (const count of [50_000, 200]) {
    advance(1_000)
    shown.onMessage({ type: 'progress', steps: steps(count) })
  }
  expect(written.at(-1)).toMatch(/orders ×2 +200 +200 +200/)
})

test('the summary says what the run did', () => {
  const summary = {
    status: 'finished' as const,
    job: 'visits',
    workDir: '/w',
    recordsIn: 1_204_332,
    recordsOut: 17,
    malformed: 0,
    checkpoints: 1,
    durationMs: 61_000,
  }
  expect(summaryText(summary, 2)).toBe(
    'visits finished, 1,204,332 records in, 17 out, 1 checkpoint, 2 restarts, 61 s',
  )
  expect(summaryText({ ...summary, status: 'already-finished' }, 0)).toMatch(/finished before/)
})
