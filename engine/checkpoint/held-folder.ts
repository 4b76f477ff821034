import { join } from 'node:path'
import type { Doors } from '../base/doors.ts'
import { messageOf } from '../base/errors.ts'
import type { Json } from '../base/json.ts'
import type { Committer } from '../operator/sink.ts'
import type { CheckpointId } from '../stream/elements.ts'
import type { CommitterRunner } from './committer-runner.ts'
import type { Epoch } from './epochs.ts'
import { epochOf, formatCheckpointId, type WorkLayout } from './layout.ts'
import { MANIFEST_FORMAT, type CheckpointManifest, type Lineage } from './manifest.ts'
import type { Ownership } from './ownership.ts'
import { pruneEpochs } from './epochs.ts'
import { copySavepoint } from './savepoint.ts'
import type { OperatorState, SinkState, SourceState } from './snapshot.ts'
import type { CheckpointStore } from './store.ts'

/** What a checkpoint holds; the folder adds whose it is. */
export interface CheckpointContent {
  readonly checkpointId: CheckpointId
  readonly final: boolean
  readonly drained: boolean
  readonly counters: Readonly<Record<string, number>>
  readonly operators: readonly OperatorState[]
  readonly sources: readonly SourceState[]
  readonly sinks: readonly SinkState[]
}

export interface FolderParts {
  readonly doors: Doors
  readonly layout: WorkLayout
  readonly life: Epoch
  readonly planHash: string
  readonly parameters: Readonly<Record<string, Json>>
  readonly restored: CheckpointManifest | undefined
  readonly store: CheckpointStore
  readonly targets: readonly Target[]
  readonly ownership: Ownership
}

/** A sink that commits. */
export interface Target {
  readonly runner: CommitterRunner
  readonly committer: Committer
}

/** One life's hold on its work folder: writes its checkpoints and publishes them. */
export class WorkFolder {
  readonly #parts: FolderParts
  #retiring: Promise<void> = Promise.resolve()
  /** Checkpoints below it are published, with all that they hold. */
  #publishedBelow: CheckpointId

  constructor(parts: FolderParts) {
    this.#parts = parts
    this.#publishedBelow = parts.restored?.checkpointId ?? 0
    this.#retire(this.#publishedBelow)
  }

  get epoch(): number {
    return this.#parts.life.epoch
  }

  get instance(): string {
    return this.#parts.life.instance
  }

  get lineage(): Lineage {
    return this.#parts.life.lineage
  }

  /** As the present job is to restore it; undefined at a fresh start. */
  get restored(): CheckpointManifest | undefined {
    return this.#parts.restored
  }

  /** Makes a checkpoint exist. CHECKPOINT_IN_DOUBT: this life must end, the disk decides. */
  async write(content: CheckpointContent): Promise<CheckpointManifest> {
    const { life, planHash, parameters, doors, store } = this.#parts
    const { job, lineage, instance } = life
    const manifest: CheckpointManifest = {
      format: MANIFEST_FORMAT,
      job,
      lineage,
      checkpointId: content.checkpointId,
      instance,
      createdAtMs: doors.clock.nowMs(),
      planHash,
      parameters,
      final: content.final,
      drained: content.drained,
      counters: content.counters,
      operators: content.operators,
      sources: content.sources,
      sinks: content.sinks.map((sink) => this.#withMarker(sink)),
      staged: [],
    }
    await store.write(manifest)
    return manifest
  }

  /** With the place that tells, after a change of the job, whether its output is published. */
  #withMarker(sink: SinkState): SinkState {
    const { targets } = this.#parts
    const marker = targets.find(({ runner }) => runner.uid === sink.uid)?.committer.markerFile
    return marker === undefined ? sink : { ...sink, marker }
  }

  /** Publishes what the checkpoint holds, at every sink. Called in the order of ids. */
  async commit(manifest: CheckpointManifest): Promise<void> {
    const { checkpointId: id, sinks } = manifest
    await Promise.all(
      this.#parts.targets.map(({ runner }) => {
        const sink = sinks.find(({ uid }) => uid === runner.uid)
        return runner.commit(id, sink?.committables ?? [])
      }),
    )
    this.#publishedBelow = id
    this.#retire(id)
  }

  /**
   * A self-contained copy of a checkpoint that is written, and mostly committed, too; resolves to
   * its folder. Not while a later one is committed: that may drop this one's files.
   */
  async savepoint(manifest: CheckpointManifest, target: string | undefined): Promise<string> {
    const { doors, layout, targets } = this.#parts
    const name = formatCheckpointId(manifest.checkpointId)
    const folder = target ?? join(layout.savepoints, name)
    const isPublished = manifest.checkpointId <= this.#publishedBelow
    await copySavepoint({
      files: doors.files,
      root: layout.root,
      manifest,
      target: folder,
      unpublished: isPublished ? [] : manifest.sinks,
      stagedFiles: (sink) =>
        targets
          .find(({ runner }) => runner.uid === sink.uid)
          ?.committer.stagedFiles(sink.committables) ?? [],
    })
    return folder
  }

  /** Waits for commits under way, and gives the folder back. */
  async release(): Promise<void> {
    try {
      for (const { runner } of this.#parts.targets) await runner.close()
      await this.#retiring
    } finally {
      await this.#parts.ownership.release()
    }
  }

  /** Cleaning up never holds up or fails a job. */
  #retire(keepFrom: CheckpointId): void {
    const { store, doors, layout, life } = this.#parts
    this.#retiring = this.#retiring
      .then(async () => {
        await store.retire(life.epoch, keepFrom)
        const [oldest] = await store.list()
        if (oldest !== undefined) await pruneEpochs(doors.files, layout, epochOf(oldest))
      })
      .catch((error: unknown) => {
        const reason = messageOf(error)
        doors.logger.warn({ reason }, 'files that nobody needs could not be deleted')
      })
  }
}
