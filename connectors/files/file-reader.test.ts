import { expect, test } from 'vitest'
import { MemoryDisk } from '../../engine/simulation/memory-files.ts'
import { sourceDefinition } from '../../engine/index.ts'
import { text } from '../formats/text-format.ts'
import { readerContext, runReader, testDoors } from '../testing.ts'
import { fileSource } from './file-source.ts'

test('a reader is closed when the files that it has read to their end are', async () => {
  let release = (): void => undefined
  const held = new Promise<void>((done) => {
    release = done
  })
  // The file's beginning is looked at before and after the reading: these handles are let go.
  let looks = Infinity
  const disk = new MemoryDisk({
    gate: ({ kind }) => {
      if (kind === 'close') looks -= 1
      return looks < 0 ? held : Promise.resolve()
    },
  })
  const files = disk.files()
  const handle = await files.open('/lines.txt', 'create')
  await handle.write(new TextEncoder().encode('one\ntwo\n'))
  await handle.close()
  const definition = sourceDefinition(fileSource({ path: '/lines.txt', format: text() }))
  const doors = testDoors({ files })
  const enumerator = definition.createEnumerator({ uid: 'lines', doors, parallelism: 1 })
  const { splits } = await enumerator.discover([])
  looks = 2
  const context = readerContext({ files })
  const reader = definition.createReader(context)
  reader.addSplits(splits.map((split, index) => ({ ...split, index, position: undefined })))
  reader.noMoreSplits()
  expect((await runReader(reader, Infinity, context)).rows).toEqual(['one', 'two'])
  let isClosed = false
  const closed = reader.close().then(() => {
    isClosed = true
  })
  await new Promise((turn) => setImmediate(turn))
  expect(isClosed).toBe(false)
  release()
  await closed
})
