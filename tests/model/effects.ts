/** What the job master does when the coordinator says so, and what must hold when it does. */
import type { CoordinatorEffect, CoordinatorEvent } from '../../engine/checkpoint/coordinator.ts'
import type { CheckpointManifest } from '../../engine/checkpoint/manifest.ts'
import type { CheckpointId } from '../../engine/stream/elements.ts'
import type { Decisions } from './decisions.ts'
import type { Bounds, Life, World } from './world.ts'
import { formatCheckpointId } from '../../engine/checkpoint/layout.ts'
import { MANIFEST_FORMAT } from '../../engine/checkpoint/manifest.ts'
import { holds } from './explore.ts'
import { JOB, rangeOf, reachedBy, SINKS, SOURCE_STATE, SPLITS, tasksOf, verticesOf } from './job.ts'

export interface Rules {
  readonly decisions: Decisions
  readonly bounds: Bounds
}

/** A state of its own, to be changed by the step that asked for it. */
export function draftOf(world: World): World {
  return world.life === undefined ? { ...world } : { ...world, life: { ...world.life } }
}

export function on(rules: Rules, world: World, event: CoordinatorEvent): void {
  const life = world.life!
  const { state, effects } = rules.decisions.coordinate(life.coordinator, event, 0)
  life.coordinator = state
  for (const effect of effects) {
    if (world.life === undefined) return // It has failed: nobody listens any more.
    act(rules, world, life, effect)
  }
}

function act(rules: Rules, world: World, life: Life, effect: CoordinatorEffect): void {
  switch (effect.type) {
    case 'set-timer':
      life.hasTimer = true
      break
    case 'set-expiry':
      life.expiry = effect.checkpointId
      break
    case 'trigger':
      trigger(world, life, effect.checkpointId, effect.stop)
      break
    case 'write':
      holds(life.writing === undefined, 'two manifests are written at a time')
      life.writing = { effect, manifest: manifestOf(rules, world, effect), isLinked: false }
      break
    case 'commit':
      life.commits = [...life.commits, effect.checkpointId]
      break
    case 'confirm':
      life.sinks = life.sinks.map((sink) => ({ ...sink, confirm: effect.checkpointId }))
      life.manifests = life.manifests.filter((one) => one.checkpointId >= effect.checkpointId)
      break
    case 'aborted':
      abort(rules, world, effect.checkpointId)
      break
    case 'drain-sources':
      life.isDraining = true
      break
    case 'savepoint':
      life.copies = [...life.copies, effect.checkpointId]
      break
    case 'over':
      life.over = effect.status
      break
    case 'fail':
      fail(rules, world)
      break
    default:
      effect satisfies never
  }
}

function trigger(world: World, life: Life, id: CheckpointId, stop: boolean): void {
  const name = formatCheckpointId(id)
  holds(id > world.highest, `checkpoint ${name} is triggered after one with its id (I5)`)
  world.highest = id
  const acks = life.coordinator.subtasks.map(() => 'not-taken' as const)
  life.barriers = [...life.barriers, { id, stop, cut: SPLITS.map(() => undefined), acks }]
}

function abort(rules: Rules, world: World, id: CheckpointId): void {
  const exists = world.disk.manifests.some(({ manifest }) => manifest.checkpointId === id)
  holds(!exists, `checkpoint ${formatCheckpointId(id)} is aborted after its decision (I4)`)
  if (!rules.decisions.removesStagedOfAborted) return
  world.targets = world.targets.map((target) => {
    return { ...target, staged: target.staged.filter((name) => !name.startsWith(`${id}-`)) }
  })
}

/** The engine process ends: with it all messages, timers and calls. */
export function fail(rules: Rules, world: World): void {
  world.life = undefined
  world.failures += 1
  const { crashes, faults } = rules.bounds
  const decision = rules.decisions.decideRestart(
    { strategy: 'fixed-delay', attempts: crashes + faults, delayMs: 1 },
    Array.from({ length: world.failures }, (_, atMs) => {
      return { atMs, error: undefined, restartable: true }
    }),
  )
  holds(decision.type === 'restart', 'the job is given up with attempts left (I11)')
}

function manifestOf(
  rules: Rules,
  world: World,
  effect: Extract<CoordinatorEffect, { type: 'write' }>,
): CheckpointManifest {
  const { lineage, instance, parallelism } = world.life!
  const { checkpointId, snapshots, final, drained } = effect
  const name = formatCheckpointId(checkpointId)
  holds(snapshots.length === tasksOf(parallelism).length, `${name} is written with a part missing`)
  const state = rules.decisions.assembleState(verticesOf(parallelism), snapshots, [SOURCE_STATE])
  const manifest: CheckpointManifest = {
    format: MANIFEST_FORMAT,
    job: JOB,
    lineage,
    checkpointId,
    instance,
    createdAtMs: 0,
    planHash: '',
    parameters: {},
    final,
    drained,
    counters: {},
    ...state,
    staged: [],
  }
  checkCut(world, manifest)
  return manifest
}

/** I2: what each sink has published and declares is what its sources have read. */
function checkCut(world: World, manifest: CheckpointManifest): void {
  const name = formatCheckpointId(manifest.checkpointId)
  const read = manifest.sources[0]!.splits.map(({ position }) => position as number)
  holds(read.length === SPLITS.length, `${name} has not every split (I2)`)
  for (const [sink, uid] of SINKS.entries()) {
    const declared = manifest.sinks.find((one) => one.uid === uid)!.committables
    const reached = [...reachedBy(world.targets[sink]!.published)]
    for (const committable of declared) {
      const { split, to } = rangeOf(committable)
      reached[split] = Math.max(reached[split]!, to)
    }
    const same = read.every((position, split) => position === reached[split])
    holds(same, `${name} is at ${read.join()}, sink "${uid}" at ${reached.join()} (I2)`)
  }
}
