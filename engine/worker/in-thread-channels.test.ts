import { describe, expect, test } from 'vitest'
import type { JobEdge } from '../graph/job-graph.ts'
import type { StreamElement } from '../stream/elements.ts'
import { silentLogger } from '../base/logger.ts'
import { seededRandom } from '../base/random.ts'
import { MemoryDisk } from '../simulation/memory-files.ts'
import { SeededScheduler } from '../simulation/seeded-scheduler.ts'
import { SimulatedStore } from '../simulation/simulated-store.ts'
import { RecordBatch } from '../stream/record-batch.ts'
import { InThreadWires } from './in-thread-channels.ts'

const edge = { id: 1 } as JobEdge

function world(seed: number) {
  const random = seededRandom(seed)
  const clock = new SeededScheduler(random, 0)
  const files = new MemoryDisk().files()
  return { random, clock, files, logger: silentLogger }
}

describe('between two workers of a thread', () => {
  test('all elements arrive, in order and later, whatever room there is', async () => {
    for (let seed = 0; seed < 60; seed += 1) {
      const doors = world(seed)
      const wakes = [0, 0]
      const wires = new InThreadWires(doors, 2, (worker) => {
        wakes[worker]! += 1
      })
      const writer = wires.channelsOf(0).writer(edge, 0, 1)
      const reader = wires.channelsOf(1).reader(edge, 0, 1)
      const dice = seededRandom(seed + 1_000)
      const sent: unknown[] = []
      const received: unknown[] = []
      let hadNoCredit = false
      while (sent.length < 200 || received.length < sent.length) {
        if (sent.length < 200 && dice.int(2) === 0) {
          if (writer.hasCredit()) writer.send(elementOf(sent))
          else hadNoCredit = true
        }
        writer.drain()
        const next = dice.int(3) === 0 ? reader.poll() : undefined
        if (next !== undefined) {
          receive(next, received)
          reader.release()
        }
        await doors.clock.step()
      }
      expect(received, `seed ${seed}`).toEqual(sent)
      expect(hadNoCredit, `seed ${seed}`).toBe(true)
      expect(wakes.every((count) => count > 0)).toBe(true)
    }
  })

  test('what is sent is seen in a later turn only', async () => {
    const doors = world(1)
    const wires = new InThreadWires(doors, 2, () => undefined)
    const reader = wires.channelsOf(1).reader(edge, 0, 1)
    wires.channelsOf(0).writer(edge, 0, 1).send({ type: 'watermark', ms: 7 })
    expect(reader.hasNext()).toBe(false)
    while (!reader.hasNext()) await doors.clock.step()
    expect(reader.poll()).toEqual({ type: 'watermark', ms: 7 })
  })
})

test('a simulated store shows a batch when its turn has come, as it was when it was given', async () => {
  const { clock } = world(1)
  const store = new SimulatedStore(clock)
  const [key, other, value] = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(7)]
  const first = store.batch([{ type: 'put', key, value }])
  value[0] = 8
  expect(store.getSync(key)).toBeUndefined()
  await clock.step()
  await first
  expect(store.getSync(key)).toEqual(Uint8Array.of(7))
  const second = store.batch([{ type: 'put', key: other, value }])
  const third = store.batch([
    { type: 'del', key },
    { type: 'put', key: other, value: Uint8Array.of(9) },
  ])
  await clock.step()
  await clock.step()
  await Promise.all([second, third])
  expect([store.getSync(key), store.getSync(other)]).toEqual([undefined, Uint8Array.of(9)])
})

/** Small batches, one too large for a frame now and then, and watermarks among them. */
function elementOf(sent: unknown[]): StreamElement {
  const number = sent.length
  if (number % 3 === 1) {
    sent.push({ ms: number })
    return { type: 'watermark', ms: number }
  }
  const text = 'x'.repeat(number % 10 === 0 ? 30_000 : number)
  const rows = [{ number, text }]
  sent.push({ rows })
  return { type: 'batch', batch: RecordBatch.ofRows(rows) }
}

function receive(element: StreamElement, received: unknown[]): void {
  if (element.type === 'watermark') received.push({ ms: element.ms })
  else if (element.type === 'batch') {
    const rows = element.batch.rows.slice(0, element.batch.count)
    received.push({ rows: rows.map((row) => ({ ...(row as object) })) })
  }
}
