import { expect, test } from 'vitest'
import type { StreamNode } from '../graph/stream-graph.ts'
import type { StreamOperator } from '../operator/operator.ts'
import { RecordBatch } from '../stream/record-batch.ts'
import { ChainLink } from './operator-chain.ts'

const taken: unknown[] = []
const operator: StreamOperator = {
  open: () => undefined,
  processBatch: (batch) => taken.push(...batch.rows),
}

function linkOf(node: Partial<StreamNode>): ChainLink {
  return new ChainLink(node as StreamNode, operator, () => true)
}

const KINDS: readonly [Partial<StreamNode>, number][] = [
  [{ kind: 'window-aggregate' }, 2],
  [{ kind: 'interval-join' }, 2],
  [{ kind: 'keyed-process', order: 'event-time' }, 2],
  // A side output of that name is the user's own here.
  [{ kind: 'keyed-process', order: 'arrival' }, 0],
]

test.each(KINDS)('late records of %o that nobody reads are counted: %i', (node, count) => {
  const link = linkOf(node)
  link.emitTo('late', RecordBatch.ofRows([1, 2]))
  link.emitTo('other', RecordBatch.ofRows([3]))
  expect(link.lateDropped).toBe(count)
})

test('late records that somebody reads are delivered, and are not counted', () => {
  const link = linkOf({ kind: 'window-aggregate' })
  link.addChild(linkOf({ kind: 'map' }), 'late')
  link.emitTo('late', RecordBatch.ofRows(['a', 'b']))
  expect([link.lateDropped, link.recordsOut, taken]).toEqual([0, 2, ['a', 'b']])
})
