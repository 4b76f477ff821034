import { dirname } from 'node:path'
import type { CheckpointId } from '../../stream/elements.ts'
import type { LifeRecord } from '../schedule-run.ts'
import type { Violation } from '../violation.ts'
import type { Invariant, RunFacts } from './invariant.ts'
import { formatCheckpointId } from '../../checkpoint/layout.ts'
import type { DiskChange, SeenManifest } from '../disk-history.ts'
import { folderOfManifests, publishedName, stagedName } from '../disk-names.ts'
import { uniqueNames } from '../latest-checkpoint.ts'

/** I3: what is published belongs to a checkpoint whose manifest has its name. */
export const nothingIncomplete: Invariant = (facts) =>
  followNames(facts).filter(({ invariant }) => invariant === 'I3')

/**
 * I4: what is published was decided, durably, before; it is published under one name; it is never
 * taken back; and what was decided is not thrown away before it is visible.
 */
export const publishedOnce: Invariant = (facts) => [
  ...followNames(facts).filter(({ invariant }) => invariant === 'I4'),
  ...commitOrder(facts),
]

/** Replays what happened to the names of output, change by change. */
function followNames({ run }: RunFacts): readonly Violation[] {
  const { changes, manifests } = run.history
  const names = new OutputNames(run.lives)
  const seen = new Map(manifests.map((manifest) => [manifest.at, manifest]))
  for (const change of changes) names.see(change, seen.get(change))
  return names.violations
}

class OutputNames {
  readonly violations: Violation[] = []
  readonly #workFolders: readonly string[]
  /** What complete checkpoints hold, with the checkpoint that it was born in. */
  readonly #complete = new Map<string, CheckpointId>()
  /** Of them, those whose manifest may be lost with the power, by work folder. */
  readonly #undecided = new Map<string, Set<string>>()
  /** The power went before their manifest was durable: it is there, or it is not. */
  readonly #doubtful = new Set<string>()
  readonly #powerLosses: ReadonlySet<number>
  #life = 1
  readonly #published = new Map<string, string>()
  /** Published, but its folder is not synced since. */
  readonly #fleeting = new Set<string>()

  constructor(lives: readonly LifeRecord[]) {
    this.#workFolders = [...new Set(lives.map(({ workDir }) => workDir))]
    const isLoss = ({ ended }: LifeRecord): boolean =>
      ended.type === 'power-loss' || ended.type === 'torn'
    this.#powerLosses = new Set(lives.filter(isLoss).map(({ life }) => life))
  }

  see(change: DiskChange, manifest: SeenManifest | undefined): void {
    const { kind, path, step } = change
    this.#in(change.life)
    if (manifest !== undefined) {
      this.#complete_(manifest)
      return
    }
    if (kind === 'syncDirectory') {
      this.#synced(path)
      return
    }
    const published = publishedName(path, this.#workFolders)
    if (kind === 'unlink') {
      if (published !== undefined) this.#tell('I4', `"${path}" was published and taken back`, step)
      const staged = stagedName(path)
      if (staged !== undefined) this.#dropped(staged, path, step)
    } else if (published !== undefined) {
      this.#publish(published, path, step)
    }
  }

  #in(life: number): void {
    for (; this.#life < life; this.#life += 1) {
      if (!this.#powerLosses.has(this.#life)) continue
      for (const names of this.#undecided.values()) {
        for (const name of names) this.#doubtful.add(name)
      }
    }
  }

  #complete_({ folder, manifest }: SeenManifest): void {
    const undecided = this.#undecided.get(folder) ?? new Set()
    this.#undecided.set(folder, undecided)
    for (const { committables } of manifest.sinks) {
      for (const { bornAt, effect } of committables) {
        for (const name of uniqueNames(effect)) {
          if (this.#complete.has(name)) continue
          this.#complete.set(name, bornAt)
          undecided.add(name)
        }
      }
    }
  }

  #synced(path: string): void {
    const folder = folderOfManifests(path)
    if (folder !== undefined) this.#undecided.get(folder)?.clear()
    for (const name of this.#fleeting) {
      if (dirname(this.#published.get(name)!) === path) this.#fleeting.delete(name)
    }
  }

  #publish(name: string, path: string, step: number): void {
    const bornAt = this.#complete.get(name)
    if (bornAt === undefined) {
      this.#tell('I3', `"${path}" is visible, and no complete checkpoint holds it`, step)
    } else if ([...this.#undecided.values()].some((names) => names.has(name))) {
      const id = formatCheckpointId(bornAt)
      this.#tell('I4', `"${path}" is visible before checkpoint ${id} is complete`, step)
    }
    const before = this.#published.get(name)
    if (before !== undefined && before !== path) {
      this.#tell('I4', `"${before}" is published a second time as "${path}"`, step)
    }
    this.#published.set(name, path)
    this.#fleeting.add(name)
  }

  #dropped(name: string, path: string, step: number): void {
    if (!this.#complete.has(name) || this.#doubtful.has(name)) return
    if (this.#published.has(name) && !this.#fleeting.has(name)) return
    this.#tell(
      'I4',
      `"${path}" belongs to a complete checkpoint, and is removed before it is published`,
      step,
    )
  }

  #tell(invariant: Violation['invariant'], what: string, step: number): void {
    this.violations.push({ invariant, what, step })
  }
}

/** Of one sink in one life, commits go by the ids of checkpoints. */
function commitOrder({ run }: RunFacts): readonly Violation[] {
  const found: Violation[] = []
  const last = new Map<string, CheckpointId>()
  for (const { point, place, life, step } of run.trace) {
    if (point !== 'commit.begin') continue
    const key = `${life} ${place.uid}`
    const id = place.checkpointId!
    const before = last.get(key) ?? 0
    if (id <= before) {
      const [now, earlier] = [id, before].map(formatCheckpointId)
      const what = `sink "${place.uid}" commits checkpoint ${now} after ${earlier}`
      found.push({ invariant: 'I4', what, step })
    }
    last.set(key, id)
  }
  return found
}
