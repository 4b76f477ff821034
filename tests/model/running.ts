/** What may happen in a life, step by step: to records, barriers, manifests, commits and files. */
import type { SubtaskSnapshot } from '../../engine/checkpoint/snapshot.ts'
import type { Committable } from '../../engine/operator/sink.ts'
import type { Rules } from './effects.ts'
import type { Step } from './explore.ts'
import type { Barrier, Cut, Life, SourceTask, World } from './world.ts'
import { formatCheckpointId, stateFileName } from '../../engine/checkpoint/layout.ts'
import { on } from './effects.ts'
import { COUNT_HASH, SINKS, SPLITS, stagedName, tasksOf, type TaskName } from './job.ts'
import { change } from './targets.ts'

export type Add = (name: string, change: (world: World) => void) => void

/** Sources, operators and sinks take barriers and end; acknowledgements arrive. */
export function addTaskSteps(rules: Rules, world: World, add: Add): void {
  const life = world.life!
  const tasks = tasksOf(life.parallelism)
  const isMerged = rules.bounds.order === 'merged'
  for (const [order, barrier] of life.barriers.entries()) {
    const name = formatCheckpointId(barrier.id)
    for (const [index, task] of tasks.entries()) {
      const ack = barrier.acks[index]!
      const label = `${name} ${task.vertex}:${task.subtask}`
      if (ack === 'not-taken' && mayTake(life, tasks, order, index, isMerged)) {
        for (const cut of cutsOf(rules, life, barrier, task)) {
          const at = task.vertex === 0 ? ` ${cut.join()}` : ''
          add(`take ${label}${at}`, (draft) => {
            take(rules, draft, order, index, cut)
          })
        }
        if (task.vertex === 1 && world.left.faults > 0) {
          add(`decline ${label}`, (draft) => {
            decline(rules, draft, order, index)
          })
        }
      }
      if (typeof ack === 'string') continue
      add(`acknowledge ${label}`, (draft) => {
        deliver(rules, draft, order, index)
      })
      if (isMerged) break
    }
  }
  for (const [index, source] of life.sources.entries()) {
    if (source.ended || source.stopped) continue
    if (isMerged && index > 0 && !life.sources[index - 1]!.ended) continue
    for (const positions of endsOf(rules, life, source)) {
      add(`end 0:${index} ${positions.join()}`, (draft) => {
        end(rules, draft, index, positions)
      })
    }
  }
}

/** A barrier comes after the one before it, and after those of the subtasks above. */
function mayTake(
  life: Life,
  tasks: readonly TaskName[],
  order: number,
  index: number,
  isMerged: boolean,
): boolean {
  const { acks } = life.barriers[order]!
  if (order > 0 && life.barriers[order - 1]!.acks[index] === 'not-taken') return false
  const { vertex } = tasks[index]!
  if (vertex === 0 && life.sources[index]!.stopped) return false
  return tasks.every((other, at) => {
    const isAbove = Math.min(other.vertex, 2) < Math.min(vertex, 2)
    const isBefore = isMerged && other.vertex === vertex && at < index
    return !(isAbove || isBefore) || acks[at] !== 'not-taken'
  })
}

/** Where a source may be when it takes a barrier: anywhere from where it was. */
function cutsOf(rules: Rules, life: Life, barrier: Barrier, task: TaskName): readonly Cut[] {
  if (task.vertex !== 0) return [barrier.cut.map((position) => position ?? 0)]
  const source = life.sources[task.subtask]!
  return source.ended ? [source.positions] : positionsFrom(rules, source)
}

function endsOf(rules: Rules, life: Life, source: SourceTask): readonly Cut[] {
  if (life.isDraining) return positionsFrom(rules, source)
  return [source.splits.map((split) => rules.bounds.records[split]!)]
}

function positionsFrom({ bounds }: Rules, source: SourceTask): readonly Cut[] {
  let cuts: readonly Cut[] = [[]]
  for (const [at, split] of source.splits.entries()) {
    const first = source.positions[at]!
    const last = bounds.records[split]!
    const choices =
      bounds.reads === 'one'
        ? [Math.min(first + 1, last)]
        : Array.from({ length: last - first + 1 }, (_, further) => first + further)
    cuts = cuts.flatMap((cut) => choices.map((position) => [...cut, position]))
  }
  return cuts
}

function take(rules: Rules, world: World, order: number, index: number, cut: Cut): void {
  const life = world.life!
  const barrier = life.barriers[order]!
  const task = tasksOf(life.parallelism)[index]!
  let snapshot = emptySnapshot(barrier, task)
  if (task.vertex === 0) snapshot = takeAtSource(rules, life, order, snapshot, cut)
  else if (task.vertex === 1) snapshot = takeAtOperator(world, life, snapshot)
  else snapshot = takeAtSink(rules, world, life, snapshot, cut)
  setAck(life, order, index, snapshot)
  const isMerged = rules.bounds.order === 'merged'
  if (isMerged && task.vertex === 1) deliver(rules, world, order, index)
}

function takeAtSource(
  rules: Rules,
  life: Life,
  order: number,
  snapshot: SubtaskSnapshot,
  positions: Cut,
): SubtaskSnapshot {
  const barrier = life.barriers[order]!
  const source = life.sources[snapshot.subtask]!
  const cut = [...barrier.cut]
  for (const [at, split] of source.splits.entries()) cut[split] = positions[at]
  life.barriers = life.barriers.map((one) => (one === barrier ? { ...barrier, cut } : one))
  const taken: SourceTask = { ...source, positions, stopped: source.stopped || barrier.stop }
  life.sources = life.sources.map((one) => (one === source ? taken : one))
  const splits = source.splits.map((split, at) => {
    const position = positions[at]!
    const finished = position === rules.bounds.records[split]
    return { id: SPLITS[split]!, position, finished, watermarkMs: 0 }
  })
  return { ...snapshot, splits: { in: splits } }
}

/** A delta each time, on at most one file before it: then a new base. */
function takeAtOperator(world: World, life: Life, snapshot: SubtaskSnapshot): SubtaskSnapshot {
  const { subtask, checkpointId } = snapshot
  const before = life.chains[subtask]!
  const name = stateFileName(COUNT_HASH, subtask, checkpointId, 1)
  const chain = before.length > 1 ? [name] : [...before, name]
  world.disk = { ...world.disk, files: [...world.disk.files, name] }
  life.chains = life.chains.map((one, index) => (index === subtask ? chain : one))
  const files = chain.map((file) => ({ path: `state/${file}`, bytes: 1, sha256: '' }))
  return { ...snapshot, operators: { count: { chain: files, watermarkMs: 0 } } }
}

function takeAtSink(
  rules: Rules,
  world: World,
  life: Life,
  snapshot: SubtaskSnapshot,
  cut: Cut,
): SubtaskSnapshot {
  const index = snapshot.vertex - 2
  const sink = life.sinks[index]!
  const bornAt = snapshot.checkpointId
  const born: Committable[] = []
  for (const [split, to] of cut.entries()) {
    const from = sink.cut[split]!
    if (to === from) continue
    const effect = { split, from, to }
    born.push({ uid: SINKS[index]!, bornAt, subtask: 0, sequence: born.length, effect })
  }
  const unconfirmed = [...sink.unconfirmed, ...born]
  life.sinks = life.sinks.map((one) => (one === sink ? { ...sink, unconfirmed, cut } : one))
  const staged = [...world.targets[index]!.staged, ...born.map(stagedName)]
  change(world, index, { staged })
  return { ...snapshot, committables: rules.decisions.declaredAt(unconfirmed, bornAt) }
}

function decline(rules: Rules, world: World, order: number, index: number): void {
  const life = world.life!
  world.left = { ...world.left, faults: world.left.faults - 1 }
  const { id } = life.barriers[order]!
  setAck(life, order, index, 'done')
  on(rules, world, { type: 'declined', checkpointId: id, error: ERROR })
}

function deliver(rules: Rules, world: World, order: number, index: number): void {
  const life = world.life!
  const snapshot = life.barriers[order]!.acks[index] as SubtaskSnapshot
  setAck(life, order, index, 'done')
  on(rules, world, { type: 'acknowledged', snapshot })
}

function setAck(life: Life, order: number, index: number, to: Barrier['acks'][number]): void {
  const barrier = life.barriers[order]!
  const acks = barrier.acks.map((ack, at) => (at === index ? to : ack))
  const isDone = acks.every((ack) => ack === 'done')
  life.barriers = isDone
    ? life.barriers.filter((one) => one !== barrier)
    : life.barriers.map((one) => (one === barrier ? { ...barrier, acks } : one))
}

/** When the last source has ended, all below it have. */
function end(rules: Rules, world: World, index: number, positions: Cut): void {
  const life = world.life!
  const source = { ...life.sources[index]!, positions, ended: true }
  life.sources = life.sources.map((one, at) => (at === index ? source : one))
  on(rules, world, { type: 'subtask-ended', vertex: 0, subtask: index })
  if (!life.sources.every(({ ended }) => ended)) return
  for (const { vertex, subtask } of tasksOf(life.parallelism)) {
    if (vertex > 0) on(rules, world, { type: 'subtask-ended', vertex, subtask })
  }
}

function emptySnapshot({ id }: Barrier, { vertex, subtask }: TaskName): SubtaskSnapshot {
  return {
    checkpointId: id,
    vertex,
    subtask,
    operators: {},
    splits: {},
    committables: [],
    recordsRead: 0,
    recordsWritten: 0,
    recordsMalformed: 0,
    recordsLate: 0,
    alignmentMs: 0,
    syncMs: 0,
    bytesWritten: 0,
  }
}

export const ERROR = { code: 'CHECKPOINT_FAILED', message: 'a fault of the model' } as const

export type WorldStep = Step<World>
