/**
 * The second model: several processes at one work folder and one target. They are started, stopped
 * (SIGSTOP) and woken at any moment, die, are taken over and forked from, with calls under way.
 */
import type { CheckpointManifest, Lineage } from '../../engine/checkpoint/manifest.ts'
import type { Committable, TargetMarker } from '../../engine/operator/sink.ts'
import type { CheckpointId } from '../../engine/stream/elements.ts'
import { MANIFEST_FORMAT } from '../../engine/checkpoint/manifest.ts'
import { JOB } from './job.ts'

export type Name = 'first' | 'again' | 'other' | 'third' | 'fork'

export interface Scene {
  readonly processes: readonly Process[]
  /** The parent of the first, that starts it again. */
  readonly supervisor: 'alive' | 'gone'
  readonly lock: Name | undefined
  /** Whom the record of the folder names. */
  readonly record: Name | undefined
  readonly folder: Folder
  /** The fork's own. */
  readonly fork: Folder
  /** The last checkpoint of the folder that was committed: what a savepoint is a copy of. */
  readonly savepoint: CheckpointManifest | undefined
  readonly marker: TargetMarker | undefined
  readonly published: readonly Published[]
  /** Lives that have marked the target, in that order. */
  readonly claims: readonly Name[]
  readonly stopsLeft: number
  readonly crashesLeft: number
}

export interface Folder {
  readonly epoch: number
  readonly instances: readonly string[]
  readonly lineage: Lineage | undefined
  readonly latest: CheckpointManifest | undefined
}

export interface Published {
  readonly name: string
  readonly record: number
  readonly by: Name
}

export interface Process {
  readonly name: Name
  readonly pid: number
  readonly at: 'off' | 'knocking' | 'locked' | 'opening' | 'running' | 'released' | 'refused'
  readonly is: 'alive' | 'stopped' | 'dying' | 'gone'
  readonly takesOver: boolean
  readonly hasKilled: boolean
  readonly life: OwnerLife | undefined
}

export interface OwnerLife {
  readonly epoch: number
  readonly instance: string
  readonly lineage: Lineage
  readonly restored: CheckpointManifest | undefined
  readonly counter: number
  /** Records read, one between two checkpoints. */
  readonly position: number
  readonly call: OwnerCall | undefined
  /** It was told that what its parent published since the savepoint will be there twice. */
  readonly isOverlapDeclared: boolean
}

/** `read`: the marker has been looked at, and allows it; nothing is published yet. */
export interface OwnerCall {
  readonly id: CheckpointId
  readonly todo: readonly Committable[]
  readonly stage: 'read' | 'linked'
  /** How many lives had claimed the target when the marker was read. */
  readonly claims: number
}

export const PIDS: Readonly<Record<Name, number>> = {
  first: 11,
  again: 12,
  other: 21,
  third: 22,
  fork: 31,
}
export const SUPERVISOR_PID = 10
export const RECORDS = 2

export function processOf(name: Name, takesOver: boolean): Process {
  return {
    name,
    pid: PIDS[name],
    at: 'off',
    is: 'alive',
    takesOver,
    hasKilled: false,
    life: undefined,
  }
}

export const NO_FOLDER: Folder = { epoch: 0, instances: [], lineage: undefined, latest: undefined }

/** A checkpoint of a job that has read `position` records; those not confirmed are pending. */
export function checkpointOf(
  life: Pick<OwnerLife, 'lineage' | 'instance'>,
  checkpointId: CheckpointId,
  position: number,
  committables: readonly Committable[],
): CheckpointManifest {
  const { lineage, instance } = life
  const final = position === RECORDS
  return {
    format: MANIFEST_FORMAT,
    job: JOB,
    lineage,
    checkpointId,
    instance,
    createdAtMs: 0,
    planHash: '',
    parameters: {},
    final,
    drained: false,
    counters: { recordsIn: position },
    operators: [],
    sources: [],
    sinks: [{ uid: 'out', kind: 'model', committables }],
    staged: [],
  }
}

/** The lines of a scene are plain data without cycles: their JSON is their code. */
export function encodeScene(scene: Scene): string {
  return JSON.stringify(scene)
}
