import { expect, test } from 'vitest'
import type { SinkWriter } from '../operator/sink.ts'
import { SinkOperator } from './sink-operator.ts'

function sinkOf(prepareCommit: SinkWriter['prepareCommit']): SinkOperator {
  const writer: SinkWriter = {
    write: () => undefined,
    ready: () => true,
    prepareCommit,
    close: () => Promise.resolve(),
  }
  return new SinkOperator('out', { subtask: 0 }, writer)
}

test('what an aborted checkpoint had cut is declared until it is confirmed', async () => {
  const sink = sinkOf((id) => Promise.resolve([`file-${id}`]))
  await sink.prepareCommit(1)
  const declared = await sink.prepareCommit(2)
  expect(declared.map(({ bornAt, effect }) => [bornAt, effect])).toEqual([
    [1, 'file-1'],
    [2, 'file-2'],
  ])
  sink.confirm(1)
  expect((await sink.prepareCommit(3)).map(({ bornAt }) => bornAt)).toEqual([2, 3])
})

test('a sink that is cut twice for a checkpoint, or for an earlier one, is a bug', async () => {
  const sink = sinkOf(() => Promise.resolve([]))
  await sink.prepareCommit(2)
  for (const id of [1, 2]) {
    expect(() => sink.prepareCommit(id)).toThrow('once for a checkpoint')
  }
})
