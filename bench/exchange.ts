/**
 * What the exchange between two threads takes: partition, encode, ring, decode.
 *
 *     node bench/run.mjs exchange [records in millions]
 *
 * A thread deals batches by key to two rings, a second one reads both. Oracle: the reader's count,
 * sum and text lengths are those the writer computed, and every record is at the ring of its key.
 * `cpu` counts both threads, so it says more than the clock on a machine with other work.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import type { ChannelReader, ChannelWriter } from '../engine/channel/channel.ts'
import type { RecordBatch as Batch } from '../engine/stream/record-batch.ts'
import type { KeySelector } from '../engine/stream/keys.ts'
import { ResultPartition } from '../engine/channel/result-partition.ts'
import { createRing, RingReader, RingWriter } from '../engine/channel/ring.ts'
import { columnSet } from '../engine/stream/column-set.ts'
import { keyGroupOf, subtaskOfKeyGroup } from '../engine/stream/keys.ts'
import { RecordBatch } from '../engine/stream/record-batch.ts'

const BATCH = 1_024
const POOL = 16
const RECEIVERS = 2
const MAX_PARALLELISM = 128

type Scenario = 'columns' | 'columns-small' | 'rows-int' | 'rows-text-key' | 'rows-wide'
const SCENARIOS: readonly Scenario[] = [
  'columns',
  'columns-small',
  'rows-int',
  'rows-text-key',
  'rows-wide',
]

interface Task {
  readonly role: 'writer' | 'reader'
  readonly scenario: Scenario
  readonly records: number
  readonly rings: readonly SharedArrayBuffer[]
  readonly bell: SharedArrayBuffer
}

interface Tally {
  count: number
  sum: number
  text: number
}

function keyOf(scenario: Scenario): KeySelector {
  return { type: 'field', field: scenario === 'rows-text-key' ? 'name' : 'key' }
}

function makeBatch(scenario: Scenario, nth: number): Batch {
  const size = scenario === 'columns-small' ? 64 : BATCH
  const first = nth * size
  if (scenario === 'columns' || scenario === 'columns-small') {
    const keys = Int32Array.from({ length: size }, (_, index) => (first + index) * 7)
    const values = Int32Array.from({ length: size }, (_, index) => index % 100)
    const columns = columnSet(
      size,
      ['key', 'value'],
      [
        { kind: 'int32', values: keys, validity: undefined },
        { kind: 'int32', values, validity: undefined },
      ],
    )
    return new RecordBatch(size, undefined, columns, undefined, undefined, undefined, undefined)
  }
  return RecordBatch.ofRows(
    Array.from({ length: size }, (_, index) => {
      const key = (first + index) * 7
      if (scenario === 'rows-int') return { key }
      const name = `user-${key}-of-the-shop`
      if (scenario === 'rows-text-key') return { name, value: index % 100 }
      const extra = `${name} has looked at a thing and at another thing, and so on `
      return {
        key,
        name,
        price: index / 4,
        at: 1.7e12 + index,
        extra,
        bids: index,
        value: index % 100,
      }
    }),
  )
}

/** What arrives of one batch. */
function tally(scenario: Scenario, batch: Batch, into: Tally): void {
  into.count += batch.count
  if (scenario === 'rows-wide' || scenario === 'rows-text-key') {
    const rows = batch.rows as readonly { name: string; extra?: string; value: number }[]
    for (let index = 0; index < batch.count; index += 1) {
      const row = rows[index]!
      into.sum += row.value
      into.text += row.name.length + (row.extra?.length ?? 0)
    }
    return
  }
  const name = scenario === 'rows-int' ? 'key' : 'value'
  const column = batch.columns?.column(name)
  if (column?.kind !== 'int32') throw new Error(`no int32 column "${name}"`)
  for (let index = 0; index < batch.count; index += 1) into.sum += column.values[index]!
}

/** What the writer sends in one batch, read off the rows or columns a way of its own. */
function expectedOf(scenario: Scenario, batch: Batch): Tally {
  const rows = batch.rows as readonly {
    key: number
    value?: number
    name?: string
    extra?: string
  }[]
  const sum = rows.reduce((all, row) => all + (scenario === 'rows-int' ? row.key : row.value!), 0)
  const text = rows.reduce(
    (all, row) => all + (row.name?.length ?? 0) + (row.extra?.length ?? 0),
    0,
  )
  return { count: batch.count, sum, text }
}

function write(task: Task): Tally {
  const bell = new Int32Array(task.bell)
  const writers: ChannelWriter[] = task.rings.map((ring) => {
    return new RingWriter(ring, () => wake(bell, 0))
  })
  const { scenario } = task
  const edge = { id: 0, fromVertex: 0, fromNode: 0, side: undefined, toVertex: 1, input: 0 }
  const partition = new ResultPartition(
    {
      ...edge,
      partitioning: { type: 'hash', key: keyOf(scenario) },
      positions: false,
      watermarks: false,
    },
    writers,
    0,
    MAX_PARALLELISM,
  )
  const pool = Array.from({ length: POOL }, (_, nth) => makeBatch(scenario, nth))
  const expected = pool.map((batch) => expectedOf(scenario, batch))
  const sent: Tally = { count: 0, sum: 0, text: 0 }
  for (let nth = 0; sent.count < task.records; nth = (nth + 1) % POOL) {
    // Fresh objects would measure their making; columns are shared, rows are encoded anew.
    const batch = pool[nth]!
    const fresh = new RecordBatch(
      batch.count,
      batch.columns === undefined ? batch.rows : undefined,
      batch.columns,
      undefined,
      undefined,
      undefined,
      undefined,
    )
    while (!partition.hasCredit()) {
      park(bell, 1, () => partition.hasCredit())
      partition.drain()
    }
    partition.emit(fresh)
    sent.count += expected[nth]!.count
    sent.sum += expected[nth]!.sum
    sent.text += expected[nth]!.text
  }
  partition.emitEnd()
  while (!partition.drain()) park(bell, 1, () => partition.drain())
  return sent
}

function read(task: Task): Tally {
  const bell = new Int32Array(task.bell)
  const readers: ChannelReader[] = task.rings.map((ring) => {
    return new RingReader(ring, () => wake(bell, 1))
  })
  const found: Tally = { count: 0, sum: 0, text: 0 }
  for (let ended = 0; ended < RECEIVERS;) {
    let progress = false
    for (let subtask = 0; subtask < RECEIVERS; subtask += 1) {
      const element = readers[subtask]!.poll()
      if (element === undefined) continue
      progress = true
      if (element.type === 'end') ended += 1
      if (element.type === 'batch') {
        tally(task.scenario, element.batch, found)
        const hash = element.batch.hashes![0]!
        const group = keyGroupOf(hash, MAX_PARALLELISM)
        if (subtaskOfKeyGroup(group, MAX_PARALLELISM, RECEIVERS) !== subtask) {
          throw new Error('a record came to the wrong ring')
        }
      }
      readers[subtask]!.release()
    }
    if (!progress) park(bell, 0, () => readers.some((reader) => reader.hasNext()))
  }
  return found
}

/** Slot 0: the reader is parked, 1: the writer. */
function park(bell: Int32Array, slot: number, isReady: () => boolean): void {
  Atomics.store(bell, slot * 32, 1)
  if (!isReady()) Atomics.wait(bell, slot * 32, 1, 20)
  Atomics.store(bell, slot * 32, 0)
}

function wake(bell: Int32Array, slot: number): void {
  if (Atomics.load(bell, slot * 32) === 0) return
  Atomics.store(bell, slot * 32, 0)
  Atomics.notify(bell, slot * 32)
}

async function run(scenario: Scenario, records: number): Promise<void> {
  const rings = Array.from({ length: RECEIVERS }, () => createRing(1_024 * 1_024))
  const bell = new SharedArrayBuffer(256)
  const cpuBefore = process.cpuUsage()
  const before = performance.now()
  const done = (['writer', 'reader'] as const).map(
    (role) =>
      new Promise<Tally>((resolve, reject) => {
        const task: Task = { role, scenario, records, rings, bell }
        const worker = new Worker(new URL(import.meta.url), { workerData: task })
        worker.on('message', resolve)
        worker.on('error', reject)
      }),
  )
  const [sent, found] = (await Promise.all(done)) as [Tally, Tally]
  const seconds = (performance.now() - before) / 1_000
  const cpu = process.cpuUsage(cpuBefore)
  const ok = sent.count === found.count && sent.sum === found.sum && sent.text === found.text
  const nanoseconds = ((cpu.user + cpu.system) * 1_000) / sent.count
  console.log(
    `${scenario.padEnd(14)} ${(sent.count / seconds / 1e6).toFixed(1).padStart(6)} M/s  ` +
      `${nanoseconds.toFixed(1).padStart(6)} ns cpu a record  ${ok ? 'ok' : 'WRONG'}`,
  )
  if (!ok) throw new Error(`${JSON.stringify(found)} came of ${JSON.stringify(sent)}`)
}

if (isMainThread) {
  const only = SCENARIOS.filter((scenario) => process.argv.includes(scenario))
  const millions = Number(process.argv.slice(2).find((word) => Number(word) > 0) ?? 20)
  for (const scenario of only.length > 0 ? only : SCENARIOS) {
    const share = scenario === 'rows-wide' || scenario === 'rows-text-key' ? 0.2 : 1
    await run(scenario, millions * 1e6 * share)
  }
} else {
  const task = workerData as Task
  parentPort!.postMessage(task.role === 'writer' ? write(task) : read(task))
}
