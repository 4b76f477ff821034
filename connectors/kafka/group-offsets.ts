import type { Clock, Logger } from '../../engine/index.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import type { OffsetCommitRequest } from './requests.ts'
import { LAST_COMMIT_WAIT_MS, OFFSET_COMMIT_MS } from './kafka-limits.ts'
import { errorName, FIND_COORDINATOR, isTransient, OFFSET_COMMIT } from './requests.ts'

/**
 * Commits offsets to a group, for lag tools only: nothing is ever read back. One commit is under
 * way; of those that wait, the newest counts. What fails for OFFSET_COMMIT_MS is dropped and
 * logged.
 */
export class GroupOffsets {
  readonly #groupId: string
  readonly #cluster: KafkaCluster
  readonly #logger: Logger
  readonly #clock: Clock
  #waiting: OffsetCommitRequest['topics'] | undefined
  #committing: Promise<void> | undefined
  #closed = false
  #coordinator: string | undefined

  constructor(groupId: string, cluster: KafkaCluster, logger: Logger, clock: Clock) {
    this.#groupId = groupId
    this.#cluster = cluster
    this.#logger = logger
    this.#clock = clock
  }

  commit(topics: OffsetCommitRequest['topics']): void {
    this.#waiting = topics
    this.#committing ??= this.#commitWaiting()
  }

  /** Gives a commit that is under way a moment: after the last checkpoint no other follows. */
  async close(): Promise<void> {
    if (this.#committing !== undefined) {
      await Promise.race([this.#committing, this.#clock.sleep(LAST_COMMIT_WAIT_MS)])
    }
    this.#closed = true
  }

  /** Never rejects. */
  async #commitWaiting(): Promise<void> {
    while (this.#waiting !== undefined && !this.#closed) {
      const topics = this.#waiting
      this.#waiting = undefined
      try {
        await this.#commit(topics)
      } catch (error) {
        this.#logFailure(error instanceof Error ? error.message : String(error))
      }
    }
    this.#committing = undefined
  }

  async #commit(topics: OffsetCommitRequest['topics']): Promise<void> {
    const backOff = this.#cluster.backOff()
    for (;;) {
      const failure = await this.#attempt(topics)
      if (failure === undefined) return
      if (this.#waiting !== undefined || this.#closed) return // A newer one takes over.
      if (backOff.elapsedMs > OFFSET_COMMIT_MS) {
        this.#logFailure(failure)
        return
      }
      await backOff.wait()
    }
  }

  /** Undefined when done or refused for good; else what went wrong. */
  async #attempt(topics: OffsetCommitRequest['topics']): Promise<string | undefined> {
    try {
      if (this.#coordinator === undefined) {
        const found = await this.#cluster.callAny(FIND_COORDINATOR, this.#groupId)
        if (found.error !== 0) return this.#settle(found.error)
        this.#coordinator = found.address
      }
      const request = { groupId: this.#groupId, topics }
      const errors = await this.#cluster.callAddress(this.#coordinator, OFFSET_COMMIT, request)
      return this.#settle(errors.find((error) => error !== 0) ?? 0)
    } catch (error) {
      this.#coordinator = undefined
      return error instanceof Error ? error.message : String(error)
    }
  }

  #settle(error: number): string | undefined {
    if (error === 0) return undefined
    this.#coordinator = undefined
    if (isTransient(error)) return errorName(error)
    this.#logFailure(errorName(error))
    return undefined
  }

  #logFailure(reason: string): void {
    if (this.#closed) return
    this.#logger.warn(
      { group: this.#groupId, reason },
      'group offsets were not committed: lag tools show old numbers, the job is not touched',
    )
  }
}
