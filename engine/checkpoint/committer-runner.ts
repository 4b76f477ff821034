import type { Clock } from '../base/clock.ts'
import { asStreamError, isLasting, StreamError } from '../base/errors.ts'
import { errnoOf } from '../base/files.ts'
import { COMMIT_DEADLINE_MS, COMMIT_RETRY_FIRST_MS, COMMIT_RETRY_MAX_MS } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { FaultProbe } from '../faults/probe.ts'
import type { Committable, Committer, TargetMarker } from '../operator/sink.ts'
import type { CheckpointId } from '../stream/elements.ts'
import { assert } from '../base/assert.ts'
import { bornAfter } from './committables.ts'
import type { CheckpointManifest, Lineage } from './manifest.ts'
import { decideTarget, ownedUpTo } from './target.ts'

export interface CommitterRunnerOptions {
  readonly uid: string
  readonly committer: Committer
  readonly clock: Clock
  readonly logger: Logger
  readonly faults?: FaultProbe | undefined
  readonly lineage: Lineage
  /** Of this life. */
  readonly instance: string
}

/**
 * Commits the complete checkpoints of one sink, in order of id, off the record path.
 *
 * R1. Nothing is committed that no complete checkpoint holds.
 * R2. One commit at a time; within one, by (bornAt, subtask, sequence).
 * R3. What the target's marker covers is published already: it is skipped, not looked for.
 * R4. The target is claimed before the first record: from then on its marker names this life, and
 *     a marker that names another ends it.
 */
export class CommitterRunner {
  readonly uid: string
  readonly #options: CommitterRunnerOptions
  #last: Promise<unknown> = Promise.resolve()
  #lastId: CheckpointId = 0
  #isClosed = false

  constructor(options: CommitterRunnerOptions) {
    this.uid = options.uid
    this.#options = options
  }

  /**
   * Once, before records flow: checks whose the target is, publishes what the restored checkpoint
   * has pending, claims the target (R4), and removes staged leftovers of lost lives. Throws
   * SINK_AHEAD or SINK_FOREIGN, with nothing touched, when the target is not ours.
   */
  async open(
    restored: CheckpointManifest | undefined,
    knownInstances: ReadonlySet<string>,
  ): Promise<void> {
    const { committer, lineage, logger } = this.#options
    const restoredId = restored?.checkpointId ?? 0
    const known = restored?.sinks.find((sink) => sink.uid === this.uid)
    const pending = known?.committables ?? []
    await this.#retrying(async () => {
      const decision = decideTarget({
        uid: this.uid,
        marker: await committer.readMarker(),
        lineage,
        restoredId,
        isKnownSink: known !== undefined,
        hasPending: pending.length > 0,
        // A retry finds the claim of its own first try.
        knownInstances: new Set([...knownInstances, this.#options.instance]),
      })
      if (decision.type === 'refuse') {
        const { code, message, hint } = decision
        throw new StreamError(code, message, { hint })
      }
      if (decision.type === 'adopt') {
        const fields = { uid: this.uid, overlap: decision.overlap }
        logger.warn(fields, 'the fork takes over the target of its parent')
      }
      await committer.commit(bornAfter(pending, decision.after), this.#marker(restoredId))
    })
    this.#lastId = restoredId
    await this.#retrying(() => committer.sweep([]))
  }

  /**
   * Commits a complete checkpoint, after those before it. Resolves when all of it is published and
   * the marker says so. A rejection ends the life: later calls reject as well.
   */
  commit(id: CheckpointId, committables: readonly Committable[]): Promise<void> {
    assert(id > this.#lastId, 'checkpoints are committed in order')
    assert(!this.#isClosed, 'the committer is closed')
    this.#lastId = id
    const committed = this.#last.then(() => this.#commit(id, committables))
    this.#last = committed
    committed.catch(() => undefined) // The caller has the promise; `#last` is only awaited.
    return committed
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#last.catch(() => undefined)
    await this.#options.committer.close()
  }

  async #commit(id: CheckpointId, committables: readonly Committable[]): Promise<void> {
    // The marker may stay behind: with nothing to publish there is nothing to tell apart.
    if (committables.length === 0) return
    const { committer, faults } = this.#options
    await faults?.hold('commit.begin', { uid: this.uid, checkpointId: id })
    await this.#retrying(async () => {
      const marker = await committer.readMarker()
      const done = ownedUpTo(this.uid, marker, this.#marker(id))
      const pending = bornAfter(committables, done)
      if (pending.length > 0) await committer.commit(pending, this.#marker(id))
    })
    faults?.reach('commit.done', { uid: this.uid, checkpointId: id })
  }

  #marker(checkpointId: CheckpointId): TargetMarker {
    const { lineage, instance } = this.#options
    return { lineage: lineage.id, instance, checkpointId }
  }

  /** Again with growing pauses while it is SINK_COMMIT_FAILED and may pass, until the deadline. */
  async #retrying(act: () => Promise<void>): Promise<void> {
    const { clock, logger } = this.#options
    const deadlineMs = clock.monotonicMs() + COMMIT_DEADLINE_MS
    for (let pauseMs = COMMIT_RETRY_FIRST_MS; ; pauseMs *= 2) {
      try {
        await act()
        return
      } catch (thrown) {
        const error = this.#named(thrown)
        if (error.code !== 'SINK_COMMIT_FAILED') throw error
        const waitMs = Math.min(pauseMs, COMMIT_RETRY_MAX_MS)
        if (this.#isClosed || clock.monotonicMs() + waitMs > deadlineMs) throw error
        const hint = error.hint === undefined ? {} : { hint: error.hint }
        const fields = { uid: this.uid, reason: error.message, waitMs, ...hint }
        logger.warn(fields, 'a commit is tried again')
        await this.#options.faults?.hold('commit.retry', { uid: this.uid, what: error.code })
        await clock.sleep(waitMs)
      }
    }
  }

  /** What the operating system refused may pass, or not; anything else is what it is. */
  #named(thrown: unknown): StreamError {
    const code = errnoOf(thrown) === undefined ? 'BUG' : 'SINK_COMMIT_FAILED'
    const error = asStreamError(thrown, code, { operator: this.uid })
    if (error.code !== 'SINK_COMMIT_FAILED' || !isLasting(thrown)) return error
    return new StreamError('FILE_REFUSED', error.message, {
      place: error.place,
      cause: error.cause,
    })
  }
}
