import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemFiles } from '../base/files.ts'
import { MemoryDisk } from '../simulation/memory-files.ts'
import type { KeyValueStore } from './key-value-store.ts'
import type { KeyedStateStore } from './keyed-state-store.ts'
import { openLevelStore } from './level-store.ts'
import { at, openTestStore } from './testing/open-store.ts'

const COUNT = { type: 'value', name: 'count', value: { kind: 'int32' } } as const

test('an error of the scratch store fails the next call, and nothing waits for it', async () => {
  const broken: KeyValueStore = {
    getSync: () => undefined,
    batch: () => Promise.reject(new Error('disk on fire')),
    close: () => Promise.resolve(),
  }
  const store = await openTestStore(new MemoryDisk().files(), {
    cacheBytes: 1_000,
    openStore: () => broken,
  })
  const count = store.value<number>(COUNT)
  const fill = async (): Promise<void> => {
    for (let key = 0; key < 100; key += 1) {
      at(store, key)
      count.update(1)
      if (!store.isReady) await store.whenReady()
    }
  }
  await expect(fill()).rejects.toMatchObject({ code: 'STATE_STORE_FAILED' })
})

test('one key larger than the cache does not stop the task', async () => {
  const store = await openTestStore(new MemoryDisk().files(), { cacheBytes: 1_000 })
  const list = store.list<string>({ type: 'list', name: 'list', value: { kind: 'utf8' } })
  at(store, 'a')
  for (let index = 0; index < 100; index += 1) list.add('x'.repeat(100))
  await store.whenReady()
  expect(store.isReady).toBe(true)
  expect(list.get().length).toBe(100)
})

test('what does not fit the heap is in LevelDB, and the heap stays within its budget', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-level-'))
  try {
    const open = (name: string): Promise<KeyedStateStore> =>
      openTestStore(systemFiles, {
        cacheBytes: 100_000,
        workDir: directory,
        openStore: () => openLevelStore(join(directory, name)),
      })
    const store = await open('first')
    const count = store.value<number>(COUNT)
    for (let round = 0; round < 2; round += 1) {
      for (let key = 0; key < 3_000; key += 1) {
        at(store, `key-${key}`)
        count.update((count.value() ?? 0) + key)
        if (!store.isReady) await store.whenReady()
        expect(store.heapBytes).toBeLessThan(126_000)
      }
    }
    const { chain } = await store.snapshot(1).write()
    await store.close()
    const again = await open('second')
    await again.restore([chain], { descriptors: [COUNT], watermarkMs: 0 })
    expect(again.heapBytes).toBeLessThan(100_000)
    const restored = again.value<number>(COUNT)
    for (let key = 0; key < 3_000; key += 1) {
      at(again, `key-${key}`)
      expect(restored.value()).toBe(key * 2)
    }
    await again.close()
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
