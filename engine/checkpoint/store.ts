import { join } from 'node:path'
import { StreamError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import { makeDirectories, readWholeFile } from '../base/files.ts'
import type { Logger } from '../base/logger.ts'
import type { CheckpointId } from '../stream/elements.ts'
import { assert } from '../base/assert.ts'
import { formatCheckpointId, manifestName, parseManifestName, temporaryName } from './layout.ts'
import type { WorkLayout } from './layout.ts'
import { damaged, decodeManifest, encodeManifest, readingFile } from './manifest-codec.ts'
import type { CheckpointManifest } from './manifest.ts'
import { planRetention, planSweep } from './sweep.ts'

export interface CheckpointStoreOptions {
  readonly files: Files
  readonly layout: WorkLayout
  readonly logger: Logger
  /** How many complete checkpoints are kept. */
  readonly retain: number
}

/**
 * The complete checkpoints of a work folder.
 *
 * M1. A checkpoint exists from the moment its manifest is linked into `manifests/`; all that it
 *     names is durable before. Nothing commits before `write` has resolved.
 * M2. An error before the link leaves nothing: CHECKPOINT_FAILED. One at or after it is
 *     CHECKPOINT_IN_DOUBT: the process must exit, and the next start finds what the disk decided.
 * M3. Recovery makes a manifest durable once more before it acts on it: it may have been seen only
 *     in the page cache of a life that died before its fsync.
 * M4. A manifest is deleted, durably, before any file that only it names. One that cannot be read
 *     stops all deleting.
 */
export class CheckpointStore {
  readonly #options: CheckpointStoreOptions
  readonly #known = new Map<CheckpointId, CheckpointManifest>()
  #written: CheckpointId = 0

  constructor(options: CheckpointStoreOptions) {
    assert(options.retain >= 1, 'at least one checkpoint is kept')
    this.#options = options
  }

  /** Makes the folders, and removes what cut-short writes of manifests left behind. */
  async open(): Promise<void> {
    const { files, layout } = this.#options
    for (const path of [layout.state, layout.manifests, layout.scratch]) {
      await makeDirectories(files, path)
    }
    for (const name of await files.list(layout.manifests)) {
      if (name.endsWith('.tmp')) await files.unlink(join(layout.manifests, name))
    }
  }

  pathOf(id: CheckpointId): string {
    return join(this.#options.layout.manifests, manifestName(id))
  }

  /** Ids of the complete checkpoints, oldest first. */
  async list(): Promise<readonly CheckpointId[]> {
    const names = await this.#options.files.list(this.#options.layout.manifests)
    return names.map(parseManifestName).filter((id) => id !== undefined)
  }

  async latest(): Promise<CheckpointId | undefined> {
    return (await this.list()).at(-1)
  }

  /** Throws CHECKPOINT_DAMAGED when the manifest is not what was written under that name. */
  async load(id: CheckpointId): Promise<CheckpointManifest> {
    const known = this.#known.get(id)
    if (known !== undefined) return known
    const path = this.pathOf(id)
    const bytes = await readingFile(path, () => readWholeFile(this.#options.files, path))
    const manifest = decodeManifest(bytes, path)
    if (manifest.checkpointId !== id) {
      throw damaged(path, `it is of checkpoint ${formatCheckpointId(manifest.checkpointId)}`)
    }
    this.#known.set(id, manifest)
    return manifest
  }

  /** Before recovery acts on it (M3). */
  async makeDurable(id: CheckpointId): Promise<void> {
    const path = this.pathOf(id)
    const handle = await readingFile(path, () => this.#options.files.open(path, 'read'))
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
    await this.#options.files.syncDirectory(this.#options.layout.manifests)
  }

  /** The files that it names must be durable. Resolves when the checkpoint is complete (M1, M2). */
  async write(manifest: CheckpointManifest): Promise<void> {
    const { files, layout } = this.#options
    const id = manifest.checkpointId
    assert(id > this.#written, 'manifests are written in the order of their ids')
    this.#written = id
    const path = this.pathOf(id)
    const temporary = temporaryName(path)
    try {
      await this.#writeTemporary(temporary, encodeManifest(manifest))
    } catch (error) {
      throw new StreamError(
        'CHECKPOINT_FAILED',
        `the manifest of checkpoint ${formatCheckpointId(id)} could not be written`,
        { hint: `Check the disk of "${layout.root}": space, permissions, errors.`, cause: error },
      )
    }
    try {
      await files.link(temporary, path)
      await files.syncDirectory(layout.manifests)
    } catch (error) {
      throw new StreamError(
        'CHECKPOINT_IN_DOUBT',
        `whether checkpoint ${formatCheckpointId(id)} is complete is not known`,
        { hint: `Check the disk of "${layout.root}"; the next start finds out.`, cause: error },
      )
    }
    this.#known.set(id, manifest)
    // The name alone is left over: a failure costs nothing, `open` removes it.
    await files.unlink(temporary).catch(() => undefined)
  }

  /**
   * Drops checkpoints beyond those to keep, if they are older than `keepFrom`, and then the state
   * files that nobody needs. `epoch` is the life that runs. Never two at a time.
   */
  async retire(epoch: number, keepFrom: CheckpointId): Promise<void> {
    const { files, layout, logger } = this.#options
    const manifests: CheckpointManifest[] = []
    try {
      for (const id of await this.list()) manifests.push(await this.load(id))
    } catch (error) {
      if (!(error instanceof StreamError) || error.code !== 'CHECKPOINT_DAMAGED') throw error
      logger.warn({ reason: error.message }, 'nothing is deleted: a checkpoint cannot be read')
      return
    }
    const ids = manifests.map(({ checkpointId }) => checkpointId)
    const kept = planRetention(ids, this.#options.retain, keepFrom)
    const retained = manifests.filter(({ checkpointId }) => kept.has(checkpointId))
    const dropped = manifests.filter(({ checkpointId }) => !kept.has(checkpointId))
    for (const { checkpointId } of dropped) {
      await files.unlink(this.pathOf(checkpointId))
      this.#known.delete(checkpointId)
    }
    if (dropped.length > 0) await files.syncDirectory(layout.manifests) // M4.
    const present = await files.list(layout.state)
    for (const name of planSweep({ present, retained, dropped, epoch })) {
      await files.unlink(join(layout.state, name))
    }
  }

  async #writeTemporary(path: string, bytes: Uint8Array): Promise<void> {
    const { files } = this.#options
    try {
      const handle = await files.open(path, 'truncate')
      try {
        await handle.write(bytes)
        await handle.sync()
      } finally {
        await handle.close()
      }
    } catch (error) {
      await files.unlink(path).catch(() => undefined)
      throw error
    }
  }
}
