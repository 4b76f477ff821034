import type { CheckpointBarrier, CheckpointId } from '../stream/elements.ts'
import type { SubtaskSnapshot } from '../checkpoint/snapshot.ts'
import type { SubtaskMetrics } from '../worker/protocol.ts'
import type { JobVertex } from '../graph/job-graph.ts'
import type { FaultPlace } from '../faults/place.ts'
import type { GateEvent, InputGate } from './input-gate.ts'
import type { SplitDeal } from './source-driver.ts'
import type { TaskParts } from './task-parts.ts'
import { headName } from '../graph/job-graph.ts'
import { asStreamError, type ErrorCode } from '../base/errors.ts'
import { assert } from '../base/assert.ts'
import { SLICE_STEPS_MAX } from '../base/limits.ts'
import { MAX_WATERMARK } from '../stream/elements.ts'
import { SubtaskCheckpoint } from './subtask-checkpoint.ts'
import { tellEvent } from './tell-event.ts'

/** What keeps state from being written, and may be over at the next checkpoint. */
const TOLERABLE: ReadonlySet<ErrorCode> = new Set([
  'CHECKPOINT_FAILED',
  'CHECKPOINT_EXPIRED',
  'FILE_IO',
])

/** Units of work that a step is by itself, whatever it carries. */
const STEP_UNITS = 16

type Step = 'worked' | 'idle' | 'blocked'

/**
 * One subtask at work, in slices, cooperatively (architecture A6): everything in it is synchronous
 * but the asynchronous part of a checkpoint, which its `SubtaskCheckpoint` awaits.
 *
 * T1. A step is taken only when every output has credit and every sink is ready.
 * T2. Order within a task: the rest of a batch, what a watermark fires, then a barrier, then a
 *     processing-time timer, then the end, then new input. A barrier is thus taken only after the
 *     last firing before it, and nothing comes between two records of a batch but what fires there.
 * T3. The barrier is sent on before anything is emitted that the snapshot does not cover.
 * T4. After its end a task stays, passing and answering barriers, until it is closed.
 */
export class StreamTask {
  readonly #parts: TaskParts
  readonly #checkpoint: SubtaskCheckpoint
  readonly #triggers: CheckpointBarrier[] = []
  #barrier: CheckpointBarrier | undefined
  /** A batch that is not taken whole, and the index of its first record that is not. */
  #batch: Extract<GateEvent, { type: 'batch' }> | undefined
  #taken = 0
  #inputEnded = false
  #ended = false
  #stopped = false
  #draining = false
  #waiting = false
  /** Splits are expected, and not all outputs know yet that this subtask is not idle. */
  #expecting = false
  /** Settles when no part of a checkpoint is being made durable any more. */
  #answering: Promise<unknown> = Promise.resolve()
  #alignmentStartedMs: number | undefined
  #flushedMs = 0
  #steps = 0
  #workDone = 0
  #busyMs = 0
  #blockedMs = 0
  #blockedSinceMs: number | undefined
  #measuredMs: number

  constructor(parts: TaskParts) {
    assert((parts.gate === undefined) !== (parts.source === undefined))
    this.#parts = parts
    this.#checkpoint = new SubtaskCheckpoint(parts)
    this.#measuredMs = parts.clock.monotonicMs()
  }

  get vertex(): JobVertex {
    return this.#parts.vertex
  }

  get isSource(): boolean {
    return this.#parts.source !== undefined
  }

  get subtask(): number {
    return this.#parts.subtask
  }

  /** All work up to the end of the last slice, in units. Snapshots are paid for by it. */
  get workDone(): number {
    return this.#workDone
  }

  /** For fault points. */
  get place(): FaultPlace {
    const { vertex, subtask } = this.#parts
    return { uid: headName(vertex), subtask }
  }

  /** Runs for one slice. False: nothing to do until a kick, an input or a timer. */
  runSlice(): boolean {
    const { partitions, clock, bufferTimeoutMs } = this.#parts
    const startedMs = clock.monotonicMs()
    if (this.#blockedSinceMs !== undefined) {
      this.#blockedMs += startedMs - this.#blockedSinceMs
      this.#blockedSinceMs = undefined
    }
    let worked = false
    let isOut = true
    for (const partition of partitions) isOut = partition.drain() && isOut
    if (this.#expecting && isOut) this.#tellExpecting()
    if (this.#processingTimeIsDue()) {
      this.#parts.chain.advanceProcessingTime(clock.nowMs())
      worked = true
    }
    let step: Step = 'worked'
    for (let taken = 0; taken < SLICE_STEPS_MAX; taken += 1) {
      step = this.#step()
      if (step !== 'worked') break
      worked = true
      this.#steps += 1
    }
    this.#parts.source?.publish()
    const endedMs = worked ? clock.monotonicMs() : startedMs
    if (step === 'idle' || endedMs - this.#flushedMs >= bufferTimeoutMs) {
      for (const partition of partitions) partition.flush()
      this.#flushedMs = endedMs
    }
    if (worked) this.#workDone = this.#countWork()
    this.#busyMs += endedMs - startedMs
    if (step === 'blocked') this.#blockedSinceMs = endedMs
    return worked
  }

  /** Whether `runSlice` would find something to do: asked once more before parking. */
  hasWork(): boolean {
    if (!this.#mayProduce()) return false
    if (this.#batch !== undefined) return true
    if (this.#barrier !== undefined || this.#triggers.length > 0) return true
    if (this.#parts.chain.hasPendingWatermark || this.#processingTimeIsDue()) return true
    if (this.#inputEnded && !this.#ended && !this.#stopped) return true
    if (this.#parts.gate !== undefined) return !this.#stopped && this.#parts.gate.hasNext()
    return !this.#waiting && !this.#inputEnded && !this.#stopped && !this.#isPaused()
  }

  /** Data for the source's reader has arrived. */
  kick(): void {
    this.#waiting = false
    this.#parts.source?.kicked()
  }

  /** Splits of one discovery are dealt when all subtasks that get one have answered. */
  expectSplits(): void {
    this.#parts.source!.expectSplits()
    this.#expecting = true
  }

  addSplits(deal: SplitDeal): void {
    this.#parts.faults?.reach('source.splits', this.place)
    this.#parts.source!.addSplits(deal)
    this.#waiting = false
  }

  trigger(barrier: CheckpointBarrier): void {
    assert(this.#parts.source !== undefined, 'only sources are triggered')
    this.#triggers.push(barrier)
  }

  /** The source's input ends here, as if there were no more. */
  drain(): void {
    if (this.#parts.source === undefined) return
    this.#draining = true
    this.#waiting = false
  }

  confirm(checkpointId: CheckpointId): void {
    for (const sink of this.#parts.sinks) sink.confirm(checkpointId)
  }

  completed(checkpointId: CheckpointId): void {
    const splits = this.#checkpoint.takePositions(checkpointId)
    if (splits !== undefined) this.#parts.source!.completed(splits)
  }

  metrics(): SubtaskMetrics {
    const { chain, vertex, subtask, clock } = this.#parts
    const nowMs = clock.monotonicMs()
    const passedMs = Math.max(nowMs - this.#measuredMs, 1)
    if (this.#blockedSinceMs !== undefined) {
      this.#blockedMs += nowMs - this.#blockedSinceMs
      this.#blockedSinceMs = nowMs
    }
    const busy = Math.min(this.#busyMs / passedMs, 1)
    const metrics: SubtaskMetrics = {
      vertex: vertex.id,
      subtask,
      recordsIn: chain.links.map((link) => link.recordsIn),
      recordsOut: chain.links.map((link) => link.recordsOut),
      malformed: this.#parts.source?.malformedCount ?? 0,
      late: chain.links.map((link) => link.lateDropped),
      watermarkMs: chain.links[chain.links.length - 1]!.reachedMs,
      watermarksMs: chain.links.map((link) => link.watermarkMs),
      lowestSplit: chain.lowestSplit(),
      waitsFor: this.#parts.source?.takeWaitedFor(),
      busy,
      backPressured: Math.min(this.#blockedMs / passedMs, 1 - busy),
    }
    this.#busyMs = 0
    this.#blockedMs = 0
    this.#measuredMs = nowMs
    return metrics
  }

  /**
   * Frees what the task holds, in reverse order of its making. What it still writes for a
   * checkpoint that is over comes to its end first: no half of a file is left.
   */
  async close(): Promise<void> {
    const { source, chain, state, faults } = this.#parts
    await faults?.hold('task.close', this.place)
    await this.#answering
    await source?.close()
    for (const link of [...chain.links].reverse()) await link.operator.close?.()
    await state.close()
  }

  /** In units that take about as long as each other: records in and out of operators, and steps. */
  #countWork(): number {
    let units = this.#steps * STEP_UNITS
    for (const { recordsIn, recordsOut } of this.#parts.chain.links) units += recordsIn + recordsOut
    return units
  }

  #tellExpecting(): void {
    this.#expecting = false
    this.#parts.owner.expecting(this.#parts.vertex.id, this.#parts.subtask)
  }

  #mayProduce(): boolean {
    return this.#parts.mayProduce()
  }

  #step(): Step {
    if (!this.#mayProduce()) return 'blocked'
    if (this.#batch !== undefined) {
      this.#takeRecords(this.#batch)
      return 'worked'
    }
    const { chain } = this.#parts
    if (chain.hasPendingWatermark) {
      chain.advance()
      return 'worked'
    }
    if (this.#barrier !== undefined) {
      const barrier = this.#barrier
      this.#barrier = undefined
      this.#take(barrier)
      return 'worked'
    }
    if (this.#inputEnded && !this.#ended && !this.#stopped) {
      if (chain.finish()) this.#end()
      return 'worked'
    }
    return this.#parts.gate === undefined ? this.#stepSource() : this.#stepGate(this.#parts.gate)
  }

  #stepSource(): Step {
    const trigger = this.#triggers.shift()
    if (trigger !== undefined) {
      this.#barrier = trigger
      return 'worked'
    }
    if (this.#stopped || this.#inputEnded || this.#waiting || this.#isPaused()) return 'idle'
    this.#parts.faults?.reach('source.poll', this.place)
    const found = this.#draining ? 'finished' : this.#parts.source!.poll()
    if (found === 'more') return 'worked'
    if (found === 'paused') return 'idle'
    if (found === 'waiting') {
      this.#waiting = true
      return 'idle'
    }
    this.#parts.faults?.reach('source.end', this.place)
    this.#endInput()
    return 'worked'
  }

  /** The source is far ahead of others. It is asked again in each turn of the loop. */
  #isPaused(): boolean {
    return !this.#draining && this.#parts.source!.mustPause()
  }

  #stepGate(gate: InputGate): Step {
    if (this.#stopped) return 'idle'
    const event = gate.next()
    if (event === undefined) {
      if (gate.aligning) this.#alignmentStartedMs ??= this.#parts.clock.monotonicMs()
      return 'idle'
    }
    if (gate.aligning) this.#alignmentStartedMs ??= this.#parts.clock.monotonicMs()
    if (this.#parts.faults !== undefined) tellEvent(this.#parts.faults, this.place, event)
    switch (event.type) {
      case 'batch':
        this.#takeRecords(event)
        break
      case 'watermark':
        this.#parts.chain.offerWatermark(event.ms)
        break
      case 'idle':
        this.#parts.chain.offerIdle(event.idle)
        break
      case 'barrier':
        this.#barrier = event.barrier
        break
      case 'end':
        this.#endInput()
        break
      default:
        event satisfies never
    }
    return 'worked'
  }

  /** Takes what is left of the batch, as far as the head goes before it pauses. */
  #takeRecords(event: Extract<GateEvent, { type: 'batch' }>): void {
    const { chain, gate } = this.#parts
    const { batch, input } = event
    this.#taken = chain.processBatch(batch, input, this.#taken)
    this.#batch = this.#taken < batch.count ? event : undefined
    if (this.#batch !== undefined) return
    this.#taken = 0
    gate!.release()
  }

  #processingTimeIsDue(): boolean {
    const { chain, clock } = this.#parts
    const nextMs = chain.nextProcessingTimeMs()
    if (nextMs === Infinity || nextMs > clock.nowMs()) return false
    if (this.#stopped || this.#ended || this.#batch !== undefined) return false
    return !chain.hasPendingWatermark && this.#mayProduce()
  }

  #endInput(): void {
    this.#inputEnded = true
    this.#parts.source?.endInput()
    this.#parts.chain.endInput()
    this.#parts.chain.offerWatermark(MAX_WATERMARK)
  }

  #end(): void {
    this.#ended = true
    for (const partition of this.#parts.partitions) partition.emitEnd()
    this.#parts.owner.ended(this.#parts.vertex.id, this.#parts.subtask)
  }

  #take(barrier: CheckpointBarrier): void {
    const { partitions, clock } = this.#parts
    const alignmentMs =
      this.#alignmentStartedMs === undefined ? 0 : clock.monotonicMs() - this.#alignmentStartedMs
    this.#alignmentStartedMs = undefined
    this.#parts.faults?.reach('barrier.forward', {
      ...this.place,
      checkpointId: barrier.checkpointId,
    })
    for (const partition of partitions) partition.emitBarrier(barrier)
    if (barrier.stop) this.#stopped = true
    const taken = this.#checkpoint.take(barrier.checkpointId, alignmentMs)
    this.#answering = Promise.all([this.#answering, this.#answer(barrier.checkpointId, taken)])
  }

  async #answer(checkpointId: CheckpointId, taken: Promise<SubtaskSnapshot>): Promise<void> {
    const { owner } = this.#parts
    try {
      const snapshot = await taken
      this.#tell('snapshot.acknowledge', checkpointId, () => {
        owner.acknowledged(snapshot)
      })
    } catch (error) {
      const failure = asStreamError(error, 'CHECKPOINT_FAILED')
      if (!TOLERABLE.has(failure.code)) owner.failed(failure)
      else {
        this.#tell('snapshot.decline', checkpointId, () => {
          owner.declined(checkpointId, failure)
        })
      }
    }
  }

  #tell(
    point: 'snapshot.acknowledge' | 'snapshot.decline',
    checkpointId: CheckpointId,
    say: () => void,
  ): void {
    const { faults } = this.#parts
    if (faults === undefined) say()
    else faults.pass(point, { ...this.place, checkpointId }, say)
  }
}
