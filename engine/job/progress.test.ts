import { expect, test } from 'vitest'
import type { JobGraph } from '../graph/job-graph.ts'
import type { SubtaskMetrics } from '../worker/protocol.ts'
import { MIN_WATERMARK } from '../stream/elements.ts'
import { Progress } from './progress.ts'

function graph(eventTime: 'assigns' | undefined): JobGraph {
  const nodes = [
    { name: 'numbers', runtime: { type: 'source' } },
    { name: 'times', runtime: { type: 'operator' }, eventTime },
  ]
  const vertices = [{ id: 0, parallelism: 2, chain: nodes }]
  return { graph: { nodes }, vertices, edges: [] } as unknown as JobGraph
}

function metrics(subtask: number, shares: Partial<SubtaskMetrics>): SubtaskMetrics {
  const counts = { recordsIn: [3, 3], recordsOut: [3, 2], malformed: 1, watermarkMs: MIN_WATERMARK }
  return { vertex: 0, subtask, ...counts, busy: 0, backPressured: 0, ...shares }
}

test('counts are of all subtasks, shares of the one with the least left of its time', () => {
  const progress = new Progress(graph('assigns'))
  progress.update([
    metrics(0, { busy: 0.9, backPressured: 0, watermarkMs: 70 }),
    metrics(1, { busy: 0.2, backPressured: 0.75, watermarkMs: 50 }),
  ])
  const shared = { parallelism: 2, busy: 0.2, backPressured: 0.75, watermark: 50 }
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
    { name: 'times', type: 'operator', chained: true, recordsIn: 6, recordsOut: 4, ...shared },
  ])
  progress.update([metrics(0, { busy: 0.95, backPressured: 0 })])
  expect(progress.steps()[0]).toMatchObject({ busy: 0.95, watermark: 'none' })
})

test('a job without event time has no watermarks; nothing is known before the first report', () => {
  expect(new Progress(graph(undefined)).steps()[0]).not.toHaveProperty('watermark')
  expect(new Progress(graph('assigns')).steps()[0]).toMatchObject({
    recordsIn: 0,
    busy: 0,
    watermark: 'none',
  })
})
