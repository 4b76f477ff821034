import { expect, test } from 'vitest'
import type { StreamElement } from '../stream/elements.ts'
import { MAX_WATERMARK, MIN_WATERMARK } from '../stream/elements.ts'
import { InputGate } from './input-gate.ts'
import {
  ACTIVE,
  barrier,
  END,
  HandReader,
  IDLE,
  placed,
  rows,
  watermark,
} from './testing/hand-task.ts'

/** A gate over channels that hold these elements already; `input` is the channel's number. */
function gateOf(channels: readonly (readonly StreamElement[])[], restoredMs = MIN_WATERMARK) {
  const readers = channels.map((elements) => {
    const reader = new HandReader()
    reader.elements.push(...elements)
    return reader
  })
  const gate = new InputGate(
    readers.map((reader, input) => ({ reader, input })),
    restoredMs,
  )
  /** Everything that is there, each event as one short text. */
  const texts = (): string[] => {
    const found: string[] = []
    while (gate.hasNext()) {
      const event = gate.next()
      if (event === undefined) continue
      switch (event.type) {
        case 'batch': {
          const { watermarks, rows: values, count } = event.batch
          const places = watermarks === undefined ? '' : `|${watermarks.join(',')}`
          found.push(`${values.slice(0, count).join(',')}@${event.input}${places}`)
          break
        }
        case 'watermark':
          found.push(`w${event.ms}`)
          break
        case 'idle':
          found.push(event.idle ? 'idle' : 'active')
          break
        case 'barrier':
          found.push(`b${event.barrier.checkpointId}`)
          break
        default:
          found.push(event.type)
      }
      gate.release()
    }
    return found
  }
  return { gate, readers, texts }
}

test('channels are read in turn', () => {
  const { texts } = gateOf([
    [rows('a'), rows('b')],
    [rows('c'), rows('d')],
  ])
  expect(texts()).toEqual(['a@0', 'c@1', 'b@0', 'd@1'])
})

test('a channel behind its barrier is not read until the others have theirs', () => {
  const { gate, readers, texts } = gateOf([
    [barrier(1), rows('b')],
    [rows('c'), rows('d')],
  ])
  expect(texts()).toEqual(['c@1', 'd@1'])
  expect(gate.hasNext()).toBe(false)
  expect(gate.aligning).toBe(true)
  readers[1]!.elements.push(barrier(1), rows('e'))
  expect(texts()).toEqual(['b1', 'b@0', 'e@1'])
})

test('the watermark is the least of the channels, and starts at the restored one', () => {
  const { readers, texts } = gateOf([[watermark(5)], [watermark(7)]], 6)
  expect(texts()).toEqual([])
  readers[0]!.elements.push(watermark(9))
  expect(texts()).toEqual(['w7'])
})

test('before a record the watermark is the least of its own channel there and of the others', () => {
  const { texts } = gateOf([
    [watermark(2), placed([10, 3], [20, 8], [30, 15])],
    [watermark(9), placed([50, 40])],
  ])
  // Turns: w2 of 0; w9 of 1, so both are at 2; the batch of 0, which then stands at 15; that of 1.
  expect(texts()).toEqual(['w2', '10,20,30@0|3,8,9', 'w9', '50@1|15', 'w15'])
})

test('what a channel has reached with a batch counts, though its watermark has not come yet', () => {
  const { texts, gate } = gateOf([[placed([10, 4])], [watermark(100)]])
  expect(texts()).toEqual([`10@0|${MIN_WATERMARK}`, 'w4'])
  expect(gate.watermarkMs).toBe(4)
})

test('an idle or ended channel holds no record back', () => {
  const { texts } = gateOf([[placed([10, 4]), placed([20, 9])], [IDLE], [END]])
  // The first batch is read before the others are known to be silent.
  expect(texts()).toEqual([`10@0|${MIN_WATERMARK}`, 'w4', '20@0|9', 'w9'])
})

test('a channel that was idle and is behind lowers no watermark', () => {
  const { readers, texts } = gateOf([[watermark(50)], [IDLE]])
  expect(texts()).toEqual(['w50'])
  readers[1]!.elements.push(ACTIVE, placed([20, 10]))
  expect(texts()).toEqual(['20@1|50'])
})

test('a channel that is active again, and has said so, holds the watermark from then on', () => {
  const woken = [ACTIVE, placed([60, 20])]
  const behind = [placed([300, 200]), watermark(250)]
  // Whichever channel has its turn: the status waits already when the other one is read.
  const one = gateOf([[watermark(10)], [watermark(10), IDLE]])
  expect(one.texts()).toEqual(['w10'])
  one.readers[0]!.elements.push(...behind)
  one.readers[1]!.elements.push(...woken)
  expect(one.texts()).toEqual(['300@0|10', '60@1|20', 'w20'])

  const other = gateOf([[watermark(10), IDLE], [watermark(10)]])
  expect(other.texts()).toEqual(['w10'])
  other.readers[0]!.elements.push(...woken)
  other.readers[1]!.elements.push(...behind)
  expect(other.texts()).toEqual(['300@1|10', '60@0|20', 'w20'])
})

test('of several idle channels all that are active again count, and those that stay idle do not', () => {
  const { readers, texts } = gateOf([
    [watermark(10)],
    [watermark(10), IDLE],
    [watermark(10), IDLE],
    [watermark(10), IDLE],
  ])
  expect(texts()).toEqual(['w10'])
  readers[0]!.elements.push(watermark(200))
  readers[2]!.elements.push(ACTIVE)
  readers[3]!.elements.push(watermark(30), ACTIVE)
  expect(texts()).toEqual([])
  readers[2]!.elements.push(watermark(25))
  expect(texts()).toEqual(['w25'])
  readers[2]!.elements.push(END)
  expect(texts()).toEqual(['w30'])
})

test('an idle channel at its barrier is left there, and the others are read', () => {
  const { readers, texts } = gateOf([[watermark(10)], [watermark(10), IDLE]])
  expect(texts()).toEqual(['w10'])
  readers[1]!.elements.push(barrier(1), ACTIVE)
  readers[0]!.elements.push(watermark(20), barrier(1), watermark(30))
  expect(texts()).toEqual(['w20', 'b1'])
  expect(readers[1]!.elements).toEqual([])
})

test('a batch that needs no other watermarks is handed out as it is', () => {
  const element = placed([10, 4], [20, 9])
  const { gate } = gateOf([[element]])
  const event = gate.next()
  expect(event?.type === 'batch' && element.type === 'batch' && event.batch).toBe(
    element.type === 'batch' && element.batch,
  )
})

test('idle, active and the end come when all channels say so', () => {
  const { readers, texts } = gateOf([
    [watermark(3), IDLE],
    [watermark(5), IDLE],
  ])
  expect(texts()).toEqual(['w3', 'w5', 'idle'])
  readers[0]!.elements.push(ACTIVE, END)
  readers[1]!.elements.push(ACTIVE)
  expect(texts()).toEqual(['active'])
  readers[1]!.elements.push(END)
  expect(texts()).toEqual([`w${MAX_WATERMARK}`, 'end'])
})
