import { expect, test } from 'vitest'
import { sha256Hex } from '../base/hash.ts'
import type { FileReference } from '../checkpoint/snapshot.ts'
import { BroadcastState } from './broadcast-state.ts'
import type { StateDescriptor } from './state.ts'

const RULES = {
  type: 'map',
  name: 'rules',
  key: { kind: 'utf8' },
  value: { kind: 'packed' },
} as const satisfies StateDescriptor

function reference(bytes: Uint8Array): FileReference {
  return { path: 'state/broadcast-1', bytes: bytes.length, sha256: sha256Hex(bytes) }
}

test('copies that saw the same changes have the same hash, others have not', () => {
  const [left, right] = [new BroadcastState(), new BroadcastState()]
  for (const state of [left, right]) {
    const rules = state.map<string, unknown>(RULES)
    rules.put('b', { limit: -0 })
    rules.put('a', 1n)
    rules.put('c', null)
    rules.remove('c')
  }
  expect(left.snapshot().hash).toBe(right.snapshot().hash)
  right.map<string, unknown>(RULES).put('a', 2n)
  expect(left.snapshot().hash).not.toBe(right.snapshot().hash)
})

test('a restored copy has the same entries in the same order, and the same bytes', () => {
  const state = new BroadcastState()
  const rules = state.map<unknown, unknown>(RULES)
  for (const key of ['z', 'a', '__proto__', null, NaN, [1, 'x']]) rules.put(key, { of: key })
  const { bytes, hash } = state.snapshot()
  rules.clear()
  const restored = new BroadcastState()
  restored.restore(bytes, reference(bytes))
  expect(restored.snapshot().hash).toBe(hash)
  const again = restored.map<unknown, unknown>(RULES)
  expect([...again.entries()].map(([key]) => key)).toEqual([
    'z',
    'a',
    '__proto__',
    null,
    NaN,
    [1, 'x'],
  ])
  expect(again.get(NaN)).toEqual({ of: NaN })
  expect(restored.snapshot().hash).toBe(hash)
  again.put('new', 1)
  expect([...again.entries()].at(-1)).toEqual(['new', 1])
})

test('damaged bytes are refused', () => {
  const state = new BroadcastState()
  state.map<string, unknown>(RULES).put('a', 1)
  const { bytes } = state.snapshot()
  const good = reference(bytes)
  for (const bad of [bytes.with(12, bytes[12]! ^ 1), bytes.subarray(1)]) {
    expect(() => {
      new BroadcastState().restore(bad, good)
    }).toThrow(expect.objectContaining({ code: 'CHECKPOINT_DAMAGED' }))
  }
})
