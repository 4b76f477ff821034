/** What single steps of keyed state promise; whole histories are in the property test. */
import { expect, test } from 'vitest'
import type { FileReference } from '../checkpoint/snapshot.ts'
import type { SchemaData } from '../stream/schema.ts'
import { MemoryDisk } from '../simulation/memory-files.ts'
import type { KeyedStateOptions, KeyedStateStore } from './keyed-state-store.ts'
import type { StateDescriptor } from './state.ts'
import { at, openTestStore } from './testing/open-store.ts'

const COUNT = { type: 'value', name: 'count', value: { kind: 'int32' } } as const
const BOX = { type: 'value', name: 'box', value: { kind: 'packed' } } as const

function openStore(
  disk: MemoryDisk,
  changes: Partial<KeyedStateOptions> = {},
): Promise<KeyedStateStore> {
  return openTestStore(disk.files(), changes)
}

/** A store with `keys` counted, and the chain of its first snapshot. */
async function counted(
  disk: MemoryDisk,
  keys: number,
): Promise<{
  readonly store: KeyedStateStore
  readonly add: (key: unknown, by: number) => void
  readonly chain: readonly FileReference[]
}> {
  const store = await openStore(disk)
  const count = store.value<number>(COUNT)
  const add = (key: unknown, by: number): void => {
    at(store, key)
    count.update((count.value() ?? 0) + by)
  }
  for (let key = 0; key < keys; key += 1) add(key, key)
  const { chain } = await store.snapshot(1).write()
  return { store, add, chain }
}

test('a value handed out before the barrier and changed after it is as it was in the snapshot', async () => {
  const disk = new MemoryDisk()
  const store = await openStore(disk)
  const box = store.value<{ n: number }>(BOX)
  at(store, 'a')
  box.update({ n: 1 })
  const held = box.value()!
  const snapshot = store.snapshot(1)
  held.n = 2
  box.update(held)
  const { chain } = await snapshot.write()
  const restored = await openStore(disk)
  await restored.restore([chain], { descriptors: [BOX], watermarkMs: 0 })
  const again = restored.value<{ n: number }>(BOX)
  at(restored, 'a')
  expect(again.value()).toEqual({ n: 1 })
})

test('a default that is an object is not shared between keys', async () => {
  const store = await openStore(new MemoryDisk())
  const state = store.value<{ n: number }>({ ...BOX, default: { n: 0 } })
  at(store, 'a')
  state.value()!.n = 5
  at(store, 'b')
  expect(state.value()).toEqual({ n: 0 })
})

test('a snapshot writes what changed, and nothing when nothing did', async () => {
  const { store, add, chain } = await counted(new MemoryDisk(), 5_000)
  add(1, 1)
  const second = await store.snapshot(2).write()
  expect(second.chain.slice(0, 1)).toEqual(chain)
  expect(second.chain.length).toBe(2)
  expect(second.bytesWritten).toBeLessThan(chain[0]!.bytes / 20)
  expect(await store.snapshot(3).write()).toEqual({ chain: second.chain, bytesWritten: 0 })
})

test('deltas that outweigh half the base are merged into a new base without tombstones', async () => {
  const disk = new MemoryDisk()
  const { store, add, chain } = await counted(disk, 1_000)
  const count = store.value<number>(COUNT)
  for (let round = 2; round < 5; round += 1) {
    for (let key = 0; key < 600; key += 1) add(key, 1)
    await store.snapshot(round).write()
  }
  for (let key = 0; key < 900; key += 1) {
    at(store, key)
    count.clear()
  }
  let last = await store.snapshot(5).write()
  for (let round = 6; round < 12; round += 1) {
    for (let key = 2_000; key < 2_040; key += 1) add(key, 1)
    last = await store.snapshot(round).write()
    expect(last.chain.length).toBeLessThan(9)
    if (last.chain.length === 1) break
  }
  expect(last.chain.length).toBe(1)
  expect(last.chain[0]!.bytes).toBeLessThan(chain[0]!.bytes / 4)
  const restored = await openStore(disk)
  await restored.restore([last.chain], { descriptors: [COUNT], watermarkMs: 0 })
  const again = restored.value<number>(COUNT)
  at(restored, 10)
  expect(again.value()).toBeUndefined()
  at(restored, 950)
  expect(again.value()).toBe(950)
})

test('many small deltas are merged among themselves', async () => {
  const { store, add, chain } = await counted(new MemoryDisk(), 20_000)
  let last = await store.snapshot(2).write()
  for (let round = 3; round < 40; round += 1) {
    add(round, 1)
    last = await store.snapshot(round).write()
    expect(last.chain.length).toBeLessThan(20)
    expect(last.bytesWritten).toBeLessThan(chain[0]!.bytes / 10)
  }
  expect(last.chain[0]).toEqual(chain[0])
})

test('a restored chain goes on where the key groups are the same', async () => {
  const disk = new MemoryDisk()
  const { chain } = await counted(disk, 2_000)
  const same = await openStore(disk)
  await same.restore([chain], { descriptors: [COUNT], watermarkMs: 0 })
  at(same, 1)
  same.value<number>(COUNT).update(0)
  const next = await same.snapshot(2).write()
  expect(next.chain[0]).toEqual(chain[0])
  const half = await openStore(disk, { range: { first: 0, last: 3 } })
  await half.restore([chain], { descriptors: [COUNT], watermarkMs: 0 })
  const base = await half.snapshot(2).write()
  expect(base.chain.length).toBe(1)
  expect(base.chain[0]!.path).not.toBe(chain[0]!.path)
  expect(base.chain[0]!.bytes).toBeLessThan(chain[0]!.bytes * 0.7)
})

test('a snapshot that was written survives a power loss, one under way leaves the last as it was', async () => {
  const disk = new MemoryDisk()
  const { store, add } = await counted(disk, 100)
  add(1, 1)
  const { chain } = await store.snapshot(2).write()
  add(2, 1)
  let operations = 0
  disk.fault = () => ((operations += 1) === 3 ? 'power-loss' : undefined)
  void store.snapshot(3).write()
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  expect(operations).toBe(3)
  disk.fault = undefined
  const restored = await openStore(disk)
  await restored.restore([chain], { descriptors: [COUNT], watermarkMs: 0 })
  const count = restored.value<number>(COUNT)
  for (let key = 0; key < 100; key += 1) {
    at(restored, key)
    expect(count.value()).toBe(key === 1 ? 2 : key)
  }
})

test('damage of any byte of any file is found before a record is read, and the file is named', async () => {
  const disk = new MemoryDisk()
  const { store, add } = await counted(disk, 50)
  add(1, 1)
  const { chain } = await store.snapshot(2).write()
  for (const reference of chain) {
    const path = `/w/${reference.path}`
    const handle = await disk.files().open(path, 'read')
    const bytes = await handle.read(0, reference.bytes)
    for (let position = 0; position < bytes.length; position += position < 200 ? 1 : 7) {
      await writeFile(disk, path, bytes.with(position, bytes[position]! ^ 0x10))
      await expectDamaged(disk, chain, reference.path)
    }
    await writeFile(disk, path, bytes.subarray(0, bytes.length - 1))
    await expectDamaged(disk, chain, reference.path)
    await disk.files().unlink(path)
    await expectDamaged(disk, chain, reference.path)
    await writeFile(disk, path, bytes)
  }
  await writeFile(disk, `/w/${chain[0]!.path}`, await readFile(disk, `/w/${chain[1]!.path}`))
  await expectDamaged(disk, chain, chain[0]!.path)
})

test('a base that rotted since it was written is found when it is merged', async () => {
  const disk = new MemoryDisk()
  const { store, add, chain } = await counted(disk, 500)
  const path = `/w/${chain[0]!.path}`
  const bytes = await readFile(disk, path)
  await writeFile(disk, path, bytes.with(3_000, bytes[3_000]! ^ 4))
  const writes = async (): Promise<void> => {
    for (let round = 2; round < 9; round += 1) {
      for (let key = 0; key < 500; key += 1) add(key, 1)
      await store.snapshot(round).write()
    }
  }
  await expect(writes()).rejects.toMatchObject({
    code: 'CHECKPOINT_DAMAGED',
    message: expect.stringContaining(chain[0]!.path) as string,
  })
})

async function writeFile(disk: MemoryDisk, path: string, bytes: Uint8Array): Promise<void> {
  const handle = await disk.files().open(path, 'truncate')
  await handle.write(bytes)
  await handle.close()
}

async function readFile(disk: MemoryDisk, path: string): Promise<Uint8Array> {
  const handle = await disk.files().open(path, 'read')
  return handle.read(0, await handle.size())
}

async function expectDamaged(
  disk: MemoryDisk,
  chain: readonly FileReference[],
  path: string,
): Promise<void> {
  const store = await openStore(disk)
  const restore = store.restore([chain], { descriptors: [COUNT], watermarkMs: 0 })
  await expect(restore).rejects.toMatchObject({
    code: 'CHECKPOINT_DAMAGED',
    message: expect.stringContaining(path) as string,
  })
}

test('state of an older schema is read as the present one says', async () => {
  const disk = new MemoryDisk()
  const before = {
    type: 'map',
    name: 'rows',
    key: { kind: 'utf8' },
    value: {
      kind: 'struct',
      fields: [
        { name: 'gone', schema: { kind: 'utf8' } },
        { name: 'clicks', schema: { kind: 'int32' } },
      ],
    },
  } as const satisfies StateDescriptor
  const after = {
    ...before,
    value: {
      kind: 'struct',
      fields: [
        { name: 'added', schema: { kind: 'nullable', of: { kind: 'utf8' } } },
        { name: 'clicks', schema: { kind: 'int64', as: 'bigint' } },
      ],
    },
  } as const satisfies StateDescriptor
  const old = await openStore(disk, { descriptors: [before] })
  const rows = old.map<string, unknown>(before)
  at(old, 'k')
  rows.put('z', { gone: 'x', clicks: 3 })
  rows.put('a', { gone: 'y', clicks: -4 })
  const { chain } = await old.snapshot(1).write()
  const now = await openStore(disk, { descriptors: [after] })
  await now.restore([chain], { descriptors: [before], watermarkMs: 0 })
  const read = now.map<string, unknown>(after)
  at(now, 'k')
  const expected = [
    ['z', { added: null, clicks: 3n }],
    ['a', { added: null, clicks: -4n }],
  ]
  expect([...read.entries()]).toEqual(expected)
  read.put('b', { added: 'new', clicks: 2n ** 40n })
  const mixed = await now.snapshot(2).write()
  expect(mixed.chain.length).toBe(2)
  const later = await openStore(disk, { descriptors: [after] })
  await later.restore([mixed.chain], { descriptors: [after], watermarkMs: 0 })
  at(later, 'k')
  expect([...later.map(after).entries()]).toEqual([
    ...expected,
    ['b', { added: 'new', clicks: 2n ** 40n }],
  ])
})

test('a value that the schema does not hold is refused when it is put, not at the checkpoint', async () => {
  const store = await openStore(new MemoryDisk())
  const count = store.value<unknown>(COUNT)
  const row: SchemaData = { kind: 'struct', fields: [{ name: 'a', schema: { kind: 'utf8' } }] }
  const list = store.list<unknown>({ type: 'list', name: 'list', value: row })
  const map = store.map<string, unknown>({ ...BOX, type: 'map', key: row, value: row })
  at(store, 1)
  const unfit = { code: 'VALUE_UNFIT' }
  expect(() => count.update(1.5)).toThrow(expect.objectContaining(unfit))
  expect(() => list.add({ a: 1 })).toThrow(expect.objectContaining(unfit))
  expect(() => list.update([{ a: 'x' }, {}])).toThrow(expect.objectContaining(unfit))
  expect(() => map.put('k', null)).toThrow(expect.objectContaining(unfit))
  expect([count.value(), list.get(), [...map.entries()]]).toEqual([undefined, [], []])
})

test('state that does not fit is refused, naming operator and state', async () => {
  const now = await openStore(new MemoryDisk(), {
    descriptors: [{ ...COUNT, value: { kind: 'utf8' } }],
  })
  await expect(now.restore([], { descriptors: [COUNT], watermarkMs: 0 })).rejects.toMatchObject({
    code: 'STATE_SCHEMA_CHANGED',
    message: '"visits".count was int32 in the checkpoint, now utf8',
  })
})

test('another maxParallelism is refused', async () => {
  const disk = new MemoryDisk()
  const { chain } = await counted(disk, 10)
  const other = await openStore(disk, { maxParallelism: 16 })
  await expect(
    other.restore([chain], { descriptors: [COUNT], watermarkMs: 0 }),
  ).rejects.toMatchObject({ code: 'STATE_MAX_PARALLELISM' })
})
