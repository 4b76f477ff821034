import type { LowestSplit, Output, StreamOperator } from '../operator/operator.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import type { StreamNode } from '../graph/stream-graph.ts'
import { givesLate, LATE_SIDE } from '../graph/stream-graph.ts'
import type { ResultPartition } from '../channel/result-partition.ts'
import { MAX_WATERMARK, MIN_WATERMARK } from '../stream/elements.ts'

/**
 * The fused operators of one subtask: a tree in depth-first order (JobGraph J1). Batches go through
 * it by direct calls; watermarks step by step, so that firing can pause in between.
 *
 * C1. A watermark reaches a child only when its parent has fired all that it covers.
 * C2. While a watermark is on its way no batch, barrier or end enters the chain.
 * C3. Only the head fires timers, and so only it can pause within a batch.
 */
export class OperatorChain {
  readonly links: readonly ChainLink[]

  constructor(links: readonly ChainLink[]) {
    this.links = links
  }

  get head(): ChainLink {
    return this.links[0]!
  }

  /** Takes the records from `from` on; returns the index of the first that the head has not taken. */
  processBatch(batch: RecordBatch, input: number, from: number): number {
    const head = this.links[0]!
    const { operator } = head
    if (operator.processFrom === undefined) {
      operator.processBatch(batch, input)
      head.recordsIn += batch.count
      return batch.count
    }
    const taken = operator.processFrom(batch, input, from)
    head.recordsIn += taken - from
    return taken
  }

  /** No record comes any more: what waits for processing time fires at the finish. */
  endInput(): void {
    for (const link of this.links) link.inputEnded = true
  }

  /** The combined watermark of the inputs has advanced; `advance` carries it through. */
  offerWatermark(ms: number): void {
    this.links[0]!.offerWatermark(ms)
  }

  get hasPendingWatermark(): boolean {
    for (const link of this.links) if (link.offeredMs > link.reachedMs) return true
    return false
  }

  /** Carries watermarks on. False: an operator paused; call again before anything else. */
  advance(): boolean {
    for (const link of this.links) if (!link.advance()) return false
    return true
  }

  offerIdle(idle: boolean): void {
    this.links[0]!.passIdle(idle)
  }

  /** Fires processing-time timers that are due. False: call again. */
  advanceProcessingTime(nowMs: number): boolean {
    let done = true
    for (const { operator } of this.links) {
      const next = operator.nextProcessingTimeMs?.()
      if (next !== undefined && next <= nowMs) {
        if (!operator.advanceProcessingTime!(nowMs)) done = false
      }
    }
    return done
  }

  nextProcessingTimeMs(): number {
    let next = Infinity
    for (const { operator, inputEnded } of this.links) {
      // From the end on, `finish` fires them.
      if (inputEnded) return Infinity
      const mine = operator.nextProcessingTimeMs?.()
      if (mine !== undefined && mine < next) next = mine
    }
    return next
  }

  /** Of the assigners in the chain, the one furthest behind. */
  lowestSplit(): LowestSplit | undefined {
    let lowest: LowestSplit | undefined
    for (const { operator } of this.links) {
      const found = operator.lowestSplit?.()
      if (found === undefined) continue
      if (lowest === undefined || found.watermarkMs < lowest.watermarkMs) lowest = found
    }
    return lowest
  }

  /** Ends the operators in order. False: call again. */
  finish(): boolean {
    for (const link of this.links) if (!link.finish()) return false
    return true
  }
}

/** Whoever reads a link's output: a child of the chain, or an edge to another vertex. */
export interface Consumer {
  readonly side: string | undefined
  readonly target: ChainLink | ResultPartition
}

/** One operator in a chain with its place in the flow. It is its operator's output. */
export class ChainLink implements Output {
  readonly node: StreamNode
  readonly operator: StreamOperator
  readonly #mayProduce: () => boolean
  readonly #children: ChainLink[] = []
  readonly #childSides: (string | undefined)[] = []
  readonly #partitions: ResultPartition[] = []
  readonly #partitionSides: (string | undefined)[] = []
  recordsIn = 0
  recordsOut = 0
  /** Records behind the watermark that nobody reads: they are gone. */
  lateDropped = 0
  /** The watermark that has arrived, and the one whose firing is complete. */
  offeredMs = MIN_WATERMARK
  reachedMs = MIN_WATERMARK
  #emittedMs = MIN_WATERMARK
  #finished = false
  /** Set by the chain. */
  inputEnded = false
  #processingTimeEnded = false
  /** A change of status that waits for the watermark before it. */
  #idleNext: boolean | undefined

  constructor(node: StreamNode, operator: StreamOperator, mayProduce: () => boolean) {
    this.node = node
    this.operator = operator
    this.#mayProduce = mayProduce
  }

  addChild(child: ChainLink, side: string | undefined): void {
    this.#children.push(child)
    this.#childSides.push(side)
  }

  addPartition(partition: ResultPartition, side: string | undefined): void {
    this.#partitions.push(partition)
    this.#partitionSides.push(side)
  }

  emit(batch: RecordBatch): void {
    this.#deliver(batch, undefined)
  }

  emitTo(side: string, batch: RecordBatch): void {
    this.#deliver(batch, side)
  }

  #deliver(batch: RecordBatch, side: string | undefined): void {
    if (batch.count === 0) return
    if (side === LATE_SIDE && !this.#isRead(side) && givesLate(this.node)) {
      this.lateDropped += batch.count
      return
    }
    this.recordsOut += batch.count
    for (let index = 0; index < this.#children.length; index += 1) {
      if (this.#childSides[index] !== side) continue
      const child = this.#children[index]!
      child.recordsIn += batch.count
      child.operator.processBatch(batch, 0)
    }
    for (let index = 0; index < this.#partitions.length; index += 1) {
      if (this.#partitionSides[index] === side) this.#partitions[index]!.emit(batch)
    }
  }

  #isRead(side: string): boolean {
    return this.#childSides.includes(side) || this.#partitionSides.includes(side)
  }

  /** How far event time is here, for people: where watermarks are made, as they come out. */
  get watermarkMs(): number {
    return this.operator.emitsWatermarks === true ? this.#emittedMs : this.reachedMs
  }

  emitWatermark(ms: number): void {
    if (ms <= this.#emittedMs) return
    this.#emittedMs = ms
    for (const child of this.#children) child.offerWatermark(ms)
    for (const partition of this.#partitions) partition.emitWatermark(ms)
  }

  emitIdle(idle: boolean): void {
    for (const child of this.#children) child.passIdle(idle)
    for (const partition of this.#partitions) partition.emitStatus(idle)
  }

  hasCredit(): boolean {
    return this.#mayProduce()
  }

  offerWatermark(ms: number): void {
    if (ms > this.offeredMs) this.offeredMs = ms
  }

  /** Never overtakes a watermark: an idle channel's would not be heard. */
  passIdle(idle: boolean): void {
    if (this.operator.emitsWatermarks === true) this.operator.onInputIdle?.(idle)
    else if (this.offeredMs > this.reachedMs) this.#idleNext = idle
    else this.#tellIdle(idle)
  }

  #tellIdle(idle: boolean): void {
    this.operator.onInputIdle?.(idle)
    this.emitIdle(idle)
  }

  advance(): boolean {
    while (this.offeredMs > this.reachedMs) {
      const ms = this.offeredMs
      if (this.operator.advanceWatermark !== undefined && !this.operator.advanceWatermark(ms)) {
        return false
      }
      this.reachedMs = ms
      // A watermark assigner swallows its input's watermarks, but for the last one.
      if (this.operator.emitsWatermarks !== true || ms === MAX_WATERMARK) this.emitWatermark(ms)
    }
    if (this.#idleNext !== undefined) {
      this.#tellIdle(this.#idleNext)
      this.#idleNext = undefined
    }
    return true
  }

  /**
   * Behind the last watermark: the timers of processing time that still wait fire once, in order,
   * and then the event-time timers that these have set. Timers of processing time that one of their
   * kind has set never fire. False: call again.
   */
  #endTimers(): boolean {
    const { operator } = this
    if (!this.#processingTimeEnded) {
      if (operator.nextProcessingTimeMs?.() === undefined) return true
      if (!operator.advanceProcessingTime!(Infinity)) return false
      this.#processingTimeEnded = true
    }
    return operator.advanceWatermark?.(MAX_WATERMARK) ?? true
  }

  finish(): boolean {
    if (this.#finished) return true
    if (!this.#endTimers()) return false
    if (this.operator.finish !== undefined && !this.operator.finish()) return false
    this.#finished = true
    return true
  }
}
