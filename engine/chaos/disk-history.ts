import type { Random } from '../base/random.ts'
import type { DiskEffect, MemoryDisk } from '../simulation/memory-files.ts'
import type { CheckpointManifest } from '../checkpoint/manifest.ts'
import { seededRandom } from '../base/random.ts'
import { KnownContents, firstFault } from './latest-checkpoint.ts'

/** A change of the disk, and who made it. */
export interface DiskChange extends DiskEffect {
  readonly step: number
  readonly life: number
  /** Of the processes of a run, in the order of their starts: a twin's is above the first's. */
  readonly process: number
}

/** A manifest that got its name. */
export interface SeenManifest {
  readonly at: DiskChange
  /** The work folder. */
  readonly folder: string
  /** As the file says it; nothing of it is checked. */
  readonly manifest: CheckpointManifest
}

/** A moment at which no checkpoint could have been restored. */
export interface AuditFailure {
  readonly step: number
  readonly what: string
}

/**
 * What happened to the names on a disk, seen from the disk itself: each change just after it took
 * effect. Told of by nobody who could be wrong.
 */
export class DiskHistory {
  readonly changes: DiskChange[] = []
  readonly manifests: SeenManifest[] = []
  readonly auditFailures: AuditFailure[] = []
  /** How many moments were audited. */
  audits = 0
  readonly #disk: MemoryDisk
  readonly #auditEvery: number
  readonly #open = new Map<number, Map<string, number>>()
  #handlesMax = 0
  #critical = 0
  /** Work folders with a checkpoint that is durable. */
  readonly #complete = new Set<string>()
  readonly #contents = new KnownContents()
  readonly #survivors = seededRandom(1)
  /** Files of keyed state, by path, as they were when a manifest first named them. */
  readonly stateFiles = new Map<string, Uint8Array>()

  /** Of the changes that decide what a power loss leaves, one in so many is audited; 0: none. */
  constructor(disk: MemoryDisk, auditEvery: number) {
    this.#disk = disk
    this.#auditEvery = auditEvery
  }

  /** What one process does, from now on. */
  observer(life: number, process: number, step: () => number): (effect: DiskEffect) => void {
    const open = new Map<string, number>()
    this.#open.set(process, open)
    let handles = 0
    return (effect) => {
      if (effect.kind === 'open' || effect.kind === 'close') {
        const change = effect.kind === 'open' ? 1 : -1
        handles += change
        this.#handlesMax = Math.max(this.#handlesMax, handles)
        open.set(effect.path, (open.get(effect.path) ?? 0) + change)
      } else {
        this.#see({ ...effect, step: step(), life, process })
      }
    }
  }

  /** Files that a process has open, as it ended or now. */
  openFiles(process: number): readonly string[] {
    return [...(this.#open.get(process) ?? [])]
      .filter(([, count]) => count > 0)
      .map(([path]) => path)
  }

  /** The last process that was started. */
  get lastProcess(): number {
    return Math.max(...this.#open.keys())
  }

  /** The most files that one process had open at a time. */
  get handlesMax(): number {
    return this.#handlesMax
  }

  /** Whether a checkpoint in this work folder has been durable: from then on there is one. */
  isComplete(folder: string): boolean {
    return this.#complete.has(folder)
  }

  /**
   * I6 at the end of a life: what is there, and what a loss of power would leave of it, can be
   * gone on from.
   */
  auditNow(step: number): void {
    for (const folder of this.#complete) {
      const clone = this.#disk.clone()
      const now = firstFault(clone, folder, this.#contents)
      clone.powerLoss()
      const found = [
        now,
        firstFault(clone, folder, this.#contents),
        this.#faultAfterPowerLoss(folder, this.#survivors),
      ]
      this.audits += found.length
      const what = found.find((fault) => fault !== undefined)
      if (what !== undefined) this.auditFailures.push({ step, what })
    }
  }

  #faultAfterPowerLoss(folder: string, survivors: 'none' | Random): string | undefined {
    const clone = this.#disk.clone({ survivors })
    clone.powerLoss()
    return firstFault(clone, folder, this.#contents)
  }

  #see(change: DiskChange): void {
    this.changes.push(change)
    const folder = /^(.*)\/manifests(?:\/|$)/.exec(change.path)?.[1]
    if (folder !== undefined) this.#seeManifests(folder, change)
    if (folder !== undefined || (change.kind === 'unlink' && /\/state\//.test(change.path))) {
      this.#audit(change)
    }
  }

  #seeManifests(folder: string, change: DiskChange): void {
    if (change.kind === 'link' && change.path.endsWith('.json')) {
      const manifest = manifestOf(this.#disk.peek(change.path)!)
      if (manifest === undefined) return
      this.manifests.push({ at: change, folder, manifest })
      this.#seeState(folder, manifest)
    } else if (change.kind === 'syncDirectory') {
      const names = this.#disk.names(change.path)
      if (names.some((name) => name.endsWith('.json'))) this.#complete.add(folder)
    }
  }

  #seeState(folder: string, { operators }: CheckpointManifest): void {
    for (const { chain } of operators.flatMap(({ subtasks }) => subtasks)) {
      for (const file of chain) {
        const path = `${folder}/${file.path}`
        if (this.stateFiles.has(path)) continue
        const bytes = this.#disk.peek(path)
        // Nobody writes to it any more, so what is kept here stays as it is.
        if (bytes !== undefined) this.stateFiles.set(path, bytes)
      }
    }
  }

  /** I6, at this very moment: the power fails, and nothing of what was not durable is left. */
  #audit(change: DiskChange): void {
    if (this.#auditEvery === 0) return
    this.#critical += 1
    if (this.#critical % this.#auditEvery !== 0) return
    for (const folder of this.#complete) {
      this.audits += 1
      const what = this.#faultAfterPowerLoss(folder, 'none')
      if (what !== undefined) this.auditFailures.push({ step: change.step, what })
    }
  }
}

/** Unchecked: one that is no JSON is told of when it is to be restored. */
function manifestOf(bytes: Uint8Array): CheckpointManifest | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as CheckpointManifest
  } catch {
    return undefined
  }
}
