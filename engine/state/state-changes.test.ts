/** States that are renamed and dropped while a checkpoint is restored, in real files. */
import { expect, test } from 'vitest'
import { readWholeFile } from '../base/files.ts'
import { sha256Hex } from '../base/hash.ts'
import type { FileReference } from '../checkpoint/snapshot.ts'
import { keyHash } from '../stream/key-codec.ts'
import { keyGroupOf } from '../stream/keys.ts'
import { MemoryDisk } from '../simulation/memory-files.ts'
import { BroadcastState } from './broadcast-state.ts'
import type { KeyedStateOptions, KeyedStateStore } from './keyed-state-store.ts'
import type { StateChange } from './state-changes.ts'
import { changedState } from './state-changes.ts'
import type { StateDescriptor } from './state.ts'
import { at, openTestStore } from './testing/open-store.ts'

const struct = (...names: readonly string[]): StateDescriptor['value'] => ({
  kind: 'struct',
  fields: names.map((name) => ({ name, schema: { kind: 'int32' } })),
})
const TALLY = { type: 'value', name: 'tally', value: struct('n', 'm') } as const
const ITEMS = { type: 'list', name: 'items', value: { kind: 'utf8' } } as const
const PAGES = {
  type: 'map',
  name: 'pages',
  key: { kind: 'utf8' },
  value: { kind: 'int32' },
} as const
const BEFORE = [TALLY, ITEMS, PAGES]
const KEYS = Array.from({ length: 40 }, (_, key) => `k${key}`)

/** A base and a delta, in which all three states have changed, been deleted and written again. */
async function written(disk: MemoryDisk): Promise<readonly FileReference[]> {
  const store = await openTestStore(disk.files(), { descriptors: BEFORE })
  const [tally, items, pages] = [store.value(TALLY), store.list(ITEMS), store.map(PAGES)]
  const write = (keys: readonly string[], n: number): void => {
    for (const key of keys) {
      at(store, key)
      tally.update({ n, m: n + 1 })
      items.update([key, String(n)])
      pages.clear()
      pages.put('home', n)
      store.timers.registerEventTimeTimer(1_000 + n)
    }
  }
  write(KEYS, 1)
  await store.snapshot(1).write()
  write(KEYS.slice(0, 3), 2)
  at(store, KEYS[4]!)
  for (const state of [tally, items, pages]) state.clear()
  const { chain } = await store.snapshot(2).write()
  expect(chain).toHaveLength(2)
  return chain
}

const TOTAL = { type: 'value', name: 'total', value: struct('count', 'm') } as const
/** Has the name of the map that is dropped, and another type. */
const NEW = { type: 'value', name: 'pages', value: { kind: 'utf8' } } as const
const AFTER = [NEW, TOTAL, ITEMS]
const CHANGES: readonly StateChange[] = [
  { path: 'tally', to: 'total' },
  { path: 'tally.n', to: 'count' },
  { path: 'pages', to: undefined },
]

async function restored(
  disk: MemoryDisk,
  chain: readonly FileReference[],
  changes: readonly StateChange[],
  more: Partial<KeyedStateOptions> = {},
): Promise<KeyedStateStore> {
  const store = await openTestStore(disk.files(), { descriptors: AFTER, ...more })
  const was = changes.length > 0 ? BEFORE : AFTER
  const descriptors = was.flatMap((state) => changedState(state, changes) ?? [])
  await store.restore([chain], { descriptors, changes, watermarkMs: 0 })
  return store
}

/** What the changed job finds; `late` is what it has written itself since. */
function expectChanged(store: KeyedStateStore, late: readonly string[] = []): void {
  const [total, items, pages] = [store.value(TOTAL), store.list(ITEMS), store.value(NEW)]
  for (const [index, key] of KEYS.entries()) {
    at(store, key)
    const n = index < 3 ? 2 : 1
    expect(total.value()).toEqual(index === 4 ? undefined : { count: n, m: n + 1 })
    expect(items.get()).toEqual(index === 4 ? [] : [key, String(n)])
    expect(pages.value()).toBe(late.includes(key) ? 'late' : undefined)
  }
}

test('renamed states and fields are found, dropped ones are gone, also where a new one has the name', async () => {
  const disk = new MemoryDisk()
  const chain = await written(disk)
  for (const more of [{}, { cacheBytes: 2_000 }]) {
    const store = await restored(disk, chain, CHANGES, more)
    expectChanged(store)
    const fired: number[] = []
    store.timers.fireEventTime(
      2_000,
      (atMs) => fired.push(atMs),
      () => true,
    )
    expect(fired.length).toBe(KEYS.length + 3)
  }
})

test('the first snapshot holds nothing of the old names, and is restored without a change', async () => {
  const disk = new MemoryDisk()
  const chain = await written(disk)
  const store = await restored(disk, chain, CHANGES, { cacheBytes: 2_000 })
  const late = [KEYS[0]!, KEYS[4]!, KEYS[9]!]
  for (const key of late) {
    at(store, key)
    store.value(NEW).update('late')
  }
  const { chain: next } = await store.snapshot(3).write()
  expect(next).toHaveLength(1)
  const bytes = await readWholeFile(disk.files(), `/w/${next[0]!.path}`)
  expect(Buffer.from(bytes).includes('tally')).toBe(false)
  expectChanged(await restored(disk, next, []), late)
  // And so goes on from there, as any chain.
  at(store, KEYS[1]!)
  store.value(NEW).update('late')
  const { chain: two } = await store.snapshot(4).write()
  expect(two[0]).toEqual(next[0])
  expectChanged(await restored(disk, two, []), [...late, KEYS[1]!])
  // Until it is complete the old files are as they were.
  expectChanged(await restored(disk, chain, CHANGES))
})

test('a snapshot that fails leaves the change to the next one', async () => {
  const disk = new MemoryDisk()
  const store = await restored(disk, await written(disk), CHANGES)
  disk.fault = ({ kind }) => (kind === 'write' ? { errno: 'ENOSPC' } : undefined)
  await expect(store.snapshot(3).write()).rejects.toBeDefined()
  disk.fault = undefined
  const { chain } = await store.snapshot(4).write()
  expect(chain).toHaveLength(1)
  expectChanged(await restored(disk, chain, []))
})

test('two states that change names are not mixed up, and half of the key groups is as good', async () => {
  const disk = new MemoryDisk()
  const [a, b] = ['a', 'b'].map((name) => ({ ...TALLY, name, value: struct(name) }))
  const store = await openTestStore(disk.files(), { descriptors: [a!, b!] })
  for (const key of KEYS) {
    at(store, key)
    store.value(a!).update({ a: 1 })
    store.value(b!).update({ b: 2 })
  }
  const { chain } = await store.snapshot(1).write()
  const swap = [
    { path: 'a', to: 'b' },
    { path: 'b', to: 'a' },
  ]
  const [newA, newB] = [
    { ...b!, name: 'a' },
    { ...a!, name: 'b' },
  ]
  for (const range of [
    { first: 0, last: 3 },
    { first: 4, last: 7 },
  ]) {
    const descriptors = [newA, newB]
    const half = await openTestStore(disk.files(), { descriptors, range })
    await half.restore([chain], { descriptors: [newB, newA], changes: swap, watermarkMs: 0 })
    const next = await half.snapshot(2).write()
    const again = await openTestStore(disk.files(), { descriptors, range })
    await again.restore([next.chain], { descriptors, watermarkMs: 0 })
    const own = KEYS.filter((key) => {
      const group = keyGroupOf(keyHash(key), 8)
      return group >= range.first && group <= range.last
    })
    expect(own.length).toBeGreaterThan(5)
    for (const key of own) {
      at(again, key)
      expect(again.value(newA).value()).toEqual({ b: 2 })
      expect(again.value(newB).value()).toEqual({ a: 1 })
    }
  }
})

test('broadcast state is renamed and dropped too', () => {
  const rules = { ...PAGES, name: 'rules' }
  const before = new BroadcastState()
  before.map<string, number>(PAGES).put('x', 1)
  before.map<string, number>(rules).put('y', 2)
  const { bytes } = before.snapshot()
  const reference = { path: 'state/b', bytes: bytes.length, sha256: sha256Hex(bytes) }
  const changes = [
    { path: 'pages', to: undefined },
    { path: 'rules', to: 'laws' },
  ]
  const after = new BroadcastState()
  after.restore(bytes, reference, changes)
  expect([...after.map({ ...PAGES, name: 'laws' }).entries()]).toEqual([['y', 2]])
  expect([...after.map(PAGES).entries()]).toEqual([])
})
