/**
 * How fast keyed state is: `setCurrentKey`, `value`, `update`, one thread, by kind and number of
 * keys. Then a snapshot of all of it, a second one of a hundredth, and a restore.
 *
 * The oracle: every key's count is counted beside it in an array, and compared at the end, in the
 * store and in the restored one. Times are processor time, so that neighbours do not count.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemDoors } from '../engine/base/doors.ts'
import { makeDirectories, systemFiles } from '../engine/base/files.ts'
import { silentLogger } from '../engine/base/logger.ts'
import { KeyedStateStore } from '../engine/state/keyed-state-store.ts'
import { openLevelStore } from '../engine/state/level-store.ts'
import { keyHash } from '../engine/stream/key-codec.ts'

const COUNT = { type: 'value', name: 'count', value: { kind: 'int32' }, default: 0 } as const
const MAX_PARALLELISM = 128
const ROUNDS = 5_000_000
const DISK_ROUNDS = 500_000
const SLICE = 4_096

interface Case {
  readonly name: string
  readonly keys: () => readonly unknown[]
  readonly cacheBytes: number
  readonly rounds: number
}

let files = 0

function openStore(workDir: string, cacheBytes: number): KeyedStateStore {
  files += 1
  const scratch = join(workDir, 'scratch', `level-${files}`)
  return new KeyedStateStore({
    uid: 'bench',
    subtask: 0,
    range: { first: 0, last: MAX_PARALLELISM - 1 },
    maxParallelism: MAX_PARALLELISM,
    descriptors: [COUNT],
    cacheBytes,
    doors: systemDoors(silentLogger),
    workDir,
    name: () => `file-${(files += 1)}`,
    openStore: () => openLevelStore(scratch),
  })
}

async function run(workDir: string, one: Case): Promise<boolean> {
  const { name, cacheBytes, rounds } = one
  const keys = one.keys()
  const hashes = Int32Array.from(keys, (key) => keyHash(key))
  const expected = new Int32Array(keys.length)
  const store = openStore(workDir, cacheBytes)
  const state = store.value<number>(COUNT)
  // As in a batch: a key and its hash for each record, one behind the other.
  const recordKeys = new Array<unknown>(rounds)
  const recordHashes = new Int32Array(rounds)
  let seed = 12_345
  for (let round = 0; round < rounds; round += 1) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    const index = (seed >>> 4) % keys.length
    recordKeys[round] = keys[index]
    recordHashes[round] = hashes[index]!
    expected[index]! += 1
  }
  let sliceMs: number[] = []
  const bump = async (first: number, end: number): Promise<void> => {
    sliceMs = []
    for (let round = first; round < end;) {
      const slice = Math.min(end, round + SLICE)
      const beganMs = performance.now()
      for (; round < slice; round += 1) {
        store.setCurrentKey(recordKeys[round], recordHashes[round]!)
        state.update(state.value()! + 1)
      }
      sliceMs.push(performance.now() - beganMs)
      if (!store.isReady) await store.whenReady()
      else await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const line: Record<string, unknown> = { bench: 'state', case: name, keys: keys.length }
  await bump(0, rounds >> 1) // Warm, and every key is there.
  const updates = await processorMs(() => bump(rounds >> 1, rounds))
  line['millionsPerSecond'] = Number((rounds / 2 / updates / 1_000).toFixed(2))
  sliceMs.sort((left, right) => left - right)
  // On a busy machine the fastest tenth of the slices tells what the code can do.
  line['fastestTenth'] = Number((SLICE / sliceMs[(sliceMs.length / 10) | 0]! / 1_000).toFixed(2))
  let snapshot = store.snapshot(1)
  line['firstSnapshotMs'] = Math.round(await processorMs(() => snapshot.write()))
  for (let index = 0; index < keys.length; index += 100) {
    store.setCurrentKey(keys[index], hashes[index]!)
    state.update(state.value()! + 1)
    expected[index]! += 1
  }
  const before = performance.now()
  snapshot = store.snapshot(2)
  line['synchronousMs'] = Number((performance.now() - before).toFixed(3))
  const second = await snapshot.write()
  line['secondSnapshotBytes'] = second.bytesWritten
  line['chainBytes'] = second.chain.reduce((sum, file) => sum + file.bytes, 0)
  let correct = await matches(store, state, keys, hashes, expected)
  await store.close()
  const restored = openStore(workDir, cacheBytes)
  line['restoreMs'] = Math.round(
    await processorMs(() =>
      restored.restore([second.chain], { descriptors: [COUNT], watermarkMs: 0 }),
    ),
  )
  correct =
    (await matches(restored, restored.value<number>(COUNT), keys, hashes, expected)) && correct
  await restored.close()
  line['maxRssMb'] = Math.round(process.resourceUsage().maxRSS / 1_024)
  console.log(JSON.stringify({ ...line, correct }))
  return correct
}

async function matches(
  store: KeyedStateStore,
  state: { value(): number | undefined },
  keys: readonly unknown[],
  hashes: Int32Array,
  expected: Int32Array,
): Promise<boolean> {
  for (const [index, key] of keys.entries()) {
    if (!store.isReady) await store.whenReady()
    store.setCurrentKey(key, hashes[index]!)
    if (state.value() !== expected[index]) return false
  }
  return true
}

async function processorMs(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const used = process.cpuUsage(before)
  return (used.user + used.system) / 1_000
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
const texts = (count: number): string[] => numbers(count).map((index) => `user-${index}`)

const CASES: readonly Case[] = [
  { name: 'int keys', keys: () => numbers(10_000), cacheBytes: 1e9, rounds: ROUNDS },
  { name: 'string keys', keys: () => texts(10_000), cacheBytes: 1e9, rounds: ROUNDS },
  { name: 'int keys', keys: () => numbers(1_000_000), cacheBytes: 1e9, rounds: ROUNDS },
  { name: 'string keys', keys: () => texts(1_000_000), cacheBytes: 1e9, rounds: ROUNDS },
  {
    name: 'cache of a tenth',
    keys: () => numbers(1_000_000),
    cacheBytes: 22_000_000,
    rounds: 4 * DISK_ROUNDS,
  },
]

const wanted = process.argv[2]
const workDir = mkdtempSync(join(tmpdir(), 'millrace-state-'))
let correct = true
try {
  await makeDirectories(systemFiles, join(workDir, 'state'))
  for (const [index, one] of CASES.entries()) {
    if (wanted === undefined || wanted === String(index)) {
      correct = (await run(workDir, one)) && correct
    }
  }
} finally {
  rmSync(workDir, { recursive: true, force: true })
}
process.exitCode = correct ? 0 : 1
