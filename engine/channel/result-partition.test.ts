// Batches and signals in any order go through a partition to channels of both kinds; what arrives
// is compared with what a plain reading of the contract says.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Partitioning } from '../graph/stream-graph.ts'
import type { StreamElement } from '../stream/elements.ts'
import type { KeySelector } from '../stream/keys.ts'
import type { ChannelReader, ChannelWriter } from './channel.ts'
import { ColumnDecoder, ColumnEncoder } from '../stream/column-codec.ts'
import { copyColumns } from '../stream/column-set.ts'
import { keyHash, selectKey } from '../stream/key-codec.ts'
import { keyGroupOf, subtaskOfKeyGroup } from '../stream/keys.ts'
import { RecordBatch } from '../stream/record-batch.ts'
import { memoryOf } from '../stream/wire-schema.ts'
import { LocalChannel } from './local-channel.ts'
import { ResultPartition } from './result-partition.ts'
import { createRing, RingReader, RingWriter } from './ring.ts'

const MAX_PARALLELISM = 100

interface Row {
  readonly id: number
  readonly key: unknown
  readonly name: string
}

type Event =
  | { readonly type: 'rows'; readonly keys: readonly unknown[]; readonly asColumns: boolean }
  | { readonly type: 'watermark' }
  | { readonly type: 'flush' }
  | { readonly type: 'barrier' }
  | { readonly type: 'idle' }

interface Place {
  readonly time: number | undefined
  readonly split: number | undefined
  readonly offset: number | undefined
  readonly watermark: number | undefined
}

type Seen = readonly ['row', Row, Place, number | undefined] | readonly [string, unknown]

/** The same rows as columns only, made by a way of their own. */
function asColumns(batch: RecordBatch): RecordBatch {
  const memory = memoryOf(new ArrayBuffer(1024 * 1024))
  const encoder = new ColumnEncoder()
  encoder.encode(batch, 0, memory, 0, 1024 * 1024)
  encoder.committed()
  expect(encoder.encoded).toBe(batch.count)
  const { columns } = new ColumnDecoder().decode(memory, 0, true)
  const { count, times, splits, offsets, watermarks } = batch
  const set = copyColumns(columns!)
  return new RecordBatch(count, undefined, set, times, undefined, splits, offsets, watermarks)
}

function read(reader: ChannelReader, into: Seen[]): void {
  for (let element = reader.poll(); element !== undefined; element = reader.poll()) {
    into.push(...seenIn(element))
    reader.release()
  }
}

function seenIn(element: StreamElement): Seen[] {
  switch (element.type) {
    case 'batch': {
      const { batch } = element
      return batch.rows.slice(0, batch.count).map((row, index) => {
        const split = typeof batch.splits === 'object' ? batch.splits[index] : batch.splits
        const place = {
          time: batch.times?.[index],
          split,
          offset: batch.offsets?.[index],
          watermark: batch.watermarks?.[index],
        }
        return ['row', row as Row, place, batch.hashes?.[index]] as const
      })
    }
    case 'watermark':
      return [['watermark', element.ms]]
    case 'barrier':
      return [['barrier', element.barrier.checkpointId]]
    default:
      return [[element.type, undefined]]
  }
}

const NOWHERE: Place = {
  time: undefined,
  split: undefined,
  offset: undefined,
  watermark: undefined,
}

class Run {
  readonly writers: ChannelWriter[] = []
  readonly readers: ChannelReader[] = []
  readonly seen: Seen[][] = []
  readonly partition: ResultPartition
  readonly emitted: [Row, Place][] = []
  #watermark = 0

  constructor(partitioning: Partitioning, receivers: number, positions: boolean) {
    for (let index = 0; index < receivers; index += 1) {
      this.seen.push([])
      if (index % 2 === 0) {
        const ring = createRing(16 * 1024)
        this.writers.push(new RingWriter(ring))
        this.readers.push(new RingReader(ring))
      } else {
        const channel = new LocalChannel()
        this.writers.push(channel)
        this.readers.push(channel)
      }
    }
    const edge = { id: 0, fromVertex: 0, fromNode: 0, side: undefined, toVertex: 1, input: 0 }
    this.partition = new ResultPartition(
      { ...edge, partitioning, positions, watermarks: positions },
      this.writers,
      1,
      MAX_PARALLELISM,
    )
  }

  play(events: readonly Event[]): void {
    for (const event of events) {
      switch (event.type) {
        case 'rows':
          this.#emit(event.keys, event.asColumns)
          break
        case 'watermark':
          this.partition.emitWatermark((this.#watermark += 10))
          break
        case 'flush':
          this.partition.flush()
          expect(this.partition.isHolding).toBe(false)
          break
        case 'barrier':
          this.partition.emitBarrier({
            checkpointId: this.emitted.length,
            stop: false,
            drain: false,
          })
          break
        default:
          this.partition.emitStatus(true)
      }
      if (this.emitted.length % 3 === 0) this.#read()
    }
    this.partition.emitEnd()
    for (let isOut = false; !isOut;) {
      isOut = this.partition.drain()
      this.#read()
    }
    this.#read()
    expect(this.partition.hasCredit()).toBe(true)
  }

  #emit(keys: readonly unknown[], isColumns: boolean): void {
    const first = this.emitted.length
    const rows = keys.map((key, index) => ({
      id: first + index,
      key,
      name: `n${(first + index) % 7}`,
    }))
    const times = first % 2 === 0 ? Float64Array.from(rows, (row) => row.id * 5) : undefined
    const isOne = first % 3 === 0
    const offsets = Float64Array.from(rows, (row) => row.id + 0.5)
    const splits = isOne ? 3 : Int32Array.from(rows, (row) => row.id % 4)
    const { length } = rows
    const watermarks = first % 5 === 0 ? undefined : Float64Array.from(rows, (row) => row.id * 3)
    const batch = new RecordBatch(
      length,
      rows,
      undefined,
      times,
      undefined,
      splits,
      offsets,
      watermarks,
    )
    for (const row of rows) {
      const time = times === undefined ? undefined : row.id * 5
      const split = isOne ? 3 : row.id % 4
      const watermark = watermarks === undefined ? undefined : row.id * 3
      this.emitted.push([row, { time, split, offset: row.id + 0.5, watermark }])
    }
    this.partition.emit(isColumns && rows.length > 0 ? asColumns(batch) : batch)
  }

  #read(): void {
    this.readers.forEach((reader, index) => read(reader, this.seen[index]!))
  }

  rowsOf(receiver: number): Row[] {
    return this.seen[receiver]!.flatMap((seen) => (seen[0] === 'row' ? [seen[1] as Row] : []))
  }
}

const anyKey = fc.oneof(
  fc.integer({ min: -5, max: 50 }),
  fc.constantFrom('a', 'b', 'ü', '😀', null, true, 1.5, 7n, [1, 'x']),
)
const keyLists = [
  fc.array(anyKey, { maxLength: 30 }),
  fc.array(fc.integer(), { maxLength: 1_500 }),
  fc.array(fc.string(), { maxLength: 50 }),
  fc.array(fc.option(fc.double()), { maxLength: 50 }),
]
const anyEvents: fc.Arbitrary<Event[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        type: fc.constant('rows' as const),
        keys: fc.oneof(...keyLists),
        asColumns: fc.boolean(),
      }),
    },
    { weight: 2, arbitrary: fc.constant({ type: 'watermark' as const }) },
    fc.constantFrom({ type: 'flush' }, { type: 'barrier' }, { type: 'idle' }),
  ),
  { maxLength: 20 },
)

/** P2: what was emitted before a signal is there before it. */
function expectSignalsBehindRecords(run: Run, events: readonly Event[]): void {
  let emitted = 0
  let barriers = 0
  const before = new Map<number, number>()
  for (const event of events) {
    if (event.type === 'rows') emitted += event.keys.length
    if (event.type === 'watermark') before.set(10 * (before.size + 1), emitted)
    if (event.type === 'barrier') barriers += 1
  }
  const lastWatermark = before.size === 0 ? undefined : 10 * before.size
  for (const seen of run.seen) {
    expect(seen.at(-1)?.[0]).toBe('end')
    expect(seen.filter(([type]) => type === 'barrier')).toHaveLength(barriers)
    const marks = seen.filter(([type]) => type === 'watermark').map(([, ms]) => ms as number)
    expect(marks).toEqual([...new Set(marks)].sort((a, b) => a - b))
    expect(marks.at(-1)).toBe(lastWatermark)
    let watermark = 0
    let barrier = 0
    for (const [type, value] of seen) {
      if (type === 'watermark') watermark = value as number
      else if (type === 'barrier') barrier = value as number
      else if (type === 'row') {
        const { id } = value as Row
        expect(id).toBeGreaterThanOrEqual(Math.max(before.get(watermark) ?? 0, barrier))
      }
    }
  }
}

const selectors: [string, KeySelector][] = [
  ['a field', { type: 'field', field: 'key' }],
  ['two fields', { type: 'fields', fields: ['name', 'key'] }],
  ['a function', { type: 'function', select: (row: Row) => row.key }],
]

test.each(selectors)('records go to the owner of their key, found by %s', (_, key) => {
  fc.assert(
    fc.property(
      anyEvents,
      fc.integer({ min: 1, max: 4 }),
      fc.boolean(),
      (events, receivers, positions) => {
        const run = new Run({ type: 'hash', key }, receivers, positions)
        run.play(events)
        const select = selectKey(key)
        const expected = run.seen.map((): unknown[] => [])
        for (const [row, place] of run.emitted) {
          const hash = keyHash(select(row))
          const group = keyGroupOf(hash, MAX_PARALLELISM)
          const kept = positions ? place : { ...NOWHERE, time: place.time }
          const owner = subtaskOfKeyGroup(group, MAX_PARALLELISM, receivers)
          expected[owner]!.push(['row', row, kept, hash])
        }
        const found = run.seen.map((seen) => seen.filter(([type]) => type === 'row'))
        expect(found).toEqual(expected)
        expectSignalsBehindRecords(run, events)
      },
    ),
    { numRuns: 30 },
  )
})

test.each(['forward', 'global', 'broadcast', 'rebalance'] as const)('%s edges', (type) => {
  fc.assert(
    fc.property(anyEvents, fc.integer({ min: 1, max: 4 }), (events, parallelism) => {
      const receivers = type === 'forward' ? 1 : parallelism
      const run = new Run({ type }, receivers, true)
      run.play(events)
      const all = run.emitted.map(([row]) => row)
      const places = new Map(run.emitted.map(([row, place]) => [row.id, place]))
      for (const seen of run.seen) {
        for (const one of seen) {
          if (one[0] === 'row') expect(one[2]).toEqual(places.get((one[1] as Row).id))
        }
      }
      if (type === 'rebalance') {
        const found = run.seen.map((_, index) => run.rowsOf(index))
        expect(found.flat().sort((a, b) => a.id - b.id)).toEqual(all)
        for (const rows of found) expect(rows).toEqual([...rows].sort((a, b) => a.id - b.id))
      } else {
        run.seen.forEach((_, index) => {
          expect(run.rowsOf(index)).toEqual(index === 0 || type === 'broadcast' ? all : [])
        })
      }
      expectSignalsBehindRecords(run, events)
    }),
    { numRuns: 30 },
  )
})

test('a rebalance deals even a single batch to all receivers', () => {
  const run = new Run({ type: 'rebalance' }, 4, false)
  run.play([{ type: 'rows', keys: Array.from({ length: 8 }, (_, key) => key), asColumns: false }])
  expect(run.seen.map((_, index) => run.rowsOf(index).length)).toEqual([2, 2, 2, 2])
})

test('a watermark does not cut batches', () => {
  const run = new Run({ type: 'hash', key: { type: 'field', field: 'key' } }, 1, false)
  const sizes: number[] = []
  const writer = run.writers[0]!
  const send = writer.send.bind(writer)
  writer.send = (element) => {
    if (element.type === 'batch') sizes.push(element.batch.count)
    send(element)
  }
  const events: Event[] = []
  for (let batch = 0; batch < 300; batch += 1) {
    events.push({ type: 'rows', keys: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], asColumns: false })
    events.push({ type: 'watermark' })
  }
  // Times come and go from batch to batch in this run; each change cuts.
  run.play(events.filter((_, index) => index < 2))
  for (let batch = 0; batch < 300; batch += 1) {
    run.partition.emit(RecordBatch.ofRows(Array.from({ length: 10 }, (_, key) => ({ key }))))
    run.partition.emitWatermark(1_000 + batch)
  }
  run.partition.flush()
  expect(sizes.slice(1)).toEqual([1_024, 1_024, 952])
})

test('a watermark that goes back is a bug', () => {
  const { partition } = new Run({ type: 'broadcast' }, 2, false)
  partition.emitWatermark(10)
  partition.emitWatermark(10)
  expect(() => partition.emitWatermark(9)).toThrow('a watermark never goes back')
})

function thrownBy(work: () => void): unknown {
  try {
    work()
  } catch (thrown) {
    return thrown
  }
  return undefined
}

test('a record without its key is refused, from rows and from columns', () => {
  const key: KeySelector = { type: 'field', field: 'user' }
  const rows = [{ user: 1 }, { user: undefined }]
  for (const batch of [RecordBatch.ofRows(rows), asColumns(RecordBatch.ofRows(rows))]) {
    const run = new Run({ type: 'hash', key }, 2, false)
    expect(() => run.partition.emit(batch)).toThrow('field "user", is undefined')
  }
  const offsets = Float64Array.of(8, 9)
  const batch = new RecordBatch(2, rows, undefined, undefined, undefined, 0, offsets)
  const failing = (): never => {
    throw new TypeError('of the user')
  }
  const cases: [KeySelector, object][] = [
    [key, { code: 'KEY_INVALID', place: { splitIndex: 0, offset: 9 } }],
    [
      { type: 'function', select: failing },
      { code: 'USER_FUNCTION_FAILED', place: { splitIndex: 0, offset: 8 } },
    ],
  ]
  for (const [selector, expected] of cases) {
    const run = new Run({ type: 'hash', key: selector }, 2, false)
    expect(thrownBy(() => run.partition.emit(batch))).toMatchObject(expected)
  }
})
