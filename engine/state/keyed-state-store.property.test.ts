/**
 * Random histories of keyed state against a plain model: operations on strange keys, snapshots that
 * are written at once, later, never or in vain, restores at any parallelism, caches so small that
 * nearly everything lives in the scratch store.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import { makeDirectories } from '../base/files.ts'
import { silentLogger } from '../base/logger.ts'
import { seededRandom } from '../base/random.ts'
import type { FileReference } from '../checkpoint/snapshot.ts'
import { keyHash } from '../stream/key-codec.ts'
import { keyGroupOf, keyGroupRange, subtaskOfKeyGroup } from '../stream/keys.ts'
import { MemoryDisk } from '../simulation/memory-files.ts'
import { MemoryStore } from './key-value-store.ts'
import type { PendingSnapshot } from './keyed-state-store.ts'
import { KeyedStateStore } from './keyed-state-store.ts'
import type { ListState, MapState, StateDescriptor, ValueState } from './state.ts'
import { StateModel, textOf } from './testing/state-model.ts'

const MAX_PARALLELISM = 8

const KEYS: readonly unknown[] = [
  ...Array.from({ length: 12 }, (_, index) => index),
  null,
  NaN,
  -0.5,
  -1,
  2 ** 40,
  1n,
  -(2n ** 70n),
  '',
  'a',
  '1',
  '__proto__',
  '\u0000x',
  'é😀\ud800',
  'x'.repeat(100_000),
  true,
  new Uint8Array([1, 2]),
  [1, 'a', [null]],
  JSON.parse('{"__proto__": 1, "b": {"c": []}}'),
]

const VALUES: readonly unknown[] = [
  undefined,
  null,
  -0,
  NaN,
  'text',
  2n ** 80n,
  { n: 1 },
  { n: -0, deep: { list: [1, { x: new Map([[1, 2]]) }] } },
  JSON.parse('{"__proto__": {"n": 5}, "n": 1}'),
  'y'.repeat(3_000),
]

const DESCRIPTORS = {
  value: { type: 'value', name: 'value', value: { kind: 'packed' } },
  count: { type: 'value', name: 'count', value: { kind: 'int32' }, default: 7 },
  list: { type: 'list', name: 'list', value: { kind: 'packed' } },
  map: { type: 'map', name: 'map', key: { kind: 'packed' }, value: { kind: 'packed' } },
} as const satisfies Record<string, StateDescriptor>

interface Subtask {
  readonly store: KeyedStateStore
  readonly value: ValueState<unknown, unknown>
  readonly count: ValueState<number, number | undefined>
  readonly list: ListState<unknown>
  readonly map: MapState<unknown, unknown>
}

/** The subtasks of one operator over several lives, and what they should hold. */
class Rig {
  readonly disk = new MemoryDisk()
  readonly #cacheBytes: number
  subtasks: Subtask[] = []
  model = new StateModel()
  latest: { readonly chains: FileReference[][]; readonly model: StateModel } | undefined
  #writing: Promise<void>[] = []
  #later: (() => Promise<void>)[] = []
  #checkpoint = 0
  #files = 0

  constructor(cacheBytes: number) {
    this.#cacheBytes = cacheBytes
  }

  async start(parallelism: number): Promise<void> {
    await makeDirectories(this.disk.files(), '/w/state')
    this.subtasks = []
    for (let subtask = 0; subtask < parallelism; subtask += 1) {
      this.subtasks.push(await this.#open(subtask, parallelism))
    }
  }

  at(key: unknown): Subtask {
    const hash = keyHash(key)
    const group = keyGroupOf(hash, MAX_PARALLELISM)
    const subtask = this.subtasks[subtaskOfKeyGroup(group, MAX_PARALLELISM, this.subtasks.length)]!
    subtask.store.setCurrentKey(key, hash)
    return subtask
  }

  snapshot(how: 'write' | 'later' | 'discard' | 'fail'): void {
    this.#checkpoint += 1
    const id = this.#checkpoint
    const model = this.model.copy()
    const pending = this.subtasks.map(({ store }) => store.snapshot(id))
    if (how === 'discard') return
    if (how === 'later') {
      this.#later.push(() => this.#write(pending, model, false))
      return
    }
    this.#writing.push(this.#write(pending, model, how === 'fail'))
  }

  async settle(): Promise<void> {
    this.#writing.push(...this.#later.map((write) => write()))
    this.#later = []
    await Promise.all(this.#writing)
    this.#writing = []
  }

  /** Ends all subtasks; the latest snapshot goes on in `parallelism` new ones. */
  async restore(parallelism: number): Promise<void> {
    await this.settle()
    for (const { store } of this.subtasks) await store.close()
    this.model = this.latest?.model.copy() ?? new StateModel()
    await this.start(parallelism)
  }

  async #write(pending: PendingSnapshot[], model: StateModel, fails: boolean): Promise<void> {
    if (fails) {
      let left = 3
      this.disk.fault = ({ kind, path }) => {
        if (!path.startsWith('/w/state')) return undefined
        if (kind !== 'write' && kind !== 'sync' && kind !== 'open') return undefined
        left -= 1
        return left < 0 ? { errno: 'ENOSPC' } : undefined
      }
    }
    const written = await Promise.allSettled(pending.map((snapshot) => snapshot.write()))
    this.disk.fault = undefined
    const chains: FileReference[][] = []
    for (const result of written) {
      if (result.status === 'rejected') {
        const { code } = result.reason as { readonly code: string }
        expect(['FILE_IO', 'CHECKPOINT_EXPIRED']).toContain(code)
        return
      }
      chains.push([...result.value.chain])
    }
    this.latest = { chains, model }
  }

  async #open(subtask: number, parallelism: number): Promise<Subtask> {
    const store = new KeyedStateStore({
      uid: 'rig',
      subtask,
      range: keyGroupRange(subtask, MAX_PARALLELISM, parallelism),
      maxParallelism: MAX_PARALLELISM,
      descriptors: Object.values(DESCRIPTORS),
      cacheBytes: this.#cacheBytes,
      doors: {
        clock: systemClock,
        files: this.disk.files(),
        random: seededRandom(1),
        logger: silentLogger,
      },
      workDir: '/w',
      name: () => `f${(this.#files += 1)}`,
      openStore: () => new MemoryStore(),
    })
    await store.open()
    if (this.latest !== undefined) {
      const descriptors = Object.values(DESCRIPTORS)
      await store.restore(this.latest.chains, { descriptors, watermarkMs: 0 })
    }
    return {
      store,
      value: store.value(DESCRIPTORS.value),
      count: store.value(DESCRIPTORS.count),
      list: store.list(DESCRIPTORS.list),
      map: store.map(DESCRIPTORS.map),
    }
  }
}

type Step = (rig: Rig) => void | Promise<void>

function step(name: string, run: Step): Step {
  return Object.defineProperty(run, fc.toStringMethod, { value: () => name })
}

const key = fc.nat(KEYS.length - 1).map((index) => KEYS[index])
const value = fc.nat(VALUES.length - 1).map((index) => VALUES[index])

function copyOf(given: unknown): unknown {
  return structuredClone(given)
}

const onKey: fc.Arbitrary<Step>[] = [
  fc.tuple(key, value).map(([own, given]) =>
    step(`update ${String(own).slice(0, 9)}`, (rig) => {
      rig.at(own).value.update(copyOf(given))
      rig.model.entry(own).value = copyOf(given)
    }),
  ),
  key.map((own) =>
    step(`mutate ${String(own).slice(0, 9)}`, (rig) => {
      const { value: state } = rig.at(own)
      const found = state.value()
      const entry = rig.model.entry(own)
      expect(found).toEqual(entry.value)
      if (typeof found !== 'object' || found === null) return
      for (const each of [found, entry.value]) {
        const object = each as { n: number; deep?: { list: unknown[] } }
        object.n += 1
        object.deep?.list.push(object.n)
      }
      state.update(found)
    }),
  ),
  key.map((own) =>
    step(`count ${String(own).slice(0, 9)}`, (rig) => {
      const { count } = rig.at(own)
      const entry = rig.model.entry(own)
      expect(count.value()).toBe(entry.count ?? 7)
      entry.count = (entry.count ?? 7) + 1
      count.update(count.value()! + 1)
    }),
  ),
  key.map((own) =>
    step(`clear ${String(own).slice(0, 9)}`, (rig) => {
      const subtask = rig.at(own)
      const entry = rig.model.entry(own)
      subtask.value.clear()
      subtask.count.clear()
      entry.value = undefined
      entry.count = undefined
    }),
  ),
  fc.tuple(key, value).map(([own, given]) =>
    step(`add ${String(own).slice(0, 9)}`, (rig) => {
      const { list } = rig.at(own)
      const entry = rig.model.entry(own)
      list.add(copyOf(given))
      entry.list.push(copyOf(given))
      expect(list.get()).toEqual(entry.list)
    }),
  ),
  fc.tuple(key, fc.array(value, { maxLength: 3 })).map(([own, given]) =>
    step(`replace ${String(own).slice(0, 9)}`, (rig) => {
      rig.at(own).list.update(given.map(copyOf))
      rig.model.entry(own).list = given.map(copyOf)
    }),
  ),
  fc.tuple(key, key, value).map(([own, field, given]) =>
    step(`put ${String(own).slice(0, 9)}`, (rig) => {
      const { map } = rig.at(own)
      map.put(field, copyOf(given))
      const entry = rig.model.entry(own)
      const there = entry.map.get(textOf(field))
      if (there === undefined) entry.map.set(textOf(field), { key: field, value: copyOf(given) })
      else there.value = copyOf(given)
    }),
  ),
  fc.tuple(key, key).map(([own, field]) =>
    step(`remove ${String(own).slice(0, 9)}`, (rig) => {
      const { map } = rig.at(own)
      const entry = rig.model.entry(own)
      expect(map.get(field)).toEqual(entry.map.get(textOf(field))?.value)
      expect(map.has(field)).toBe(entry.map.has(textOf(field)))
      map.remove(field)
      entry.map.delete(textOf(field))
    }),
  ),
  key.map((own) =>
    step(`clear all ${String(own).slice(0, 9)}`, (rig) => {
      const subtask = rig.at(own)
      const entry = rig.model.entry(own)
      subtask.map.clear()
      subtask.list.clear()
      entry.map.clear()
      entry.list = []
    }),
  ),
  fc.tuple(key, fc.nat(20), fc.boolean()).map(([own, atMs, isEvent]) =>
    step(`timer ${String(own).slice(0, 9)} ${atMs}`, (rig) => {
      const { timers } = rig.at(own).store
      const entry = rig.model.entry(own)
      if (isEvent) timers.registerEventTimeTimer(atMs)
      else timers.registerProcessingTimeTimer(atMs)
      ;(isEvent ? entry.eventTimers : entry.processingTimers).add(atMs)
    }),
  ),
  fc.tuple(key, fc.nat(20), fc.boolean()).map(([own, atMs, isEvent]) =>
    step(`no timer ${String(own).slice(0, 9)} ${atMs}`, (rig) => {
      const { timers } = rig.at(own).store
      const entry = rig.model.entry(own)
      if (isEvent) timers.deleteEventTimeTimer(atMs)
      else timers.deleteProcessingTimeTimer(atMs)
      ;(isEvent ? entry.eventTimers : entry.processingTimers).delete(atMs)
    }),
  ),
]

const onAll: fc.Arbitrary<Step>[] = [
  fc.nat(20).map((ms) => step(`fire ${ms}`, (rig) => fire(rig, ms))),
  fc
    .constantFrom('write', 'later', 'later', 'discard', 'fail' as const)
    .map((how) => step(`snapshot ${how}`, (rig) => rig.snapshot(how))),
  fc.constant(step('settle', (rig) => rig.settle())),
  fc.constant(step('tick', () => new Promise((resolve) => setImmediate(resolve)))),
  fc
    .integer({ min: 1, max: 4 })
    .map((parallelism) => step(`restore ${parallelism}`, (rig) => rig.restore(parallelism))),
]

function fire(rig: Rig, ms: number): void {
  const fired = rig.subtasks.map(({ store }) => {
    const own: { atMs: number; key: string }[] = []
    store.timers.fireEventTime(
      ms,
      (atMs) => own.push({ atMs, key: textOf(store.currentKey) }),
      () => true,
    )
    const sorted = [...own].sort((a, b) => a.atMs - b.atMs || (a.key < b.key ? -1 : 1))
    expect(own).toEqual(sorted)
    return own
  })
  const all = fired.flat().sort((a, b) => a.atMs - b.atMs || (a.key < b.key ? -1 : 1))
  expect(all).toEqual(rig.model.takeEventTimers(ms))
}

/** Everything the store holds equals the model. */
function check(rig: Rig): void {
  for (const own of KEYS) {
    const { value: state, count, list, map } = rig.at(own)
    const entry = rig.model.entry(own)
    expect(state.value()).toEqual(entry.value)
    expect(count.value()).toBe(entry.count ?? 7)
    expect(list.get()).toEqual(entry.list)
    const items = [...entry.map.values()].map((item) => [item.key, item.value])
    expect([...map.entries()]).toEqual(items)
  }
  const due: number[] = []
  for (const { store } of rig.subtasks) {
    store.timers.fireProcessingTime(
      1e15,
      (atMs) => due.push(atMs),
      () => true,
    )
  }
  const expected = [...rig.model.entries.values()].flatMap((entry) => [...entry.processingTimers])
  expect(due.sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b))
  fire(rig, 1e15)
}

const history = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.oneof(...onKey) },
    { weight: 1, arbitrary: fc.oneof(...onAll) },
  ),
  { maxLength: 120, size: 'max' },
)

test.each([[1], [3_000], [1_000_000]])(
  'any history leaves what a plain model has, with a cache of %i bytes',
  async (cacheBytes) => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3 }), history, async (parallelism, steps) => {
        const rig = new Rig(cacheBytes)
        await rig.start(parallelism)
        for (const run of steps) await run(rig)
        await rig.settle()
        const live = rig.latest
        check(rig)
        rig.latest = live
        await rig.restore(parallelism)
        check(rig)
      }),
      { numRuns: Number(process.env['MILLRACE_TEST_RUNS'] ?? 10) },
    )
  },
  120_000,
)
