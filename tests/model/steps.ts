/** Every step of the model of one job through crashes. */
import type { Rules } from './effects.ts'
import type { Machine } from './explore.ts'
import type { KeptManifest, Life, World } from './world.ts'
import { formatCheckpointId } from '../../engine/checkpoint/layout.ts'
import { draftOf, on } from './effects.ts'
import { holds } from './explore.ts'
import { namesOfFiles, SINKS } from './job.ts'
import {
  afterPowerLoss,
  checkPublished,
  checkRestorable,
  crash,
  finish,
  recover,
  start,
} from './recovery.ts'
import { addTaskSteps, ERROR, type Add, type WorldStep } from './running.ts'
import { beginCall, goOn, openTarget, stepCall } from './targets.ts'
import { encode } from './world.ts'

export function machineOf(rules: Rules): Machine<World> {
  return {
    initial: initialWorld(rules),
    steps: (world) => stepsOf(rules, world),
    encode,
    isEnd: ({ status }) => status === 'finished',
  }
}

function initialWorld({ bounds }: Rules): World {
  const { timers, crashes, faults, requests } = bounds
  const target = {
    marker: undefined,
    published: [],
    undurable: 0,
    staged: [],
    markerBefore: undefined,
  }
  return {
    left: { timers, crashes, faults, requests },
    failures: 0,
    disk: { epoch: 0, lineage: undefined, manifests: [], files: [] },
    targets: SINKS.map(() => target),
    highest: 0,
    published: 0,
    life: undefined,
    status: 'open',
  }
}

function stepsOf(rules: Rules, world: World): readonly WorldStep[] {
  const steps: WorldStep[] = []
  const add: Add = (name, change) => {
    const take = (): World => {
      const draft = draftOf(world)
      change(draft)
      return draft
    }
    steps.push({ name, take })
  }
  if (world.status === 'finished') return steps
  addCrashes(rules, world, add)
  const { life } = world
  if (life === undefined) {
    for (const parallelism of rules.bounds.parallelisms) {
      add(`recover at ${parallelism}`, (draft) => {
        recover(rules, draft, parallelism)
      })
    }
    return steps
  }
  addCallSteps(rules, world, life, add)
  if (life.phase === 'opening') {
    if (life.opened === SINKS.length) {
      add('start', (draft) => {
        start(rules, draft)
      })
    }
    return steps
  }
  addRetireSteps(rules, life, add)
  if (life.over !== undefined) {
    addEnd(rules, life, add)
    return steps
  }
  addTaskSteps(rules, world, add)
  addTimers(rules, world, life, add)
  addWriteSteps(rules, world, life, add)
  addConfirms(rules, life, add)
  return steps
}

function addCrashes(rules: Rules, world: World, add: Add): void {
  if (world.left.crashes === 0) return
  if (world.life !== undefined) {
    add('crash', (draft) => {
      crash(rules, draft)
    })
  }
  if (!rules.bounds.powerLoss) return
  for (const [index, { disk, targets }] of afterPowerLoss(world).entries()) {
    if (world.life === undefined && index === 0 && isDurable(world)) continue
    add(`power-loss ${index}`, (draft) => {
      draft.disk = disk
      draft.targets = targets
      crash(rules, draft)
    })
  }
}

function isDurable({ disk, targets }: World): boolean {
  return (
    disk.manifests.every(({ state }) => state === 'durable') &&
    targets.every((target) => target.undurable === 0 && target.markerBefore === undefined)
  )
}

function addCallSteps(rules: Rules, world: World, life: Life, add: Add): void {
  const isIdle = life.calls.every((call) => call === undefined)
  const copy = life.copies[0]
  if (isIdle && copy !== undefined) {
    add(`copy ${formatCheckpointId(copy)}`, copySavepoint)
  } else if (isIdle && life.commits.length > 0) {
    add(`commit ${formatCheckpointId(life.commits[0]!)}`, (draft) => {
      const now = draft.life!
      now.calls = SINKS.map((_, sink) => beginCall(rules, draft, now, sink))
      goOn(rules, draft)
    })
  }
  for (const [sink, call] of life.calls.entries()) {
    if (call === undefined || call.stage === 'done') continue
    if (isMerged(rules) && isAheadOfLeft(life, sink)) continue
    add(`publish ${SINKS[sink]!}`, (draft) => {
      stepCall(rules, draft, sink)
    })
    if (world.left.faults === 0 || call.stage === 'begun') continue
    add(`commit-fails ${SINKS[sink]!}`, (draft) => {
      const now = draft.life!
      draft.left = { ...draft.left, faults: draft.left.faults - 1 }
      const again =
        now.phase === 'opening'
          ? openTarget(rules, draft, now, sink)
          : beginCall(rules, draft, now, sink)
      now.calls = now.calls.map((other, index) => (index === sink ? again : other))
      if (again.stage === 'done') goOn(rules, draft)
    })
  }
}

function isMerged({ bounds }: Rules): boolean {
  return bounds.order === 'merged'
}

/** The sinks are alike: with the left one ahead or abreast all is seen. */
function isAheadOfLeft({ calls }: Life, sink: number): boolean {
  const [left, right] = calls
  if (sink === 0 || left === undefined || left.stage === 'done') return false
  const stages = ['begun', 'links', 'marked', 'done']
  const [done, doneLeft] = [right!, left].map(
    ({ linked, stage }) => stages.indexOf(stage) * 10 + linked,
  )
  return done! >= doneLeft!
}

/** Made after the commit and before the next: its files must still be there. */
function copySavepoint(draft: World): void {
  const life = draft.life!
  const [id, ...copies] = life.copies
  life.copies = copies
  const manifest = life.manifests.find(({ checkpointId }) => checkpointId === id)
  holds(manifest !== undefined, 'a savepoint is made of no checkpoint')
  for (const file of namesOfFiles(manifest)) {
    holds(draft.disk.files.includes(file), `file "${file}" of the savepoint is gone (I6)`)
  }
}

function addTimers(rules: Rules, world: World, life: Life, add: Add): void {
  const { left } = world
  if (life.hasTimer && left.timers > 0) {
    add('timer', (draft) => {
      draft.left = { ...left, timers: left.timers - 1 }
      draft.life!.hasTimer = false
      on(rules, draft, { type: 'timer' })
    })
  }
  if (left.faults > 0 && life.coordinator.pending?.id === life.expiry && life.expiry > 0) {
    add(`expiry ${formatCheckpointId(life.expiry)}`, (draft) => {
      draft.left = { ...left, faults: left.faults - 1 }
      draft.life!.expiry = 0
      on(rules, draft, { type: 'expired', checkpointId: life.expiry })
    })
  }
  if (left.requests === 0) return
  for (const type of rules.bounds.requestTypes) {
    add(type, (draft) => {
      draft.left = { ...left, requests: left.requests - 1 }
      on(rules, draft, { type, request: left.requests })
    })
  }
}

function addWriteSteps(rules: Rules, world: World, life: Life, add: Add): void {
  const { writing } = life
  if (writing === undefined) return
  const { manifest, isLinked } = writing
  const { checkpointId } = manifest
  const name = formatCheckpointId(checkpointId)
  const failing = (label: string, links: boolean, code: 'IN_DOUBT' | 'FAILED'): void => {
    if (world.left.faults === 0) return
    add(`${label} ${name}`, (draft) => {
      draft.left = { ...draft.left, faults: draft.left.faults - 1 }
      draft.life!.writing = undefined
      if (links) link(draft, { manifest, state: 'linked' })
      const error = { ...ERROR, code: `CHECKPOINT_${code}` } as const
      on(rules, draft, { type: 'write-failed', checkpointId, error })
    })
  }
  if (!isLinked) {
    add(`link ${name}`, (draft) => {
      draft.life!.writing = { ...writing, isLinked: true }
      link(draft, { manifest, state: 'linked' })
    })
    failing('write-fails', false, 'FAILED')
    failing('link-in-doubt', false, 'IN_DOUBT')
    return
  }
  failing('sync-in-doubt', false, 'IN_DOUBT')
  add(`written ${name}`, (draft) => {
    const now = draft.life!
    now.writing = undefined
    now.manifests = [...now.manifests, manifest]
    draft.disk = { ...draft.disk, manifests: synced(draft.disk.manifests) }
    checkRestorable(draft)
    on(rules, draft, { type: 'written', checkpointId })
  })
}

function link(draft: World, kept: KeptManifest): void {
  draft.disk = { ...draft.disk, manifests: [...draft.disk.manifests, kept] }
  checkRestorable(draft)
}

/** The folder is made durable: every entry that is there, and that none is where one was. */
function synced(manifests: readonly KeptManifest[]): readonly KeptManifest[] {
  return manifests
    .filter(({ state }) => state !== 'dropped')
    .map((kept): KeptManifest => ({ ...kept, state: 'durable' }))
}

function addRetireSteps(rules: Rules, life: Life, add: Add): void {
  const { retiring } = life
  if (retiring !== undefined) {
    add('sweep', (draft) => {
      sweep(rules, draft)
    })
  } else if (life.retires.length > 0) {
    add('retire', (draft) => {
      const [keepFrom, ...retires] = draft.life!.retires
      draft.life!.retires = retires
      retire(rules, draft, keepFrom!)
      checkRestorable(draft)
      if (isMerged(rules)) sweep(rules, draft)
    })
  }
}

function sweep(rules: Rules, draft: World): void {
  const life = draft.life!
  const { retained, dropped } = life.retiring!
  life.retiring = undefined
  const { disk } = draft
  const facts = { present: disk.files, retained, dropped, epoch: life.epoch }
  const gone = new Set(rules.decisions.planSweep(facts))
  const files = disk.files.filter((name) => !gone.has(name))
  const manifests = dropped.length > 0 ? synced(disk.manifests) : disk.manifests
  draft.disk = { ...disk, files, manifests }
  checkRestorable(draft)
}

function retire(rules: Rules, draft: World, keepFrom: number): void {
  const visible = draft.disk.manifests.filter(({ state }) => state !== 'dropped')
  const ids = visible.map(({ manifest }) => manifest.checkpointId)
  const kept = rules.decisions.planRetention(ids, 1, keepFrom)
  const isKept = ({ manifest }: KeptManifest): boolean => kept.has(manifest.checkpointId)
  draft.life!.retiring = {
    retained: visible.filter(isKept).map(({ manifest }) => manifest),
    dropped: visible.filter((one) => !isKept(one)).map(({ manifest }) => manifest),
  }
  const manifests = draft.disk.manifests.map((one): KeptManifest =>
    isKept(one) ? one : { ...one, state: 'dropped' },
  )
  draft.disk = { ...draft.disk, manifests }
}

function addConfirms(rules: Rules, life: Life, add: Add): void {
  for (const [index, sink] of life.sinks.entries()) {
    if (sink.confirm === 0) continue
    if (index > 0 && isMerged(rules) && life.sinks[0]!.confirm === sink.confirm) continue
    add(`confirm ${SINKS[index]!} ${formatCheckpointId(sink.confirm)}`, (draft) => {
      const now = draft.life!
      const unconfirmed = rules.decisions.unconfirmedAfter(sink.unconfirmed, sink.confirm)
      const told = { ...sink, unconfirmed, confirm: 0 }
      now.sinks = now.sinks.map((other, at) => (at === index ? told : other))
    })
  }
}

/** After the last commit, savepoint and sweep; a stopped job is started again by somebody. */
function addEnd(rules: Rules, life: Life, add: Add): void {
  const isBusy = life.copies.length + life.retires.length > 0 || life.retiring !== undefined
  if (isBusy) return
  add(`over ${life.over!}`, (draft) => {
    const last = life.manifests.at(-1)!
    checkPublished(draft, last)
    if (life.over === 'finished') finish(rules, draft, last)
    else draft.life = undefined
  })
}
