import type { OwnerRecord } from '../../engine/checkpoint/ownership.ts'
import type { CheckpointManifest } from '../../engine/checkpoint/manifest.ts'
import type { Machine, Step } from './explore.ts'
import type { Folder, Name, OwnerLife, Process, Scene } from './ownership-world.ts'
import type { CheckpointId } from '../../engine/stream/elements.ts'
import { bornAfter } from '../../engine/checkpoint/committables.ts'
import { nextEpochNumber } from '../../engine/checkpoint/epochs.ts'
import { checkpointIdOf, epochOf } from '../../engine/checkpoint/layout.ts'
import { decideOwnership } from '../../engine/checkpoint/ownership.ts'
import { decideRecovery } from '../../engine/checkpoint/recovery.ts'
import { decideTarget, ownedUpTo } from '../../engine/checkpoint/target.ts'
import { holds } from './explore.ts'
import { JOB, stagedName } from './job.ts'
import {
  checkpointOf,
  encodeScene,
  NO_FOLDER,
  PIDS,
  processOf,
  RECORDS,
  SUPERVISOR_PID,
} from './ownership-world.ts'

export const OWNERSHIP = {
  decideOwnership,
  decideRecovery,
  decideTarget,
  ownedUpTo,
  /** A kernel lock is kept by a stopped process, and until the last call of a dying one is over. */
  locksOutlastStops: true,
  locksOutlastCalls: true,
  /** A clean end takes its name off the record before it gives the lock back. */
  clearsRecord: true,
}

export type OwnershipRules = typeof OWNERSHIP

type Given = OwnershipRules & Cast

export interface Cast {
  readonly names: readonly Name[]
  /** Who is started with --take-over. */
  readonly takesOver: Name | undefined
  /** What the others are when the fork begins. */
  readonly parents: 'ended' | 'dead' | 'at-work'
  readonly stops: number
  readonly crashes: number
}

export function ownershipMachine(rules: OwnershipRules, cast: Cast): Machine<Scene> {
  return {
    initial: {
      processes: cast.names.map((name) => processOf(name, name === cast.takesOver)),
      supervisor: 'alive',
      lock: undefined,
      record: undefined,
      folder: NO_FOLDER,
      fork: NO_FOLDER,
      savepoint: undefined,
      marker: undefined,
      published: [],
      claims: [],
      stopsLeft: cast.stops,
      crashesLeft: cast.crashes,
    },
    steps: (scene) =>
      scene.processes.flatMap((process) => stepsOf({ ...rules, ...cast }, scene, process)),
    encode: encodeScene,
    isEnd: ({ processes }) =>
      processes.every(({ at, is }) => is === 'gone' || ['released', 'refused', 'off'].includes(at)),
  }
}

function stepsOf(rules: Given, scene: Scene, process: Process): readonly Step<Scene>[] {
  const { name, at, is } = process
  const step = (what: string, take: () => Scene): Step<Scene> => ({ name: `${what} ${name}`, take })
  if (is === 'gone') return []
  if (is === 'dying') return [step('gone', () => gone(rules, scene, process))]
  const steps: Step<Scene>[] = []
  if (is === 'stopped') {
    steps.push(step('wakes', () => withProcess(scene, { ...process, is: 'alive' })))
    return steps
  }
  const isIdle = at === 'off' || at === 'refused'
  if (!isIdle && scene.stopsLeft > 0) steps.push(step('stops', () => stops(rules, scene, process)))
  if (!isIdle && at !== 'released' && scene.crashesLeft > 0) {
    steps.push(
      step('dies', () => {
        const left = { ...scene, crashesLeft: scene.crashesLeft - 1 }
        return withProcess(left, { ...process, is: 'dying' })
      }),
    )
  }
  const next = nextOf(rules, scene, process)
  return next === undefined ? steps : [...steps, step(next.what, next.take)]
}

type Next = { readonly what: string; readonly take: () => Scene } | undefined

function nextOf(rules: Given, scene: Scene, process: Process): Next {
  switch (process.at) {
    case 'off':
      if (!mayStart(rules, scene, process)) return undefined
      return { what: 'starts', take: () => withProcess(scene, { ...process, at: 'knocking' }) }
    case 'knocking':
      return { what: 'knocks', take: () => knock(rules, scene, process) }
    case 'locked':
      return {
        what: 'signs',
        take: () => withProcess({ ...scene, record: process.name }, { ...process, at: 'opening' }),
      }
    case 'opening':
    case 'running':
      return nextOfLife(rules, scene, process)
    case 'released':
    case 'refused':
      return undefined
    default:
      return process.at satisfies never
  }
}

/** The supervisor starts its engine again when it is gone; a fork needs something to begin with. */
function mayStart(rules: Given, scene: Scene, { name }: Process): boolean {
  if (name !== 'fork' && name !== 'again') return true
  if (name === 'fork') return scene.savepoint !== undefined && mayFork(rules, scene)
  const first = scene.processes.find((other) => other.name === 'first')!
  return first.is === 'gone' && scene.supervisor === 'alive'
}

function mayFork({ parents }: Given, { processes }: Scene): boolean {
  return processes.every(({ name, at, is }) => {
    if (name === 'fork' || parents === 'at-work' || at === 'released') return true
    return parents === 'dead' && is === 'gone'
  })
}

function knock(rules: OwnershipRules, scene: Scene, process: Process): Scene {
  if (process.name === 'fork') return withProcess(scene, { ...process, at: 'opening' })
  if (scene.lock === undefined) {
    return withProcess({ ...scene, lock: process.name }, { ...process, at: 'locked' })
  }
  const owner = scene.processes.find(({ name }) => name === scene.record)
  const hasParent = owner?.name === 'first' || owner?.name === 'again'
  const decision = rules.decideOwnership({
    record: owner === undefined ? undefined : recordOf(owner, hasParent),
    owner: owner === undefined ? 'gone' : owner.is === 'stopped' ? 'alive' : owner.is,
    parent: hasParent ? scene.supervisor : undefined,
    takeOver: process.takesOver,
    hasKilled: process.hasKilled,
    self: [process.pid, process.name === 'again' ? SUPERVISOR_PID : 1],
    isLate: false,
  })
  if (decision.type === 'wait') return scene
  if (decision.type === 'busy') return withProcess(scene, { ...process, at: 'refused' })
  return kill(withProcess(scene, { ...process, hasKilled: true }), process, decision.pids)
}

function recordOf({ pid }: Process, hasParent: boolean): OwnerRecord {
  const parent = hasParent ? { pid: SUPERVISOR_PID, startTime: '' } : null
  return { job: JOB, pid, startTime: '', parent }
}

/** Only who has the folder is killed, and who would start it again. */
function kill(scene: Scene, by: Process, pids: readonly number[]): Scene {
  let after = scene
  for (const pid of pids) {
    holds(pid !== by.pid, `"${by.name}" kills itself`)
    if (pid === SUPERVISOR_PID) {
      after = { ...after, supervisor: 'gone' }
      continue
    }
    const killed = scene.processes.find((process) => process.pid === pid)!
    const isHolder = killed.name === scene.lock
    holds(isHolder, `"${killed.name}" is killed, but "${scene.lock ?? ''}" has the folder (I7)`)
    after = withProcess(after, { ...killed, is: 'dying' })
  }
  const isRestarted = after.supervisor === 'alive' && pids.includes(PIDS.first)
  holds(!isRestarted, 'the supervisor of the killed one starts it again')
  return after
}

function stops(rules: OwnershipRules, scene: Scene, process: Process): Scene {
  const left = { ...scene, stopsLeft: scene.stopsLeft - 1 }
  const keeps = rules.locksOutlastStops || left.lock !== process.name
  const lock = keeps ? left.lock : undefined
  return withProcess({ ...left, lock }, { ...process, is: 'stopped' })
}

/** Its lock goes with it: when what it had asked of the system is done, or never will be. */
function gone(rules: OwnershipRules, scene: Scene, process: Process): Scene {
  const lock = scene.lock === process.name ? undefined : scene.lock
  if (rules.locksOutlastCalls) return withProcess({ ...scene, lock }, { ...process, is: 'gone' })
  return withProcess({ ...scene, lock }, { ...process, is: 'stopped' })
}

function nextOfLife(rules: OwnershipRules, scene: Scene, process: Process): Next {
  const { life } = process
  if (life === undefined) return { what: 'opens', take: () => open(rules, scene, process) }
  const { call } = life
  if (call?.stage === 'read') {
    return { what: 'publishes', take: () => publish(scene, process, life) }
  }
  if (call?.stage === 'linked') return { what: 'marks', take: () => mark(scene, process, life) }
  const folder = folderOf(scene, process)
  const latest = folder.latest?.checkpointId ?? 0
  const isCommitted = latest <= (life.restored?.checkpointId ?? 0) || isMarked(scene, life, latest)
  if (!isCommitted) return { what: 'commits', take: () => commit(rules, scene, process, life) }
  if (life.position === RECORDS) return { what: 'ends', take: () => release(rules, scene, process) }
  return { what: 'completes', take: () => complete(scene, process, life) }
}

function isMarked({ marker }: Scene, life: OwnerLife, id: CheckpointId): boolean {
  return marker?.instance === life.instance && marker.checkpointId === id
}

/** Steps 2 to 5 of a start: what is there, a new epoch, whose the target is. */
function open(rules: OwnershipRules, scene: Scene, process: Process): Scene {
  const isFork = process.name === 'fork'
  const folder = folderOf(scene, process)
  const decision = rules.decideRecovery({
    job: JOB,
    latest: folder.latest,
    lastEpoch: undefined,
    from: isFork ? scene.savepoint : undefined,
    fork: isFork,
    newLineage: process.name,
  })
  if (decision.type === 'refuse') return release(rules, scene, process, 'refused')
  const restored = decision.type === 'start-fresh' ? undefined : decision.manifest
  const restoredId = restored?.checkpointId ?? 0
  const epoch = nextEpochNumber(folder.epoch, epochOf(restoredId))
  const { lineage } = decision
  const instances = [...folder.instances, process.name]
  const pending = restored?.sinks[0]!.committables ?? []
  const target = rules.decideTarget({
    uid: 'out',
    marker: scene.marker,
    lineage,
    restoredId,
    isKnownSink: restored !== undefined,
    hasPending: pending.length > 0,
    knownInstances: new Set([...instances, restored?.instance ?? '']),
  })
  const begun = withFolder(scene, process, { ...folder, epoch, instances, lineage })
  if (target.type === 'refuse') return release(rules, begun, process, 'refused')
  const todo = bornAfter(pending, target.after)
  const call = { id: restoredId, todo, stage: 'read', claims: scene.claims.length } as const
  const position = restored?.counters['recordsIn'] ?? 0
  const instance = process.name
  const life: OwnerLife = {
    ...{ epoch, instance, lineage, restored, counter: 0, position, call },
    isOverlapDeclared: target.type === 'adopt' && target.overlap,
  }
  return withProcess(begun, { ...process, at: 'running', life })
}

/** One record more is read, and a checkpoint of it complete. */
function complete(scene: Scene, process: Process, life: OwnerLife): Scene {
  const counter = life.counter + 1
  const id = checkpointIdOf(life.epoch, counter)
  const effect = { record: life.position }
  const committable = { uid: 'out', bornAt: id, subtask: 0, sequence: 0, effect }
  const position = life.position + 1
  const latest = checkpointOf(life, id, position, [committable])
  const folder = { ...folderOf(scene, process), latest }
  const after = withFolder(scene, process, folder)
  return withProcess(after, { ...process, life: { ...life, counter, position } })
}

function commit(rules: OwnershipRules, scene: Scene, process: Process, life: OwnerLife): Scene {
  const { checkpointId: id, sinks } = folderOf(scene, process).latest!
  const own = { lineage: life.lineage.id, instance: life.instance, checkpointId: id }
  let done: CheckpointId
  try {
    done = rules.ownedUpTo('out', scene.marker, own)
  } catch {
    return release(rules, scene, process, 'refused')
  }
  const todo = bornAfter(sinks[0]!.committables, done)
  const call = { id, todo, stage: 'read', claims: scene.claims.length } as const
  return withProcess(scene, { ...process, life: { ...life, call } })
}

/** I7: who publishes has the target; nobody has claimed it since the marker was read. */
function publish(scene: Scene, process: Process, life: OwnerLife): Scene {
  const call = life.call!
  let { published } = scene
  for (const committable of call.todo) {
    const name = `${life.lineage.id}/${stagedName(committable)}`
    if (published.some((one) => one.name === name)) continue
    holds(
      scene.claims.length === call.claims,
      `"${process.name}" publishes in a target that another has claimed since (I7)`,
    )
    const { record } = committable.effect as { readonly record: number }
    const isNext = record === published.length || life.isOverlapDeclared
    holds(isNext, `record ${record} is published after ${published.length} records (I1)`)
    published = [...published, { name, record, by: process.name }]
  }
  const linked = { ...call, stage: 'linked' } as const
  return withProcess({ ...scene, published }, { ...process, life: { ...life, call: linked } })
}

function mark(scene: Scene, process: Process, life: OwnerLife): Scene {
  const call = life.call!
  holds(
    scene.claims.length === call.claims,
    `"${process.name}" marks a target that another has claimed since (I7)`,
  )
  const marker = {
    lineage: life.lineage.id,
    instance: life.instance,
    checkpointId: call.id,
  }
  const isClaimed = scene.claims.includes(process.name)
  const claims = isClaimed ? scene.claims : [...scene.claims, process.name]
  const marked = { ...process, life: { ...life, call: undefined } }
  const latest = scene.folder.latest
  const isCommitted = process.name !== 'fork' && latest?.checkpointId === call.id && !latest.final
  const savepoint = isCommitted ? withoutPending(latest) : scene.savepoint
  return withProcess({ ...scene, marker, claims, savepoint }, marked)
}

function withoutPending(manifest: CheckpointManifest): CheckpointManifest {
  return { ...manifest, sinks: manifest.sinks.map((sink) => ({ ...sink, committables: [] })) }
}

function release(
  rules: OwnershipRules,
  scene: Scene,
  process: Process,
  at: 'released' | 'refused' = 'released',
): Scene {
  const isHolder = scene.lock === process.name
  const lock = isHolder ? undefined : scene.lock
  const record = isHolder && rules.clearsRecord ? undefined : scene.record
  return withProcess({ ...scene, lock, record }, { ...process, at })
}

function withProcess(scene: Scene, process: Process): Scene {
  const processes = scene.processes.map((one) => (one.name === process.name ? process : one))
  return { ...scene, processes }
}

function folderOf(scene: Scene, { name }: Process): Folder {
  return name === 'fork' ? scene.fork : scene.folder
}

function withFolder(scene: Scene, { name }: Process, folder: Folder): Scene {
  return name === 'fork' ? { ...scene, fork: folder } : { ...scene, folder }
}
