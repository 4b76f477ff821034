/** Commits: the calls of both sinks step by step, as file targets do them. */
import type { CheckpointManifest } from '../../engine/checkpoint/manifest.ts'
import type { Committable, TargetMarker } from '../../engine/operator/sink.ts'
import type { CheckpointId } from '../../engine/stream/elements.ts'
import type { Call, Life, Target, World } from './world.ts'
import { formatCheckpointId } from '../../engine/checkpoint/layout.ts'
import { on, type Rules } from './effects.ts'
import { holds } from './explore.ts'
import { rangeOf, reachedBy, SINKS, SPLITS, stagedName } from './job.ts'

/** What a life does first with a target: decides whose it is, and publishes what is pending. */
export function openTarget(rules: Rules, world: World, life: Life, sink: number): Call {
  const restoredId = life.restored?.checkpointId ?? 0
  const known = life.restored?.sinks.find(({ uid }) => uid === SINKS[sink])
  const pending = known?.committables ?? []
  const instances = Array.from({ length: world.disk.epoch }, (_, epoch) => `i${epoch + 1}`)
  const decision = rules.decisions.decideTarget({
    uid: SINKS[sink]!,
    marker: world.targets[sink]!.marker,
    lineage: life.lineage,
    restoredId,
    isKnownSink: known !== undefined,
    hasPending: pending.length > 0,
    knownInstances: new Set([...instances, life.restored?.instance ?? '']),
  })
  holds(decision.type === 'commit', `the job's own target is not taken: ${decision.type}`)
  return callOf(restoredId, rules.decisions.bornAfter(pending, decision.after))
}

/** A commit of a running life, at one sink. */
export function beginCall(rules: Rules, world: World, life: Life, sink: number): Call {
  const id = life.commits[0]!
  const done = rules.decisions.ownedUpTo(SINKS[sink]!, world.targets[sink]!.marker, {
    ...markerOf(life, id),
  })
  const pending = rules.decisions.bornAfter(declared(manifestOf(life, id), sink), done)
  return pending.length === 0 ? { ...callOf(id, []), stage: 'done' } : callOf(id, pending)
}

/** The next step of a call; when all are done, what was waiting for them goes on. */
export function stepCall(rules: Rules, world: World, sink: number): void {
  const life = world.life!
  const call = life.calls[sink]!
  const next = advanced(world, life, call, sink)
  life.calls = life.calls.map((other, index) => (index === sink ? next : other))
  if (next.stage === 'done') goOn(rules, world)
}

/** Called when a call has come to its end. */
export function goOn(rules: Rules, world: World): void {
  const life = world.life!
  if (life.phase === 'opening') {
    const sink = life.opened
    change(world, sink, { staged: [] })
    life.opened += 1
    life.calls = SINKS.map((_, index) =>
      index === life.opened ? openTarget(rules, world, life, index) : undefined,
    )
    return
  }
  if (!life.calls.every((call) => call?.stage === 'done')) return
  const id = life.commits[0]!
  life.calls = SINKS.map(() => undefined)
  life.commits = life.commits.slice(1)
  life.retires = [...life.retires, id]
  on(rules, world, { type: 'committed', checkpointId: id })
}

export function change(world: World, sink: number, to: Partial<Target>): void {
  world.targets = world.targets.map((target, index) =>
    index === sink ? { ...target, ...to } : target,
  )
}

function advanced(world: World, life: Life, call: Call, sink: number): Call {
  const target = world.targets[sink]!
  if (call.linked < call.todo.length) {
    publish(world, sink, call.todo[call.linked]!)
    world.published = Math.max(world.published, call.id)
    return { ...call, linked: call.linked + 1, stage: 'links' }
  }
  if (call.stage !== 'marked') {
    const markerBefore = target.marker ?? 'none'
    change(world, sink, { undurable: 0, marker: markerOf(life, call.id), markerBefore })
    return { ...call, stage: 'marked' }
  }
  const gone = new Set(call.todo.map(stagedName))
  const staged = target.staged.filter((name) => !gone.has(name))
  change(world, sink, { markerBefore: undefined, staged })
  return { ...call, stage: 'done' }
}

function publish(world: World, sink: number, committable: Committable): void {
  const { published, undurable, staged } = world.targets[sink]!
  const name = stagedName(committable)
  holds(staged.includes(name), `what is staged as ${describe(committable)} is missing`)
  if (published.some((one) => stagedName(one) === name)) return // The same file: it is there.
  const isComplete = world.disk.manifests.some(
    ({ manifest, state }) =>
      state !== 'linked' && declared(manifest, sink).some((one) => stagedName(one) === name),
  )
  holds(isComplete, `${describe(committable)} is published of no complete checkpoint (I3)`)
  const { split, from } = rangeOf(committable)
  const reached = reachedBy(published)[split]!
  const message = `records of "${SPLITS[split]!}" from ${from} follow those up to ${reached} (I1)`
  holds(from === reached, message)
  change(world, sink, { published: [...published, committable], undurable: undurable + 1 })
}

function describe(committable: Committable): string {
  const { split, from, to } = rangeOf(committable)
  return `"${SPLITS[split]!}" ${from} to ${to} of ${formatCheckpointId(committable.bornAt)}`
}

function declared(manifest: CheckpointManifest, sink: number): readonly Committable[] {
  return manifest.sinks.find(({ uid }) => uid === SINKS[sink])!.committables
}

function manifestOf(life: Life, id: CheckpointId): CheckpointManifest {
  const found = life.manifests.find(({ checkpointId }) => checkpointId === id)
  holds(found !== undefined, `${formatCheckpointId(id)} is committed before it is written (I4)`)
  return found
}

function callOf(id: CheckpointId, todo: readonly Committable[]): Call {
  return { id, todo, linked: 0, stage: 'begun' }
}

function markerOf({ lineage, instance }: Life, checkpointId: CheckpointId): TargetMarker {
  return { lineage: lineage.id, instance, checkpointId }
}
