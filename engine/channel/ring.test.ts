// Both ends in one thread, in an order that chance picks; two threads: ring-threads.test.ts.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { StreamElement } from '../stream/elements.ts'
import type { ChannelReader, ChannelWriter } from './channel.ts'
import { RecordBatch } from '../stream/record-batch.ts'
import { LocalChannel } from './local-channel.ts'
import { createRing, RingReader, RingWriter, ringBytes } from './ring.ts'

/** Rows are compared one by one: a ring may cut batches. */
type Seen = { readonly row: unknown } | Exclude<StreamElement, { type: 'batch' }>

function flat(elements: readonly StreamElement[]): Seen[] {
  return elements.flatMap((element): Seen[] =>
    element.type === 'batch'
      ? element.batch.rows.slice(0, element.batch.count).map((row) => ({ row }))
      : [element],
  )
}

/** Reads what is there: an element and its rows, as a task would. */
function readAll(reader: ChannelReader, most = Infinity): Seen[] {
  const seen: Seen[] = []
  for (let count = 0; count < most; count += 1) {
    const has = reader.hasNext()
    const element = reader.poll()
    expect(element !== undefined).toBe(has)
    if (element === undefined) break
    seen.push(...flat([element]))
    reader.release()
  }
  return seen
}

const anyElement: fc.Arbitrary<StreamElement> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.integer({ min: 1, max: 40 }), fc.nat(120)).map(makeBatch) },
  fc.record({ type: fc.constant('watermark' as const), ms: fc.maxSafeInteger() }),
  fc.record({ type: fc.constant('status' as const), idle: fc.boolean() }),
  fc.record({
    type: fc.constant('barrier' as const),
    barrier: fc.record({
      checkpointId: fc.maxSafeNat(),
      stop: fc.boolean(),
      drain: fc.boolean(),
    }),
  }),
  fc.constant({ type: 'end' as const }),
)

function makeBatch([count, size]: [number, number]): StreamElement {
  const rows = Array.from({ length: count }, (_, id) => ({ id, text: 'ab'.repeat(size), size }))
  return { type: 'batch', batch: RecordBatch.ofRows(rows) }
}

const channels: [string, () => { writer: ChannelWriter; reader: ChannelReader }][] = [
  ...[256, 1_024, 8_192].map((bytes): (typeof channels)[number] => [
    `a ring of ${bytes} bytes`,
    () => {
      const ring = createRing(bytes)
      return { writer: new RingWriter(ring), reader: new RingReader(ring) }
    },
  ]),
  [
    'a local channel',
    () => {
      const channel = new LocalChannel()
      return { writer: channel, reader: channel }
    },
  ],
]

test.each(channels)('%s keeps order and loses nothing', (_, make) => {
  fc.assert(
    fc.property(
      fc.array(anyElement, { maxLength: 60 }),
      fc.infiniteStream(fc.nat(3)),
      (elements, turns) => {
        const { writer, reader } = make()
        const seen: Seen[] = []
        let sent = 0
        for (const turn of turns) {
          if (turn === 0) seen.push(...readAll(reader, 3))
          else if (turn === 1) writer.drain()
          else if (sent < elements.length) writer.send(elements[sent++]!)
          else break
        }
        let isOut = false
        while (!isOut) {
          isOut = writer.drain()
          seen.push(...readAll(reader))
        }
        expect(seen).toEqual(flat(elements))
      },
    ),
    { numRuns: 60 },
  )
})

test('a ring that is full has no credit until it is read', () => {
  const ring = createRing(8_192)
  const writer = new RingWriter(ring)
  const reader = new RingReader(ring)
  let sent = 0
  while (writer.hasCredit()) {
    writer.send(makeBatch([10, 20]))
    sent += 1
  }
  expect(sent).toBeGreaterThan(2)
  writer.send(makeBatch([10, 20]))
  writer.send({ type: 'watermark', ms: 1 })
  expect(writer.hasCredit()).toBe(false)
  const seen = readAll(reader)
  expect(writer.drain()).toBe(true)
  seen.push(...readAll(reader))
  expect(writer.hasCredit()).toBe(true)
  expect(seen).toHaveLength(10 * (sent + 1) + 1)
  expect(seen.at(-1)).toEqual({ type: 'watermark', ms: 1 })
})

test('a record larger than the ring arrives whole, in its place', () => {
  const ring = createRing(1_024)
  const writer = new RingWriter(ring)
  const reader = new RingReader(ring)
  const rows = [{ t: 'a' }, { t: 'b'.repeat(100_000) }, { t: '·'.repeat(5_000) }, { t: 'c' }]
  writer.send({ type: 'batch', batch: RecordBatch.ofRows(rows) })
  writer.send({ type: 'watermark', ms: 7 })
  const seen: Seen[] = []
  for (let isOut = false; !isOut;) {
    isOut = writer.drain()
    seen.push(...readAll(reader))
  }
  expect(seen).toEqual([...rows.map((row) => ({ row })), { type: 'watermark', ms: 7 }])
})

test('counters go over the edge of 32 bits', () => {
  const ring = createRing(1_024)
  new Int32Array(ring)[0] = 2 ** 31 - 5
  new Int32Array(ring)[32] = 2 ** 31 - 5
  const writer = new RingWriter(ring)
  const reader = new RingReader(ring)
  for (let ms = 0; ms < 100; ms += 1) {
    writer.send({ type: 'watermark', ms })
    expect(readAll(reader)).toEqual([{ type: 'watermark', ms }])
  }
})

test('each end is told of the other', () => {
  const ring = createRing(8_192)
  let commits = 0
  let releases = 0
  const writer = new RingWriter(ring, () => (commits += 1))
  const reader = new RingReader(ring, () => (releases += 1))
  writer.send({ type: 'end' })
  expect([commits, releases]).toEqual([1, 0])
  reader.poll()
  expect(releases).toBe(0)
  reader.release()
  expect([commits, releases]).toEqual([1, 1])
})

test('columns read from one ring can wait for room in another', () => {
  const first = createRing(8_192)
  const second = createRing(8_192)
  const source = new RingWriter(first)
  const middle = new RingReader(first)
  const onward = new RingWriter(second)
  const sink = new RingReader(second)
  const seen: Seen[] = []
  for (let batch = 0; batch < 50; batch += 1) {
    source.send(makeBatch([20, batch]))
    for (let element = middle.poll(); element !== undefined; element = middle.poll()) {
      onward.send(element)
      middle.release()
    }
  }
  source.drain()
  for (let isOut = false; !isOut;) {
    for (let element = middle.poll(); element !== undefined; element = middle.poll()) {
      onward.send(element)
      middle.release()
    }
    isOut = onward.drain()
    seen.push(...readAll(sink))
  }
  const expected = Array.from({ length: 50 }, (_, batch) => makeBatch([20, batch]))
  expect(seen).toEqual(flat(expected))
})

test('rings of an exchange share its budget', () => {
  expect(ringBytes(1)).toBe(1_024 * 1_024)
  expect(ringBytes(64)).toBe(1_024 * 1_024)
  expect(ringBytes(65)).toBe(512 * 1_024)
  expect(ringBytes(100_000)).toBe(128 * 1_024)
})
