import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FaultAction } from '../../faults/schedule.ts'
import type { TraceEvent } from '../../faults/trace.ts'
import type { TimelineInput, TimelineLife } from './model.ts'
import { checkpointIdOf, formatCheckpointId } from '../../checkpoint/layout.ts'
import { faultPointNames } from '../../faults/points.ts'
import { renderSvg } from './svg.ts'
import { renderTerminal } from './terminal.ts'
import { timelineOf } from './timeline.ts'

const CRASH: FaultAction = { type: 'crash' }

type Told = readonly [point: TraceEvent['point'], place?: TraceEvent['place'], fault?: FaultAction]

/** Steps one after another, two ms apart. */
function life(number: number, step: number, told: readonly Told[]): readonly TraceEvent[] {
  return told.map(([point, place = {}, fault], index) => {
    const event = { step: step + index, atMs: 2 * (step + index), life: number, point, place }
    return fault === undefined ? event : { ...event, fault }
  })
}

function checkpoint(epoch: number, counter: number, written?: FaultAction): readonly Told[] {
  const checkpointId = checkpointIdOf(epoch, counter)
  const source = { uid: 'numbers', subtask: 0, checkpointId }
  const sums = [0, 1].map((subtask) => ({ uid: 'sums', subtask, checkpointId }))
  const told: Told[] = [
    ['coordinator.trigger', { checkpointId }],
    ['barrier.forward', source],
    ['snapshot.cut', source],
    ['snapshot.acknowledge', source],
  ]
  for (const place of sums) {
    told.push(['align.done', place], ['barrier.forward', place], ['snapshot.cut', place])
  }
  for (const place of sums) {
    told.push(['disk.state.sync', place], ['snapshot.acknowledge', place])
  }
  told.push(['disk.manifest.link', { checkpointId }])
  if (written !== undefined) return [...told, ['coordinator.written', { checkpointId }, written]]
  return [
    ...told,
    ['coordinator.written', { checkpointId }],
    ['coordinator.commit', { checkpointId }],
    ['disk.publish.link', { checkpointId, file: 'part' }],
    ['coordinator.committed', { checkpointId }],
  ]
}

const ended = (number: number, type: 'crash' | 'power-loss'): TimelineLife => ({
  life: number,
  parallelism: 2,
  ended: { type },
  fromMs: 0,
  toMs: 100 * number,
})

const finished = (number: number, lastCheckpoint: number): TimelineLife => ({
  ...ended(number, 'crash'),
  ended: {
    type: 'finished',
    summary: {
      status: 'finished',
      job: 'sums',
      workDir: '/work',
      recordsIn: 1,
      recordsOut: 1,
      malformed: 0,
      checkpoints: 1,
      lastCheckpoint: formatCheckpointId(lastCheckpoint),
      durationMs: 1,
    },
  },
})

const opened: readonly Told[] = [
  ['task.open', { uid: 'numbers', subtask: 0, what: 'numbers' }],
  ['task.open', { uid: 'sums', subtask: 0, what: 'sums' }],
  ['task.open', { uid: 'out', subtask: 0, what: 'sums' }],
  ['task.open', { uid: 'sums', subtask: 1, what: 'sums' }],
]

/** Dies between the decision and the commit, and goes on. */
const small: TimelineInput = {
  job: 'sums',
  schedule: {
    seed: 7,
    parallelism: 2,
    faults: [
      { point: 'coordinator.written', nth: 3, action: CRASH },
      { point: 'disk.state.read', nth: 900, action: CRASH },
    ],
  },
  fired: [0],
  violations: [{ invariant: 'I1', what: '1 × {"sum":3} is published too often' }],
  lives: [ended(1, 'crash'), finished(2, checkpointIdOf(2, 1))],
  trace: [
    ...life(1, 0, [
      ['life.begin'],
      ...opened,
      ['master.start'],
      ...checkpoint(1, 1),
      ...checkpoint(1, 2),
      ...checkpoint(1, 3, CRASH),
      ['life.end', { what: 'crash' }],
    ]),
    ...life(2, 60, [
      ['life.begin'],
      ['recover.own'],
      ['recover.verify', { checkpointId: checkpointIdOf(1, 3) }],
      ['recover.target', { uid: 'out' }],
      ['disk.publish.link', { file: 'part' }],
      ['recover.ready'],
      ['master.start'],
      ...checkpoint(2, 1),
      ['life.end', { what: 'finished' }],
    ]),
  ],
}

describe('in the terminal', () => {
  test('what happened is read from top to bottom', () => {
    expect(renderTerminal(timelineOf(small), { width: 100, color: false })).toBe(SMALL)
  })

  test('a terminal that knows only ASCII gets nothing else', () => {
    const text = renderTerminal(timelineOf(small), { width: 100, color: true, ascii: true })
    expect(text.replaceAll(/\u001b\[[\d;]+m/g, '')).toMatch(/^[\n -~]+$/)
    expect(text).toContain('*1.3X')
    expect(text).toContain('R<-1.3')
  })

  test.each([60, 80, 100, 120, 200])('no line is wider than %i columns', (width) => {
    for (const input of [small, wide(8, 6), wide(40, 2)]) {
      const text = renderTerminal(timelineOf(input), { width, color: false })
      for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(width)
      expect(text).toContain('✖')
    }
  })

  test('where subtasks do not fit, those of one uid share a column, and say how many they are', () => {
    const text = renderTerminal(timelineOf(wide(8, 6)), { width: 100, color: false })
    expect(text).toContain('×6')
    expect(text).toMatch(/\|1\.1×6S×6/)
  })

  test('a message with control characters does not reach the terminal as they are', () => {
    const violations = [{ invariant: 'I1', what: 'row \u001b[2J\u0007 lost' }]
    const text = renderTerminal(timelineOf({ ...small, violations }), { width: 100, color: false })
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/)
    expect(text).toContain('[2J')
  })
})

describe('as SVG', () => {
  test('texts of others are only texts', () => {
    const what = '</text><script>alert("x")</script> & \u0000\u001b \ud800 row'
    const job = '<b onload="x">&'
    const svg = renderSvg(timelineOf({ ...small, job, violations: [{ invariant: 'I1', what }] }))
    expect(svg).not.toMatch(/<script|<b |\u0000|\u001b|[\ud800-\udfff]/u)
    expect(svg).toContain('&lt;script&gt;')
    expectXml(svg)
  })

  test('stands alone: no script, nothing from elsewhere', () => {
    const svg = renderSvg(timelineOf(small))
    expect(svg).not.toMatch(/<script|<image|href|url\(|@import|@font-face/)
    expect(svg.replace('xmlns="http://www.w3.org/2000/svg"', '')).not.toMatch(/https?:/)
    expect(svg).toContain('prefers-color-scheme:dark')
    expectXml(svg)
  })

  test('the fault, the end of the life, the restored checkpoint and the violation are said', () => {
    const svg = renderSvg(timelineOf(small))
    for (const words of [
      'coordinator.written #3 → crash',
      '(did not strike)',
      'life 1 is killed at 100 ms: 1.3 is complete, not committed',
      'life 2 restores 1.3',
      'is published too often',
    ]) {
      expect(svg).toContain(words)
    }
  })
})

describe('what is drawn', () => {
  test('a violation that has its step stands there', () => {
    const violations = [{ invariant: 'I3', what: 'seen too early', step: 40 }]
    const { rows } = timelineOf({ ...small, violations })
    const at = rows.findIndex(({ type }) => type === 'violation')
    const before = rows.slice(0, at).findLast((row) => row.type === 'step')
    const after = rows.slice(at).find((row) => row.type === 'step')
    expect(before!.step).toBeLessThanOrEqual(40)
    expect(after!.step).toBeGreaterThan(40)
  })

  test('a process that was killed from outside has its borders all the same', () => {
    const trace = small.trace.filter(({ point }) => !point.startsWith('life.'))
    const lives = [...small.lives, ended(3, 'crash')]
    const { rows } = timelineOf({ ...small, trace, lives })
    const words = rows.flatMap((row) => ('words' in row && row.type !== 'fold' ? [row.words] : []))
    expect(words.slice(0, 6)).toEqual([
      'life 1 starts without a checkpoint at parallelism 2',
      'life 1 is killed at 100 ms: 1.3 is complete, not committed',
      'life 2 restores 1.3 at parallelism 2',
      'life 2 finishes, its last checkpoint is 2.1, at 200 ms',
      'life 3 starts without a checkpoint at parallelism 2',
      'life 3 is killed at 300 ms: no checkpoint is complete',
    ])
  })

  test('every fault, every end of a life, and each decision or a fold that counts it', () => {
    fc.assert(
      fc.property(anyRun(), (input) => {
        const timeline = timelineOf(input)
        const { rows } = timeline
        const marks = rows.flatMap((row) => (row.type === 'step' ? [...row.cells.values()] : []))
        const drawn = (kind: string): number =>
          marks.flat().filter((mark) => mark.kind === kind).length
        const folded = (what: RegExp): number =>
          rows.reduce((sum, row) => {
            const found = row.type === 'fold' ? what.exec(row.words)?.[1] : undefined
            return sum + Number(found ?? 0)
          }, 0)
        const told = (point: string): number =>
          input.trace.filter((event) => event.point === point).length
        const faults = input.trace.filter(({ fault }) => fault !== undefined).length
        expect(drawn('fault')).toBeGreaterThanOrEqual(Math.min(faults, 40))
        expect(drawn('fault') + folded(/(\d+) fault/)).toBe(faults)
        expect(rows.filter(({ type }) => type === 'end')).toHaveLength(input.lives.length)
        const decisions = told('coordinator.written')
        expect(drawn('decision') + folded(/(\d+) checkpoint/)).toBe(decisions)
        const steps = rows.flatMap((row) => (row.type === 'step' ? [row.step] : []))
        expect(steps).toEqual([...steps].sort((left, right) => left - right))
        expect(timelineOf(input)).toEqual(timeline)
        expectXml(renderSvg(timeline))
        expect(renderTerminal(timeline, { width: 100, color: false })).toContain('life 1')
      }),
      { numRuns: 40, seed: 1, endOnFailure: true },
    )
  })

  test('a trace of 100,000 events has a picture of some pages', () => {
    const told: Told[] = [['life.begin'], ...opened, ['master.start']]
    for (let counter = 1; told.length < 100_000; counter += 1) {
      told.push(...checkpoint(1, counter))
      for (let index = 0; index < 30; index += 1) told.push(['source.poll', { uid: 'numbers' }])
      if (counter % 5 === 0) told.push(['disk.state.read', {}, { type: 'delay', ms: 1 }])
    }
    const trace = life(1, 0, [...told, ['life.end']])
    const timeline = timelineOf({ ...small, trace, lives: [ended(1, 'crash')] })
    const text = renderTerminal(timeline, { width: 100, color: false })
    expect(text.split('\n').length).toBeLessThan(1_500)
    expect(renderSvg(timeline).length).toBeLessThan(1_000_000)
    expect(text).toMatch(/\d+ faults/)
  })

  test('a job of a thousand subtasks has a picture of bounded width', () => {
    const svg = renderSvg(timelineOf(wide(50, 20)))
    expect(Number(/width="(\d+)"/.exec(svg)![1])).toBeLessThan(1_600)
    expect(svg.length).toBeLessThan(1_000_000)
  })

  test('many wide checkpoints that all went wrong are drawn in outline', () => {
    const { rows } = timelineOf(wide(50, 20, 12))
    const cells = rows.flatMap((row) => (row.type === 'step' ? [...row.cells.values()] : []))
    const kinds = cells.flat().map(({ kind }) => kind)
    expect(kinds.filter((kind) => kind === 'fault')).toHaveLength(12)
    expect(kinds.length).toBeLessThan(5_000)
  })
})

/** Vertices in a row, each as wide as the others; something strikes each checkpoint's decision. */
function wide(vertices: number, parallelism: number, checkpoints = 1): TimelineInput {
  const places = Array.from({ length: vertices }, (_, vertex) =>
    Array.from({ length: parallelism }, (__, subtask) => ({ uid: `step-${vertex}`, subtask })),
  ).flat()
  const told: Told[] = [
    ['life.begin'],
    ...places.map((place): Told => ['task.open', { ...place, what: place.uid }]),
  ]
  for (let counter = 1; counter <= checkpoints; counter += 1) {
    const checkpointId = checkpointIdOf(1, counter)
    told.push(['coordinator.trigger', { checkpointId }])
    for (const place of places) {
      told.push(['barrier.forward', { ...place, checkpointId }])
      told.push(['snapshot.cut', { ...place, checkpointId }])
    }
    for (const place of places) told.push(['snapshot.acknowledge', { ...place, checkpointId }])
    told.push(['coordinator.written', { checkpointId }, CRASH])
  }
  const trace = life(1, 0, [...told, ['life.end']])
  const close = trace.map((event) => ({ ...event, step: event.step >> 4 }))
  return { ...small, trace: close, lives: [ended(1, 'crash')] }
}

function anyRun(): fc.Arbitrary<TimelineInput> {
  const fault = fc.constantFrom<FaultAction>(
    CRASH,
    { type: 'drop' },
    { type: 'delay', ms: 5 },
    { type: 'errno', errno: 'EIO' },
    { type: 'fence', takeOver: true },
  )
  const other = fc.tuple(
    fc.constantFrom(...faultPointNames),
    fc.record({ uid: fc.constantFrom('numbers', 'sums', 'out', 'x'), subtask: fc.nat(2) }),
    fc.oneof({ weight: 30, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fault }),
  )
  const stretch = fc.oneof(
    fc.array(other, { maxLength: 40 }).map((all) => all.filter(([point]) => !DECIDES.has(point))),
    fc.tuple(fc.integer({ min: 1, max: 30 }), fc.option(fault, { nil: undefined })),
  )
  const lives = fc.array(fc.array(stretch, { maxLength: 12 }), { minLength: 1, maxLength: 4 })
  return lives.map((all) => {
    let step = 0
    const trace = all.flatMap((stretches, index) => {
      const told: Told[] = [['life.begin'], ...opened, ['master.start']]
      for (const one of stretches) {
        if (typeof one[0] === 'number') {
          const [counter, written] = one as readonly [number, FaultAction | undefined]
          told.push(...checkpoint(index + 1, counter, written))
        } else told.push(...(one as readonly Told[]))
      }
      const events = life(index + 1, step, [...told, ['life.end']])
      step += events.length * 3
      return events
    })
    return {
      ...small,
      violations: [],
      trace,
      lives: all.map((_, index) => ended(index + 1, index % 2 === 0 ? 'crash' : 'power-loss')),
    }
  })
}

/** What the property counts is told by whole checkpoints only. */
const DECIDES: ReadonlySet<string> = new Set(['coordinator.written', 'coordinator.trigger'])

/** Tags are closed, attributes are quoted, and between tags stands text. */
function expectXml(svg: string): void {
  const open: string[] = []
  const rest = svg.replaceAll(/<(\/?)([a-z]+)((?: [a-zA-Z:-]+="[^"<>&]*")*)(\/?)>/g, (...found) => {
    const [, end, name, , selfClosing] = found as string[]
    if (end === '/') expect(open.pop()).toBe(name)
    else if (selfClosing !== '/') open.push(name!)
    return ''
  })
  expect(open).toEqual([])
  expect(rest.replaceAll(/&(amp|lt|gt|quot);/g, '')).not.toMatch(/[<>&]/)
}

const SMALL = `sums, seed 7, parallelism 2
✖ coordinator.written #3 → crash
✖ disk.state.read #900 → crash (did not strike)
! I1: 1 × {"sum":3} is published too often

       process coordinator numbers sums          disk
step                       0       0      1

── life 1 starts without a checkpoint at parallelism 2 ─────────────────────────────────────────────
       … 25 steps, 1 checkpoint
25             ▷1.2
40             ◆1.2                                       1.2 is complete
41             C1.2c                                      1.2 is committed
44             ▷1.3
45                         |1.3Sa
48                                 |1.3Sa |1.3Sa state×2
58                                               manifest
59             ◆1.3✖                                      crash at coordinator.written: the
                                                          checkpoint is complete
↯ life 1 is killed at 100 ms: 1.3 is complete, not committed

── life 2 restores 1.3 at parallelism 2 ────────────────────────────────────────────────────────────
62     R←1.3                                              1.3 is verified and restored
63     T                                         publish  claims the target of out, publishes 1 file
67             ▷2.1
82             ◆2.1                                       2.1 is complete
83             C2.1c                                      2.1 is committed
── life 2 finishes, its last checkpoint is 2.1, at 200 ms ──────────────────────────────────────────
! I1: 1 × {"sum":3} is published too often

▷ triggered · |1.2 barrier of checkpoint 1.2 · S snapshot · a acknowledged · ◆ complete · C commit
begins · c committed · R← restored · T target claimed · ✖ fault · ↯ a life is killed · ! an
invariant is broken
`
