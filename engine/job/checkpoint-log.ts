import type { Clock } from '../base/clock.ts'
import type { Doors } from '../base/doors.ts'
import type { ErrorData } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { CheckpointManifest } from '../checkpoint/manifest.ts'
import type { SubtaskSnapshot } from '../checkpoint/snapshot.ts'
import type { CheckpointId } from '../stream/elements.ts'
import type { CheckpointProgress } from './protocol.ts'
import { reasonOf } from '../base/errors.ts'
import { formatCheckpointId } from '../checkpoint/layout.ts'

/** What the master keeps of each checkpoint between its trigger and the commit of the next. */
export class CheckpointLog {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #triggeredMs = new Map<CheckpointId, number>()
  readonly #manifests = new Map<CheckpointId, CheckpointManifest>()
  #count = 0
  #last: CheckpointProgress | undefined

  constructor({ clock, logger }: Pick<Doors, 'clock' | 'logger'>) {
    this.#clock = clock
    this.#logger = logger
  }

  /** Complete ones, in this life. */
  get count(): number {
    return this.#count
  }

  get last(): CheckpointProgress | undefined {
    return this.#last
  }

  onTriggered(id: CheckpointId): void {
    this.#triggeredMs.set(id, this.#clock.monotonicMs())
  }

  onWritten(
    id: CheckpointId,
    manifest: CheckpointManifest,
    snapshots: readonly SubtaskSnapshot[],
  ): void {
    this.#manifests.set(id, manifest)
    this.#count += 1
    this.#last = {
      name: formatCheckpointId(id),
      completedAtMs: this.#clock.nowMs(),
      durationMs: this.#clock.monotonicMs() - this.#triggeredMs.get(id)!,
      bytes: snapshots.reduce((total, { bytesWritten }) => total + bytesWritten, 0),
      count: this.#count,
    }
  }

  manifestOf(id: CheckpointId): CheckpointManifest {
    return this.#manifests.get(id)!
  }

  onAborted(id: CheckpointId, error: ErrorData): void {
    this.#triggeredMs.delete(id)
    const fields = { checkpoint: formatCheckpointId(id), ...reasonOf(error) }
    this.#logger.warn(fields, 'checkpoint aborted')
  }

  /** What was before this one is of no use any more. */
  onCommitted(id: CheckpointId): void {
    for (const kept of [this.#triggeredMs, this.#manifests]) {
      for (const older of kept.keys()) if (older < id) kept.delete(older)
    }
  }
}
