/**
 * Files of state of format 1, as they were written once, can be read: what this test reads is never
 * written again. A changed format gets a number and a fixture of its own.
 */
import { readFile, readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { systemDoors } from '../base/doors.ts'
import { sha256Hex } from '../base/hash.ts'
import { silentLogger } from '../base/logger.ts'
import type { FileReference } from '../checkpoint/snapshot.ts'
import { keyHash } from '../stream/key-codec.ts'
import { MemoryStore } from './key-value-store.ts'
import { KeyedStateStore } from './keyed-state-store.ts'
import type { StateDescriptor } from './state.ts'

const DESCRIPTORS = [
  {
    type: 'value',
    name: 'visit',
    value: {
      kind: 'struct',
      fields: [
        { name: 'text', schema: { kind: 'utf8' } },
        { name: 'count', schema: { kind: 'int32' } },
        { name: 'total', schema: { kind: 'int64', as: 'bigint' } },
        { name: 'big', schema: { kind: 'int64', as: 'number' } },
        { name: 'rate', schema: { kind: 'float64' } },
        { name: 'yes', schema: { kind: 'bool' } },
        { name: 'bytes', schema: { kind: 'binary' } },
        { name: 'at', schema: { kind: 'timestamp' } },
        { name: 'day', schema: { kind: 'date' } },
        { name: 'price', schema: { kind: 'decimal', precision: 9, scale: 2 } },
        { name: 'tags', schema: { kind: 'list', item: { kind: 'utf8' } } },
        { name: 'note', schema: { kind: 'nullable', of: { kind: 'utf8' } } },
        { name: 'any', schema: { kind: 'packed' } },
      ],
    },
  },
  { type: 'list', name: 'items', value: { kind: 'packed' } },
  { type: 'map', name: 'pages', key: { kind: 'utf8' }, value: { kind: 'int32' } },
] as const satisfies readonly StateDescriptor[]

const VISIT = {
  text: 'é\ud800',
  count: -0,
  total: -(2n ** 63n),
  big: 2 ** 53 - 1,
  rate: NaN,
  yes: true,
  bytes: new Uint8Array([0, 255]),
  at: 1_700_000_000_123,
  day: '2026-11-24',
  price: '-12.30',
  tags: ['', 'x'],
  note: null,
  any: { a: [1, -0, undefined], b: new Map([[1n, new Date(5)]]) },
}

const ITEMS = [2n ** 80n, { plain: ['text', 1.5, null] }, 'last']
const KEYS = [1, -5, 'user', null, 1.5, NaN, 7n, true, ['a', 1], { x: 'y' }, new Uint8Array([9])]

test('a chain of format 1 is read', async () => {
  const folder = fileURLToPath(new URL('../../tests/golden/state-format-1', import.meta.url))
  const chain: FileReference[] = []
  for (const name of (await readdir(`${folder}/state`)).sort()) {
    const bytes = await readFile(`${folder}/state/${name}`)
    chain.push({ path: `state/${name}`, bytes: bytes.length, sha256: sha256Hex(bytes) })
  }
  expect(chain.length).toBe(2)
  const store = openAt(folder)
  await store.restore([chain], { descriptors: DESCRIPTORS, watermarkMs: 0 })
  const [visit, items, pages] = DESCRIPTORS
  for (const key of KEYS) {
    store.setCurrentKey(key, keyHash(key))
    expect(store.value(visit).value()).toEqual(key === 1 ? undefined : VISIT)
    expect(store.list(items).get()).toEqual(key === 1 ? [] : ITEMS)
    expect([...store.map(pages).entries()]).toEqual(
      key === 1
        ? [['new', 4]]
        : [
            ['z', 1],
            ['a', 2],
          ],
    )
  }
  const fired: unknown[] = []
  store.timers.fireEventTime(
    1_000,
    (atMs) => fired.push([atMs, store.currentKey]),
    () => true,
  )
  expect(fired.length).toBe(KEYS.length)
  expect(fired[0]).toEqual([-1.5, 'user'])
  expect(store.timers.nextProcessingTimeMs()).toBe(77)
})

function openAt(workDir: string): KeyedStateStore {
  return new KeyedStateStore({
    uid: 'golden',
    subtask: 0,
    range: { first: 0, last: 7 },
    maxParallelism: 8,
    descriptors: DESCRIPTORS,
    cacheBytes: 1e9,
    doors: systemDoors(silentLogger),
    workDir,
    name: () => 'unused',
    openStore: () => new MemoryStore(),
  })
}
