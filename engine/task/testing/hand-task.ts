import type { ChannelReader, ChannelWriter } from '../../channel/channel.ts'
import type { Clock } from '../../base/clock.ts'
import type { JobVertex } from '../../graph/job-graph.ts'
import type { StreamNode } from '../../graph/stream-graph.ts'
import type { OperatorContext, Output, StreamOperator } from '../../operator/operator.ts'
import type { SourceReader } from '../../operator/source.ts'
import type { CheckpointBarrier, StreamElement } from '../../stream/elements.ts'
import type { SubtaskSnapshot } from '../../checkpoint/snapshot.ts'
import { silentLogger } from '../../base/logger.ts'
import { ResultPartition } from '../../channel/result-partition.ts'
import { MIN_WATERMARK } from '../../stream/elements.ts'
import { RecordBatch } from '../../stream/record-batch.ts'
import { InputGate } from '../input-gate.ts'
import { ChainLink, OperatorChain } from '../operator-chain.ts'
import type { SourceAlignment } from '../source-alignment.ts'
import { SourceDriver } from '../source-driver.ts'
import { StreamTask } from '../stream-task.ts'
import { SubtaskState } from '../subtask-state.ts'

/** A clock that stands still until a test moves it. */
export class HandClock implements Clock {
  ms = 0

  nowMs(): number {
    return this.ms
  }

  monotonicMs(): number {
    return this.ms
  }

  timer(): never {
    throw new Error('a task sets no timer of the machine')
  }

  sleep(): never {
    throw new Error('a task does not sleep')
  }

  immediate(): never {
    throw new Error('a task is run by its owner')
  }
}

/** An input channel that holds what a test puts into it. */
export class HandReader implements ChannelReader {
  readonly elements: StreamElement[] = []
  released = 0

  poll(): StreamElement | undefined {
    return this.elements.shift()
  }

  release(): void {
    this.released += 1
  }

  hasNext(): boolean {
    return this.elements.length > 0
  }
}

/** An output channel that keeps what it gets; credit is what the test gives it. */
export class HandWriter implements ChannelWriter {
  readonly sent: StreamElement[] = []
  credit = Infinity

  hasCredit(): boolean {
    return this.credit > 0
  }

  send(element: StreamElement): void {
    this.sent.push(element)
    if (element.type === 'batch') this.credit -= 1
  }

  drain(): boolean {
    return true
  }

  /** What was sent, each as one short text: `1,2`, `w5`, `b1`, `idle`, `end`. */
  texts(): string[] {
    return this.sent.map(elementText)
  }
}

function elementText(element: StreamElement): string {
  switch (element.type) {
    case 'batch':
      return element.batch.rows.slice(0, element.batch.count).join(',')
    case 'watermark':
      return `w${element.ms}`
    case 'status':
      return element.idle ? 'idle' : 'active'
    case 'barrier':
      return `b${element.barrier.checkpointId}`
    default:
      return element.type
  }
}

/** Writes its calls down and hands records on. What a test overrides decides the rest. */
export class HandOperator implements StreamOperator {
  readonly calls: string[]
  protected output!: Output
  readonly #name: string

  constructor(calls: string[], name = '') {
    this.calls = calls
    this.#name = name
  }

  open(context: OperatorContext): void {
    this.output = context.output
  }

  processBatch(batch: RecordBatch, input: number): void {
    this.note(`${batch.rows.slice(0, batch.count).join(',')}${input === 0 ? '' : `@${input}`}`)
    this.output.emit(batch)
  }

  note(call: string): void {
    this.calls.push(this.#name === '' ? call : `${this.#name}:${call}`)
  }
}

export function rows(...values: readonly unknown[]): StreamElement {
  return { type: 'batch', batch: RecordBatch.ofRows(values) }
}

/** Records that are their own event times, each with the watermark before it. */
export function placed(...records: readonly (readonly [number, number])[]): StreamElement {
  const times = records.map(([time]) => time)
  const watermarks = Float64Array.from(records, ([, ms]) => ms)
  return { type: 'batch', batch: RecordBatch.ofRows(times, Float64Array.from(times), watermarks) }
}

export function watermark(ms: number): StreamElement {
  return { type: 'watermark', ms }
}

export function barrier(checkpointId: number, stop = false): StreamElement {
  return { type: 'barrier', barrier: barrierOf(checkpointId, stop) }
}

export function barrierOf(checkpointId: number, stop = false): CheckpointBarrier {
  return { checkpointId, stop, drain: false }
}

export const END: StreamElement = { type: 'end' }
export const IDLE: StreamElement = { type: 'status', idle: true }
export const ACTIVE: StreamElement = { type: 'status', idle: false }

export interface HandTask {
  readonly task: StreamTask
  readonly chain: OperatorChain
  readonly clock: HandClock
  readonly readers: readonly HandReader[]
  readonly writer: HandWriter
  /** What the owner was told. */
  readonly told: string[]
  readonly snapshots: SubtaskSnapshot[]
}

/** A task of chained operators over channels in the test's hand, or over a source. */
export function handTask(
  operators: readonly StreamOperator[],
  given: {
    readonly channels?: number
    readonly source?: SourceReader
    readonly alignment?: SourceAlignment
  } = {},
): HandTask {
  const clock = new HandClock()
  const writer = new HandWriter()
  const readers = Array.from({ length: given.channels ?? 1 }, () => new HandReader())
  const told: string[] = []
  const snapshots: SubtaskSnapshot[] = []
  const nodes = operators.map((_, id) => nodeOf(id, id === 0 && given.source !== undefined))
  const partition = new ResultPartition(EDGE, [writer], 0, 128)
  const mayProduce = (): boolean => partition.hasCredit()
  const links = operators.map((operator, id) => new ChainLink(nodes[id]!, operator, mayProduce))
  links.forEach((link, id) => {
    if (id > 0) links[id - 1]!.addChild(link, undefined)
    link.operator.open({ output: link, name: `step-${id}` } as unknown as OperatorContext)
  })
  links.at(-1)!.addPartition(partition, undefined)
  const chain = new OperatorChain(links)
  const { source } = given
  const channels = readers.map((reader) => ({ reader, input: 0 }))
  const task = new StreamTask({
    vertex: { ...VERTEX, chain: nodes },
    subtask: 0,
    clock,
    faults: undefined,
    bufferTimeoutMs: 20,
    chain,
    gate: source === undefined ? new InputGate(channels, MIN_WATERMARK) : undefined,
    source:
      source === undefined
        ? undefined
        : new SourceDriver(source, chain, HAND_SOURCE, given.alignment),
    sinks: [],
    partitions: [partition],
    mayProduce,
    state: new SubtaskState([], 0, () => Promise.reject(new Error('there is no state'))),
    beforeSnapshot: (id) => told.push(`cut ${id}`),
    owner: {
      acknowledged: (snapshot) => {
        told.push(`acknowledged ${snapshot.checkpointId}`)
        snapshots.push(snapshot)
      },
      declined: (id) => told.push(`declined ${id}`),
      ended: () => told.push('ended'),
      expecting: () => told.push('expecting'),
      failed: (error) => told.push(`failed ${String(error)}`),
    },
  })
  return { task, chain, clock, readers, writer, told, snapshots }
}

const HAND_SOURCE = { uid: 'step-0', subtask: 0, logger: silentLogger, keeps: false } as const

const EDGE = {
  id: 0,
  fromVertex: 0,
  fromNode: 0,
  side: undefined,
  toVertex: 1,
  input: 0,
  partitioning: { type: 'forward' },
  positions: false,
  watermarks: true,
} as const

const VERTEX: JobVertex = {
  id: 0,
  name: 'hand',
  parallelism: 1,
  maxParallelism: 128,
  chain: [],
  parents: [],
  sides: [],
  inputs: [],
  outputs: [],
}

function nodeOf(id: number, isSource: boolean): StreamNode {
  const runtime = { type: isSource ? 'source' : 'operator' } as unknown as StreamNode['runtime']
  return { id, uid: `step-${id}`, name: `step-${id}`, runtime } as StreamNode
}
