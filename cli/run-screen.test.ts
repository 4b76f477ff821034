import { describe, expect, test } from 'vitest'
import type { Clock } from '../engine/base/clock.ts'
import type { StepProgress } from '../engine/job/protocol.ts'
import { RunScreen, summaryText } from './run-screen.ts'
import { hasColor, terminalSize } from './terminal.ts'
import { TinyTerminal } from './testing.ts'

const NOW = Date.UTC(2026, 10, 30, 17, 20, 0)

/** A clock moved by hand, and a terminal or none; all that is written is kept. */
function screen(given: { columns?: number; rows?: number; color?: boolean }) {
  let passedMs = 0
  const clock: Clock = {
    nowMs: () => NOW + passedMs,
    monotonicMs: () => passedMs,
    timer: () => ({ cancel: () => undefined }),
    sleep: () => Promise.resolve(),
    immediate: () => undefined,
  }
  const { columns, rows = 24, color = false } = given
  const terminal = new TinyTerminal(columns ?? 1_000)
  const written: string[] = []
  const write = (text: string): void => {
    written.push(text)
    terminal.write(text)
  }
  const room = columns === undefined ? undefined : () => ({ columns, rows })
  const shown = new RunScreen({ write, room, color, verbose: false, clock })
  return { shown, written, terminal, advance: (ms: number) => (passedMs += ms) }
}

/** A job that reads two inputs and writes two tables; its event time is `behindMs` before now. */
function steps(records: number, behindMs: number): StepProgress[] {
  const common = { parallelism: 2, busy: 0.254, backPressured: 0, chained: false }
  const watermark = NOW - behindMs
  const counts = (recordsIn: number, recordsOut = recordsIn) => ({ recordsIn, recordsOut })
  return [
    { ...common, name: 'orders', type: 'source', ...counts(records), watermark },
    { ...common, name: 'times', type: 'operator', ...counts(records), chained: true, watermark },
    { ...common, name: 'landed', type: 'sink', ...counts(records, 0), chained: true, watermark },
    {
      ...common,
      name: 'revenue-per-minute-and-shop',
      type: 'operator',
      ...counts(records, records / 1_000),
      ...{ busy: 0.505, backPressured: 0.495, watermark: watermark - 60_000 },
    },
    {
      ...common,
      name: 'lake',
      type: 'sink',
      ...counts(records / 1_000, 0),
      parallelism: 1,
      watermark: watermark - 60_000,
    },
  ]
}

const lastCheckpoint = {
  name: '1.4',
  completedAtMs: NOW + 9_000,
  durationMs: 12,
  bytes: 2_048,
  count: 3,
}
const DAYS_30 = 30 * 86_400_000

/** The screen of a run that has had two reports. */
function running(columns: number, behindMs: number): readonly string[] {
  const { shown, terminal, advance } = screen({ columns })
  shown.begin('job.ts')
  advance(2_000)
  shown.onMessage({
    type: 'started',
    job: 'revenue',
    workDir: '/work',
    parallelism: 2,
    restoredFrom: '1.3',
  })
  advance(8_000)
  shown.onMessage({ type: 'progress', steps: steps(1_204_000, behindMs), lastCheckpoint })
  advance(1_000)
  shown.onMessage({ type: 'progress', steps: steps(1_254_000, behindMs), lastCheckpoint })
  return terminal.text
}

describe('the view of a run', () => {
  test('at 60 columns', () => {
    expect(running(60, DAYS_30)).toEqual([
      'revenue runs in /work, from checkpoint 1.3',
      'revenue  11 s  checkpoint 1.4, 2.0 s ago, took 12 ms',
      'step                 in     out       watermark  busy  held',
      'orders ×2        1.25 M  1.25 M  10-31 17:20:00  25 %   0 %',
      '└ times          1.25 M  1.25 M  10-31 17:20:00',
      '└ landed         1.25 M          10-31 17:20:00',
      'revenue-per-mi…  1.25 M   1,254  10-31 17:19:00  51 %  49 %',
      'lake              1,254          10-31 17:19:00  25 %   0 %',
      '',
    ])
  })

  test('at 80 columns', () => {
    expect(running(80, DAYS_30)).toEqual([
      'revenue runs in /work, from checkpoint 1.3',
      'revenue  11 s  checkpoint 1.4, 2.0 s ago, took 12 ms, 2.0 KiB',
      'step                             in    in/s     out       watermark  busy  held',
      'orders ×2                    1.25 M  50.0 k  1.25 M  10-31 17:20:00  25 %   0 %',
      '└ times                      1.25 M  50.0 k  1.25 M  10-31 17:20:00',
      '└ landed                     1.25 M  50.0 k          10-31 17:20:00',
      'revenue-per-minute-and-sho…  1.25 M  50.0 k   1,254  10-31 17:19:00  51 %  49 %',
      'lake                          1,254      50          10-31 17:19:00  25 %   0 %',
      '',
    ])
  })

  test('at 200 columns, where the input is live', () => {
    const gaps = running(200, 4_200).map((line) => line.replaceAll(/ {3,}/g, ' · '))
    expect(gaps).toEqual([
      'revenue runs in /work, from checkpoint 1.3',
      'revenue  11 s  checkpoint 1.4, 2.0 s ago, took 12 ms, 2.0 KiB',
      'step · in · in/s · out · out/s · watermark · lag  busy  held back',
      'orders ×2 · 1,254,000  50.0 k  1,254,000  50.0 k  2026-11-30T17:19:55Z  15 s  25 % · 0 %',
      '└ times · 1,254,000  50.0 k  1,254,000  50.0 k  2026-11-30T17:19:55Z  15 s',
      '└ landed · 1,254,000  50.0 k · 2026-11-30T17:19:55Z  15 s',
      'revenue-per-minute-and-shop ×2  1,254,000  50.0 k · 1,254 · 50  2026-11-30T17:18:55Z  75 s  51 % · 49 %',
      'lake · 1,254 · 50 · 2026-11-30T17:18:55Z  75 s  25 % · 0 %',
      '',
    ])
  })

  test('no line is wider than the terminal, and none wraps', () => {
    for (let columns = 24; columns <= 220; columns += 3) {
      const lines = running(columns, columns % 2 === 0 ? 4_200 : DAYS_30)
      expect(Math.max(...lines.slice(1).map((line) => line.length))).toBeLessThan(columns)
    }
  })

  test('more steps than rows are cut off, and counted', () => {
    const { shown, terminal } = screen({ columns: 80, rows: 8 })
    shown.onMessage({ type: 'progress', steps: steps(10, DAYS_30) })
    shown.onMessage({ type: 'progress', steps: steps(20, DAYS_30) })
    expect(terminal.text).toHaveLength(7)
    expect(terminal.text.at(-2)).toBe('and 2 more steps')
  })

  test('a job without event time has no watermarks', () => {
    const { shown, terminal } = screen({ columns: 80 })
    const timeless = steps(10, 0).map((step) => {
      const { watermark, ...rest } = step
      expect(watermark).toBe(step.watermark)
      return rest
    })
    shown.onMessage({ type: 'progress', steps: timeless.slice(0, 1) })
    expect(terminal.text[1]).toBe('step       in  in/s  out  out/s  busy  held back')
  })
})

test('there is something at once, and whatever is logged goes above the table', () => {
  const { shown, terminal } = screen({ columns: 80 })
  shown.begin('job.ts')
  expect(terminal.text).toEqual(['starting job.ts', ''])
  shown.line('hello')
  expect(terminal.text).toEqual(['hello', 'starting job.ts', ''])
})

test('what the job prints goes above the table by whole lines', () => {
  const { shown, terminal } = screen({ columns: 80 })
  const write = (bytes: Uint8Array): void => terminal.write(new TextDecoder().decode(bytes))
  const print = (text: string): void => shown.pass(new TextEncoder().encode(text), write)
  shown.begin('job.ts')
  print('one')
  expect(terminal.text).toEqual(['starting job.ts', ''])
  print(' line\nand')
  expect(terminal.text).toEqual(['one line', 'starting job.ts', ''])
  shown.close()
  expect(terminal.text).toEqual(['one line', 'and'])
})

test('elsewhere there is a plain line every ten seconds, with every sink', () => {
  const { shown, written, advance } = screen({})
  shown.begin('job.ts')
  for (let second = 1; second <= 20; second += 1) {
    advance(1_000)
    shown.onMessage({ type: 'progress', steps: steps(second * 10_000, DAYS_30), lastCheckpoint })
  }
  expect(written).toHaveLength(3)
  expect(written.slice(0, 2)).toEqual([
    'starting job.ts\n',
    'job 10 s: in 100,000 (10.0 k/s); out "landed" 100,000, "lake" 100; ' +
      'watermark 2026-10-31T17:19:00Z; checkpoint 1.4, 1.0 s ago, took 12 ms, 2.0 KiB\n',
  ])
})

test('a source that is paused is told, with whom it waits for', () => {
  const waitsFor = { source: 'payments', subtask: 1 }
  const paused = [0, 1].map((subtask) => ({ subtask, waitsFor }))
  for (const [columns, told] of [
    [60, 'paused: "orders" subtask 0 waits for "payments" subtask 1,…'],
    [80, 'paused: "orders" subtask 0 waits for "payments" subtask 1, and 1 more'],
  ] as const) {
    const { shown, terminal } = screen({ columns })
    const [source, ...others] = steps(10, DAYS_30)
    shown.onMessage({ type: 'progress', steps: [{ ...source!, paused }, ...others] })
    expect(terminal.text.at(-2)).toBe(told)
  }
  const { shown, written, advance } = screen({})
  const [source, ...others] = steps(10, DAYS_30)
  advance(10_000)
  shown.onMessage({
    type: 'progress',
    steps: [{ ...source!, paused: paused.slice(1) }, ...others],
  })
  expect(written.at(-1)).toContain('; paused: "orders" subtask 1 waits for "payments" subtask 1; ')
})

test('however many notes there are, the table stays within the rows', () => {
  const rows = 9
  const { shown, terminal } = screen({ columns: 80, rows })
  const [source, ...others] = steps(10, DAYS_30)
  const paused = [{ subtask: 0, waitsFor: { source: 'payments', subtask: 1 } }]
  const noted = { ...source!, paused, malformed: 3, late: 2 }
  shown.onMessage({ type: 'progress', steps: [noted, ...others] })
  expect(terminal.text.length).toBeLessThanOrEqual(rows)
  expect(terminal.text.slice(-5, -4)).toEqual(['and 3 more steps'])
})

test('records that a source has passed over are told', () => {
  const { shown, terminal } = screen({ columns: 80 })
  const [source, ...others] = steps(10, DAYS_30)
  shown.onMessage({ type: 'progress', steps: [{ ...source!, malformed: 1_200 }, ...others] })
  expect(terminal.text.at(-2)).toBe('malformed: "orders" 1,200')
})

test('late records that nobody reads are told, by step and in the end', () => {
  const { shown, terminal } = screen({ columns: 80 })
  const [source, window, ...others] = steps(10, DAYS_30)
  shown.onMessage({ type: 'progress', steps: [source!, { ...window!, late: 1_200 }, ...others] })
  expect(terminal.text.at(-2)).toBe(`late and dropped: "${window!.name}" 1,200`)
  shown.finished({ ...SUMMARY, late: 1_200 }, 0)
  expect(terminal.text.join('\n')).toContain('1,200 late and dropped')
})

test('counters that fall after a restart give no negative rate', () => {
  const { shown, terminal, advance } = screen({ columns: 80 })
  for (const count of [50_000, 200]) {
    advance(1_000)
    shown.onMessage({ type: 'progress', steps: steps(count, DAYS_30) })
  }
  expect(terminal.text[2]).toMatch(/orders ×2 +200 +200 +200/)
})

const SUMMARY = {
  status: 'finished' as const,
  job: 'visits',
  workDir: '/w',
  recordsIn: 1_204_332,
  recordsOut: 17,
  malformed: 0,
  checkpoints: 1,
  durationMs: 61_000,
}

test('in the end there is a line for each step, and what the run did', () => {
  const { shown, terminal } = screen({ columns: 80 })
  shown.onMessage({ type: 'progress', steps: steps(1_204_000, DAYS_30), lastCheckpoint })
  shown.finished(SUMMARY, 2)
  shown.close()
  expect(terminal.text).toEqual([
    'step                                   in        out             watermark',
    'orders ×2                       1,204,000  1,204,000  2026-10-31T17:20:00Z',
    '└ times                         1,204,000  1,204,000  2026-10-31T17:20:00Z',
    '└ landed                        1,204,000             2026-10-31T17:20:00Z',
    'revenue-per-minute-and-shop ×2  1,204,000      1,204  2026-10-31T17:19:00Z',
    'lake                                1,204             2026-10-31T17:19:00Z',
    'visits finished, 1,204,332 records in, 17 out, 1 checkpoint, 2 restarts, 61 s',
    '',
  ])
  expect(summaryText({ ...SUMMARY, status: 'already-finished' }, 0)).toMatch(/finished before/)
})

test('colour only where the terminal has it', () => {
  const tty = { isTTY: true, columns: 0 }
  expect(hasColor(tty, { TERM: 'xterm' })).toBe(true)
  expect(hasColor(tty, { TERM: 'xterm', NO_COLOR: '' })).toBe(true)
  expect(hasColor(tty, { TERM: 'xterm', NO_COLOR: '1' })).toBe(false)
  expect(hasColor(tty, { TERM: 'dumb' })).toBe(false)
  expect(hasColor({}, {})).toBe(false)
  expect(terminalSize(tty, {})).toEqual({ columns: 80, rows: 24 })
  const written = (color: boolean): string => {
    const { shown, written: texts } = screen({ columns: 80, color })
    shown.onMessage({ type: 'progress', steps: steps(10, DAYS_30) })
    shown.onMessage({ type: 'log', level: 'warn', fields: { n: 1 }, message: 'odd' })
    return texts.join('')
  }
  expect(written(true)).toContain('\u001b[33mwarn\u001b[39m odd  n=1')
  expect(written(false)).not.toMatch(/\u001b\[[\d;]*m/)
})
