/** Crashes, losses of power, and how the next life begins. */
import type { CheckpointManifest } from '../../engine/checkpoint/manifest.ts'
import type { Rules } from './effects.ts'
import type { Disk, KeptManifest, Life, SourceTask, Target, World } from './world.ts'
import { startCoordinator } from '../../engine/checkpoint/coordinator.ts'
import { epochOf, formatCheckpointId } from '../../engine/checkpoint/layout.ts'
import { fail, on } from './effects.ts'
import { holds } from './explore.ts'
import {
  ENUMERATED,
  JOB,
  KEY_GROUPS,
  namesOfFiles,
  reachedBy,
  SINKS,
  SPLITS,
  tasksOf,
} from './job.ts'
import { openTarget } from './targets.ts'

/** What may be left of the disk and of the targets when the power goes. */
export function afterPowerLoss(world: World): readonly World[] {
  let worlds: readonly World[] = disksAfterPowerLoss(world.disk).map((disk) => ({ ...world, disk }))
  for (const sink of SINKS.keys()) {
    worlds = worlds.flatMap((one) =>
      targetsAfterPowerLoss(one.targets[sink]!).map((target) => {
        return { ...one, targets: one.targets.map((of, index) => (index === sink ? target : of)) }
      }),
    )
  }
  return worlds
}

/** An entry that is not durable is there or not, each on its own. */
function disksAfterPowerLoss(disk: Disk): readonly Disk[] {
  let choices: readonly (readonly KeptManifest[])[] = [[]]
  for (const kept of disk.manifests) {
    const durable: KeptManifest = { ...kept, state: 'durable' }
    choices = choices.flatMap((before) =>
      kept.state === 'durable' ? [[...before, durable]] : [before, [...before, durable]],
    )
  }
  return choices.map((manifests) => ({ ...disk, manifests }))
}

/** Of links that are not durable the first few remain. */
function targetsAfterPowerLoss(target: Target): readonly Target[] {
  const { published, undurable, markerBefore } = target
  const targets: Target[] = []
  for (let lost = 0; lost <= undurable; lost += 1) {
    const left = published.slice(0, published.length - lost)
    targets.push({ ...target, published: left, undurable: 0, markerBefore: undefined })
    if (markerBefore === undefined) continue
    const marker = markerBefore === 'none' ? undefined : markerBefore
    targets.push({ ...target, published: left, undurable: 0, marker, markerBefore: undefined })
  }
  return targets
}

/**
 * I6: once something was complete, whatever a loss of power leaves has a latest checkpoint, with
 * all its files, at or above all that is published.
 */
export function checkRestorable(world: World): void {
  const { disk } = world
  const wasComplete = disk.manifests.some(({ state }) => state !== 'linked')
  holds(wasComplete || world.published === 0, 'no complete checkpoint is left (I6)')
  if (!wasComplete) return
  for (const { manifests } of disksAfterPowerLoss(disk)) {
    const latest = manifests.at(-1)?.manifest
    holds(latest !== undefined, 'a loss of power leaves no checkpoint (I6)')
    const name = formatCheckpointId(latest.checkpointId)
    holds(latest.checkpointId >= world.published, `${name} is behind what is published (I6)`)
    for (const file of namesOfFiles(latest)) {
      holds(disk.files.includes(file), `file "${file}" of ${name} is gone (I6)`)
    }
  }
}

export function crash(rules: Rules, world: World): void {
  world.left = { ...world.left, crashes: world.left.crashes - 1 }
  fail(rules, world)
}

/** A start: what `openWorkFolder` does up to the targets. */
export function recover(rules: Rules, world: World, parallelism: number): void {
  const { decisions } = rules
  const visible = world.disk.manifests.filter(({ state }) => state !== 'dropped')
  const latestId = decisions.latestOf(visible.map(({ manifest }) => manifest.checkpointId))
  const latest = visible.find(({ manifest }) => manifest.checkpointId === latestId)?.manifest
  if (latest !== undefined && decisions.makesDurableBeforeRecovery) {
    const manifests = visible.map((kept): KeptManifest => ({ ...kept, state: 'durable' }))
    world.disk = { ...world.disk, manifests }
  }
  const { epoch: last, lineage: begun } = world.disk
  const decision = decisions.decideRecovery({
    job: JOB,
    latest,
    lastEpoch:
      begun === undefined
        ? undefined
        : { epoch: last, instance: `i${last}`, pid: 1, job: JOB, lineage: begun },
    from: undefined,
    fork: false,
    newLineage: `l${last + 1}`,
  })
  holds(decision.type !== 'refuse', "the job's own folder is refused")
  const { lineage } = decision
  const restored = decision.type === 'start-fresh' ? undefined : decision.manifest
  if (restored !== undefined) checkRestored(rules, world, restored, parallelism)
  const above = restored === undefined ? 0 : epochOf(restored.checkpointId)
  const epoch = decisions.nextEpochNumber(last, above)
  world.disk = { ...world.disk, epoch, lineage }
  const isFinished = decision.type === 'finished'
  const life = lifeOf(rules, { epoch, lineage, restored, isFinished, parallelism })
  world.life = life
  life.calls = [openTarget(rules, world, life, 0), undefined]
  checkRestorable(world)
}

/** After the last target: records flow. */
export function start(rules: Rules, world: World): void {
  const life = world.life!
  if (life.isFinished) {
    finish(rules, world, life.restored!)
    return
  }
  life.phase = 'running'
  life.retires = [life.restored?.checkpointId ?? 0]
  on(rules, world, { type: 'started' })
}

/** I1: at the end all that was read is published, at every sink. */
export function finish(rules: Rules, world: World, last: CheckpointManifest): void {
  checkPublished(world, last)
  const read = last.sources[0]!.splits.map(({ position }) => position as number)
  const isAll = read.every((position, split) => position === rules.bounds.records[split])
  holds(isAll || last.drained, `the job has ended at ${read.join()} (I1)`)
  world.life = undefined
  world.status = 'finished'
}

export function checkPublished(world: World, last: CheckpointManifest): void {
  const read = last.sources[0]!.splits.map(({ position }) => position as number)
  for (const [sink, { published }] of world.targets.entries()) {
    const reached = reachedBy(published).join()
    holds(read.join() === reached, `"${SINKS[sink]!}" has ${reached} of ${read.join()} (I1)`)
  }
}

function lifeOf(
  { decisions }: Rules,
  given: Pick<Life, 'epoch' | 'lineage' | 'restored' | 'isFinished' | 'parallelism'>,
): Life {
  const { epoch, restored, parallelism } = given
  const names = tasksOf(parallelism).map(({ vertex, subtask }) => `${vertex}:${subtask}`)
  const dealt = decisions.splitsToRead(ENUMERATED, restored?.sources[0]!.splits ?? [])
  const sources = Array.from({ length: parallelism }, (_, subtask): SourceTask => {
    const mine = dealt.filter((_split, order) => order % parallelism === subtask)
    const positions = mine.map(({ position, start: first }) => (position ?? first) as number)
    return { splits: mine.map(({ index }) => index), positions, ended: false, stopped: false }
  })
  const cut = SPLITS.map((_, split) => positionOf(sources, split))
  return {
    ...given,
    instance: `i${epoch}`,
    phase: 'opening',
    opened: 0,
    calls: [],
    coordinator: startCoordinator(SETTINGS, epoch, names),
    sources,
    chains: sources.map(() => []),
    sinks: SINKS.map(() => ({ unconfirmed: [], cut, confirm: 0 })),
    barriers: [],
    writing: undefined,
    commits: [],
    manifests: [],
    copies: [],
    retires: [],
    retiring: undefined,
    hasTimer: false,
    expiry: 0,
    isDraining: false,
    over: undefined,
  }
}

const SETTINGS = { everyMs: 1, timeoutMs: 1, minPauseMs: 0, retain: 1, tolerableFailures: 1 }

/** I9: a split has one reader. */
function positionOf(sources: readonly SourceTask[], split: number): number {
  const readers = sources.filter(({ splits }) => splits.includes(split))
  holds(readers.length === 1, `split "${SPLITS[split]!}" has ${readers.length} readers (I9)`)
  return readers[0]!.positions[readers[0]!.splits.indexOf(split)]!
}

function checkRestored(
  { decisions }: Rules,
  world: World,
  restored: CheckpointManifest,
  parallelism: number,
): void {
  for (const file of namesOfFiles(restored)) {
    holds(world.disk.files.includes(file), `file "${file}" is to be restored, and gone (I6)`)
  }
  const { keyGroupRange, subtaskOfKeyGroup } = decisions
  const before = restored.operators[0]!.subtasks.length
  for (let group = 0; group < KEY_GROUPS; group += 1) {
    for (const [written, subtasks] of [
      [true, before],
      [false, parallelism],
    ] as const) {
      const owners: number[] = []
      for (let subtask = 0; subtask < subtasks; subtask += 1) {
        const { first, last } = keyGroupRange(subtask, KEY_GROUPS, subtasks)
        if (first <= group && group <= last) owners.push(subtask)
      }
      const routed = subtaskOfKeyGroup(group, KEY_GROUPS, subtasks)
      const found = `key group ${group} of ${subtasks} is ${written ? 'written' : 'restored'}`
      const isOne = owners.length === 1 && owners[0] === routed
      holds(isOne, `${found} by ${owners.join()}, and goes to ${routed} (I9)`)
    }
  }
}
