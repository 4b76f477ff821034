import { expect, test } from 'vitest'
import { sourceDefinition } from '../../engine/index.ts'
import { readerContext, runReader } from '../testing.ts'
import { collectionSource } from './collection-source.ts'

const records = Array.from({ length: 2_500 }, (_, index) => ({ index }))

test('records come in order, and go on after a restart where they were', async () => {
  const definition = sourceDefinition(collectionSource(records))
  const first = definition.createReader(readerContext())
  const split = { id: 'collection', start: 0, index: 7 }
  first.addSplits([{ ...split, position: undefined }])
  first.noMoreSplits()
  const before = await runReader(first, 1)
  const [position] = first.snapshot()
  expect(position).toEqual({ id: 'collection', position: 1_024, finished: false })

  const second = definition.createReader(readerContext())
  second.addSplits([{ ...split, position: position!.position }])
  second.noMoreSplits()
  const after = await runReader(second)
  expect([...before.rows, ...after.rows]).toEqual(records)
  expect(after.offsets[0]).toBe(1_024)
  expect(after.finished).toEqual([7])
})

test('a subtask without the split is finished at once, an empty array too', async () => {
  const definition = sourceDefinition(collectionSource([]))
  const idle = definition.createReader(readerContext())
  idle.noMoreSplits()
  expect((await runReader(idle)).finished).toEqual([])
  const empty = definition.createReader(readerContext())
  empty.addSplits([{ id: 'collection', start: 0, index: 0, position: undefined }])
  empty.noMoreSplits()
  expect((await runReader(empty)).finished).toEqual([0])
})
