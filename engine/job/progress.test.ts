import { expect, test } from 'vitest'
import type { JobGraph } from '../graph/job-graph.ts'
import type { SubtaskMetrics } from '../worker/protocol.ts'
import { MIN_WATERMARK } from '../stream/elements.ts'
import { Progress } from './progress.ts'

function graph(eventTime: 'assigns' | undefined): JobGraph {
  const nodes = [
    { name: 'numbers', kind: 'source', runtime: { type: 'source' } },
    { name: 'times', kind: 'map', runtime: { type: 'operator' }, eventTime },
  ]
  const vertices = [{ id: 0, parallelism: 2, chain: nodes, inputs: [] }]
  return { graph: { nodes }, vertices, edges: [] } as unknown as JobGraph
}

function metrics(subtask: number, shares: Partial<SubtaskMetrics>): SubtaskMetrics {
  const counts = { recordsIn: [3, 3], recordsOut: [3, 2], malformed: 1, late: [0, 0] }
  const watermarksMs = [MIN_WATERMARK, MIN_WATERMARK]
  const shared = { watermarkMs: MIN_WATERMARK, watermarksMs, busy: 0, backPressured: 0 }
  return { vertex: 0, subtask, ...counts, ...shared, ...shares }
}

test('counts are of all subtasks, shares of the one with the least left of its time', () => {
  const progress = new Progress(graph('assigns'))
  progress.update([
    metrics(0, { busy: 0.9, backPressured: 0, watermarksMs: [MIN_WATERMARK, 70] }),
    metrics(1, { busy: 0.2, backPressured: 0.75, watermarksMs: [MIN_WATERMARK, 50] }),
  ])
  const shared = { parallelism: 2, busy: 0.2, backPressured: 0.75 }
  expect(progress.steps()).toEqual([
    {
      name: 'numbers',
      type: 'source',
      chained: false,
      recordsIn: 6,
      recordsOut: 6,
      malformed: 2,
      ...shared,
    },
    {
      watermark: 50,
      name: 'times',
      type: 'operator',
      chained: true,
      recordsIn: 6,
      recordsOut: 4,
      ...shared,
    },
  ])
  progress.update([metrics(0, { busy: 0.95, backPressured: 0 })])
  expect(progress.steps()[0]).toMatchObject({ busy: 0.95 })
})

test('before its assigner a step has no watermark; a subtask without a split holds none back', () => {
  const progress = new Progress(graph('assigns'))
  const split = { watermarkMs: 70, split: 0, state: 'read' } as const
  const [none, time] = [MIN_WATERMARK, 70]
  progress.update([
    metrics(0, { watermarksMs: [none, time], lowestSplit: split }),
    metrics(1, { watermarksMs: [none, none] }),
  ])
  expect(progress.steps().map(({ watermark }) => watermark)).toEqual([undefined, 70])
  progress.update([metrics(1, { lowestSplit: { ...split, watermarkMs: none } })])
  expect(progress.steps().map(({ watermark }) => watermark)).toEqual([undefined, 'none'])
})

test('a source says which of its subtasks are paused, and whom they wait for', () => {
  const progress = new Progress(graph('assigns'))
  progress.update([metrics(0, {}), metrics(1, { waitsFor: { vertex: 0, subtask: 0 } })])
  const paused = [{ subtask: 1, waitsFor: { source: 'numbers', subtask: 0 } }]
  expect(progress.steps().map((step) => step.paused)).toEqual([paused, undefined])
  progress.update([metrics(1, {})])
  expect(progress.steps()[0]).not.toHaveProperty('paused')
})

test('a step that drops late records is named once, and its count is that of all subtasks', () => {
  const plan = graph('assigns')
  const node = { name: 'hourly', kind: 'window-aggregate', runtime: { type: 'operator' } }
  const vertices = [{ ...plan.vertices[0]!, chain: [plan.graph.nodes[0]!, node] }]
  const progress = new Progress({ ...plan, vertices } as unknown as JobGraph)
  progress.update([metrics(0, {}), metrics(1, {})])
  expect(progress.takeLateSteps()).toEqual([])
  progress.update([metrics(0, { late: [0, 2] }), metrics(1, { late: [0, 3] })])
  expect(progress.takeLateSteps()).toEqual(['hourly'])
  expect(progress.takeLateSteps()).toEqual([])
  expect(progress.steps().map(({ late }) => late)).toEqual([undefined, 5])
  expect(progress.totals().late).toBe(5)
})

test('a job without event time has no watermarks; nothing is known before the first report', () => {
  expect(new Progress(graph(undefined)).steps()[0]).not.toHaveProperty('watermark')
  const [numbers, times] = new Progress(graph('assigns')).steps()
  expect(numbers).toMatchObject({ recordsIn: 0, busy: 0 })
  expect(numbers).not.toHaveProperty('watermark')
  expect(times).toMatchObject({ recordsIn: 0, watermark: 'none' })
})
