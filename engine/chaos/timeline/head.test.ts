/** What stands above a picture, and its signs. */
import { expect, test } from 'vitest'
import type { TimelineInput } from './model.ts'
import { drawCell, LEGEND } from './glyphs.ts'
import { renderSvg } from './svg.ts'
import { renderTerminal } from './terminal.ts'
import { timelineOf } from './timeline.ts'

const run: TimelineInput = {
  job: 'sums',
  schedule: { seed: 7, parallelism: 2, faults: [] },
  violations: [{ invariant: 'I1', what: '1 × {"sum":3} is published too often' }],
  lives: [],
  trace: [],
}

test('the title names the schedule that was found, and what it was shrunk to', () => {
  const titleOf = (found: { seed: number; parallelism: number }): string =>
    timelineOf({ ...run, found }).title
  expect(titleOf({ seed: 7, parallelism: 2 })).toBe('sums, seed 7, parallelism 2')
  expect(titleOf({ seed: 7, parallelism: 3 })).toBe(
    'sums, seed 7, parallelism 3; shrunk to parallelism 2',
  )
  const { schedule } = run
  const found = { seed: 9, parallelism: 2 }
  const shrunk = timelineOf({ ...run, schedule: { ...schedule, seed: 0 }, found })
  expect(shrunk.title).toBe('sums, seed 9, parallelism 2; shrunk to events in plain order')
})

test('what a run from a checkpoint publishes otherwise is not in the state', () => {
  const what = 'restored from checkpoint 1.3: sink "out": 1 × {"sum":3} is missing'
  const violations = [...run.violations!, { invariant: 'I2', what }]
  const words = 'the job probably remembers something outside its state'
  const timeline = timelineOf({ ...run, violations })
  const text = renderTerminal(timeline, { width: 200, color: false })
  expect(text).toContain('→ a run that restores checkpoint 1.3 publishes')
  expect(text).toContain(words)
  expect(renderSvg(timeline)).toContain('that restores checkpoint 1.3')
  expect(timelineOf(run).diagnosis).toBeUndefined()
  const found = { seed: 9, parallelism: 2, violations }
  expect(timelineOf({ ...run, found }).diagnosis).toMatch(
    /^before it was shrunk: a run that restores/,
  )
  const failed = [{ invariant: 'I2', what: 'restored from checkpoint 1.3: BUG: no' }]
  expect(timelineOf({ ...run, violations: failed }).diagnosis).toBeUndefined()
})

test('no two marks of a legend are one sign', () => {
  for (const one of LEGEND) {
    for (const other of LEGEND.slice(LEGEND.indexOf(one) + 1)) {
      const [left, right] = [one, other].map(([kind]) =>
        drawCell([{ kind, count: 1 }], 0, 0).replaceAll(/class="[^"]*"/g, ''),
      )
      expect(left, `${one[0]} and ${other[0]}`).not.toBe(right)
    }
  }
})
