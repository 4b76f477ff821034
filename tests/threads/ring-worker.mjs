// One end of a ring on a thread of its own, on the built engine: see ring-threads.test.ts.
import { parentPort, workerData } from 'node:worker_threads'
import { RingReader, RingWriter } from '../../dist/engine/channel/ring.js'
import { RecordBatch } from '../../dist/engine/stream/record-batch.js'

const { role, ring, bell, records, seed } = workerData
const bells = new Int32Array(bell)
let state = seed >>> 0

/** The same numbers on both sides, so that each knows what the other does. */
function chance(bound) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor((state / 2 ** 32) * bound)
}

function park(slot, isReady) {
  Atomics.store(bells, slot, 1)
  if (!isReady()) Atomics.wait(bells, slot, 1, 50)
  Atomics.store(bells, slot, 0)
}

function wake(slot) {
  if (Atomics.exchange(bells, slot, 0) === 1) Atomics.notify(bells, slot)
}

/** Record `id`: its text and its shape follow from the number alone. */
function recordOf(id) {
  const text = id % 1_000 === 0 ? 'long '.repeat((id / 1_000) % 3_000) : `text ${id} ü`
  return id % 50_000 < 40_000 ? { id, text } : { id, text, more: id % 3 === 0 ? null : id / 3 }
}

function isSame(row, id) {
  const expected = recordOf(id)
  if (row.id !== id || row.text !== expected.text || row.more !== expected.more) return false
  return Object.keys(row).length === Object.keys(expected).length
}

function write() {
  const writer = new RingWriter(ring, () => wake(0))
  let hash = 0
  for (let id = 0; id < records;) {
    while (!writer.hasCredit()) {
      park(1, () => writer.hasCredit())
      writer.drain()
    }
    const count = Math.min(records - id, 1 + chance(1_024))
    const rows = Array.from({ length: count }, (_, index) => recordOf(id + index))
    writer.send({ type: 'batch', batch: RecordBatch.ofRows(rows) })
    id += count
    if (chance(4) === 0) writer.send({ type: 'watermark', ms: id })
    hash = (Math.imul(hash, 31) + count) | 0
  }
  writer.send({ type: 'end' })
  while (!writer.drain()) park(1, () => writer.drain())
  return { count: records, hash }
}

function read() {
  const reader = new RingReader(ring, () => wake(1))
  let next = 0
  let watermarks = 0
  for (;;) {
    const element = reader.poll()
    if (element === undefined) {
      park(0, () => reader.hasNext())
      continue
    }
    const { rows } = element.type === 'batch' ? element.batch : { rows: [] }
    reader.release()
    for (const row of rows) {
      if (!isSame(row, next)) throw new Error(`record ${next} came as ${JSON.stringify(row)}`)
      next += 1
    }
    if (element.type === 'watermark') {
      watermarks += 1
      if (element.ms !== next) throw new Error(`watermark ${element.ms} came before ${next}`)
    }
    if (element.type === 'end') return { count: next, watermarks }
  }
}

parentPort.postMessage(role === 'writer' ? write() : read())
