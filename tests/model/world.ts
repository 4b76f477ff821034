import type { CoordinatorEffect, CoordinatorState } from '../../engine/checkpoint/coordinator.ts'
import type { CheckpointManifest, Lineage } from '../../engine/checkpoint/manifest.ts'
import type { SubtaskSnapshot } from '../../engine/checkpoint/snapshot.ts'
import type { Committable, TargetMarker } from '../../engine/operator/sink.ts'
import type { CheckpointId } from '../../engine/stream/elements.ts'
import { formatCheckpointId } from '../../engine/checkpoint/layout.ts'
import { namesOfFiles } from './job.ts'

/** How much may happen; with less left, less branches. */
export interface Bounds {
  /** Of split "a" and of split "b". */
  readonly records: readonly [number, number]
  /** What a split is read on between two barriers: one record, or from none to all there are. */
  readonly reads: 'one' | 'any'
  /** How often the interval passes, in all lives; with the final checkpoint, one more. */
  readonly timers: number
  readonly crashes: number
  /** Whether a crash may be a loss of power. */
  readonly powerLoss: boolean
  /** Expiries, declines, writes and commits that fail, manifests in doubt. */
  readonly faults: number
  readonly requests: number
  readonly requestTypes: readonly RequestType[]
  readonly parallelisms: readonly number[]
  /**
   * Acknowledgements of one checkpoint commute: with 'merged' those of subtasks of one vertex come
   * in one order, those of operators as soon as they are sent.
   */
  readonly order: 'any-order' | 'merged'
}

export type RequestType = 'stop-requested' | 'drain-requested' | 'savepoint-requested'

/** Records are numbers: a split is read from 0 up, and a cut is a position in each. */
export type Cut = readonly number[]

export interface World {
  left: {
    readonly timers: number
    readonly crashes: number
    readonly faults: number
    readonly requests: number
  }
  failures: number
  disk: Disk
  targets: readonly Target[]
  /** The greatest id ever given out. */
  highest: CheckpointId
  /** Nothing published yet: 0. */
  published: CheckpointId
  life: Life | undefined
  status: 'open' | 'finished'
}

export interface Disk {
  readonly epoch: number
  readonly lineage: Lineage | undefined
  readonly manifests: readonly KeptManifest[]
  readonly files: readonly string[]
}

/** `linked` and `dropped` are what the directory does not durably know yet. */
export interface KeptManifest {
  readonly manifest: CheckpointManifest
  readonly state: 'linked' | 'durable' | 'dropped'
}

export interface Target {
  readonly marker: TargetMarker | undefined
  /** In the order in which they became visible. */
  readonly published: readonly Committable[]
  /** How many of the last published a loss of power may still take away. */
  readonly undurable: number
  readonly staged: readonly string[]
  /** The marker before, when that of now is not durable yet. */
  readonly markerBefore: TargetMarker | 'none' | undefined
}

export interface Life {
  readonly epoch: number
  readonly instance: string
  readonly lineage: Lineage
  readonly restored: CheckpointManifest | undefined
  /** Nothing is left to be read: it ends when all is published. */
  readonly isFinished: boolean
  readonly parallelism: number
  phase: 'opening' | 'running'
  /** Sinks whose target is claimed. */
  opened: number
  calls: readonly (Call | undefined)[]
  coordinator: CoordinatorState
  sources: readonly SourceTask[]
  chains: readonly (readonly string[])[]
  sinks: readonly SinkTask[]
  barriers: readonly Barrier[]
  writing: Writing | undefined
  commits: readonly CheckpointId[]
  manifests: readonly CheckpointManifest[]
  copies: readonly CheckpointId[]
  retires: readonly CheckpointId[]
  retiring: Retiring | undefined
  hasTimer: boolean
  expiry: CheckpointId
  isDraining: boolean
  over: 'finished' | 'stopped' | undefined
}

/** One commit call of one sink under way. */
export interface Call {
  readonly id: CheckpointId
  readonly todo: readonly Committable[]
  readonly linked: number
  readonly stage: 'begun' | 'links' | 'marked' | 'done'
}

export interface SourceTask {
  readonly splits: readonly number[]
  readonly positions: Cut
  readonly ended: boolean
  readonly stopped: boolean
}

export interface SinkTask {
  readonly unconfirmed: readonly Committable[]
  readonly cut: Cut
  /** A confirmation on its way; 0: none. */
  readonly confirm: CheckpointId
}

export interface Barrier {
  readonly id: CheckpointId
  readonly stop: boolean
  /** By split, once its reader has taken the barrier. */
  readonly cut: readonly (number | undefined)[]
  /** By subtask of the job: not taken, acknowledgement on its way, delivered or declined. */
  readonly acks: readonly (SubtaskSnapshot | 'not-taken' | 'done')[]
}

export interface Writing {
  readonly effect: Extract<CoordinatorEffect, { type: 'write' }>
  readonly manifest: CheckpointManifest
  readonly isLinked: boolean
}

export interface Retiring {
  readonly retained: readonly CheckpointManifest[]
  readonly dropped: readonly CheckpointManifest[]
}

export function encode(world: World): string {
  const { left, disk, targets, life } = world
  return [
    `${left.timers},${left.crashes},${left.faults},${left.requests},${world.failures}`,
    `${id(world.highest)},${id(world.published)},${world.status}`,
    `${disk.epoch},${disk.lineage?.id ?? ''},${codeOf(disk.files, (of) => of.join(' '))}`,
    ...disk.manifests.map(({ manifest, state }) => state[0]! + codeOf(manifest, manifestCode)),
    ...targets.map((target) => codeOf(target, targetCode)),
    life === undefined ? '-' : lifeCode(life),
  ].join('|')
}

function lifeCode(life: Life): string {
  const { sources, sinks, barriers, writing, retiring } = life
  return [
    `${life.epoch},${life.parallelism},${life.phase},${life.opened},${String(life.isFinished)}`,
    life.restored === undefined ? '' : codeOf(life.restored, manifestCode),
    ...life.calls.map((call) => (call === undefined ? '' : codeOf(call, callCode))),
    codeOf(life.coordinator, coordinatorCode),
    ...sources.map((source) => codeOf(source, (of) => JSON.stringify(of))),
    codeOf(life.chains, (of) => of.map((chain) => chain.join(' ')).join(';')),
    ...sinks.map((sink) => codeOf(sink, sinkCode)),
    ...barriers.map((barrier) => codeOf(barrier, barrierCode)),
    writing === undefined ? '' : codeOf(writing.manifest, manifestCode) + String(writing.isLinked),
    `${ids(life.commits)}/${ids(life.manifests.map(({ checkpointId }) => checkpointId))}`,
    `${ids(life.copies)}/${ids(life.retires)}`,
    retiring === undefined ? '' : codeOf(retiring, retiringCode),
    `${Number(life.hasTimer)}${id(life.expiry)}${Number(life.isDraining)}${life.over ?? ''}`,
  ].join('#')
}

function manifestCode(manifest: CheckpointManifest): string {
  const { checkpointId, sources, sinks, final, drained } = manifest
  const positions = sources.flatMap((source) =>
    source.splits.map(({ position }) => position as number),
  )
  const pending = sinks.map((sink) => sink.committables.map(committableCode).join(' '))
  const files = namesOfFiles(manifest).join(' ')
  const flags = `${String(final)}${String(drained)}`
  return `${id(checkpointId)}(${positions.join(',')};${pending.join(';')};${files};${flags})`
}

function targetCode(target: Target): string {
  const { published, undurable, staged, marker, markerBefore } = target
  const before = typeof markerBefore === 'object' ? markerCode(markerBefore) : markerBefore
  const visible = published.map(committableCode).join(' ')
  return `${visible}/${undurable}/${staged.join(' ')}/${markerCode(marker)}/${before ?? ''}`
}

function markerCode(marker: TargetMarker | undefined): string {
  return marker === undefined
    ? ''
    : `${marker.lineage},${marker.instance},${id(marker.checkpointId)}`
}

function callCode({ id: of, todo, linked, stage }: Call): string {
  return `${id(of)}:${todo.map(committableCode).join(' ')}:${linked}${stage}`
}

function sinkCode({ unconfirmed, cut, confirm }: SinkTask): string {
  return `${unconfirmed.map(committableCode).join(' ')}:${cut.join(',')}:${id(confirm)}`
}

function barrierCode({ id: of, stop, cut, acks }: Barrier): string {
  const each = acks.map((ack) => (typeof ack === 'string' ? ack : codeOf(ack, snapshotCode)))
  return `${id(of)}${String(stop)}${cut.join(',')}:${each.join(' ')}`
}

function snapshotCode({ splits, operators, committables }: SubtaskSnapshot): string {
  const positions = Object.values(splits).flatMap((of) =>
    of.map(({ position }) => position as number),
  )
  const files = Object.values(operators).flatMap(({ chain }) => chain.map(({ path }) => path))
  return `${positions.join(',')};${files.join(' ')};${committables.map(committableCode).join(' ')}`
}

function retiringCode({ retained, dropped }: Retiring): string {
  const [kept, gone] = [retained, dropped].map((of) => ids(of.map((one) => one.checkpointId)))
  return `${kept!}-${gone!}`
}

function coordinatorCode(state: CoordinatorState): string {
  const { pending, uncommitted } = state
  const acknowledged = [...(pending?.acknowledged ?? [])]
    .map(([from, snapshot]) => `${from}=${codeOf(snapshot, snapshotCode)}`)
    .sort()
  return [
    `${state.counter},${[...state.ended].sort().join(' ')},${String(state.isDue)}`,
    pending === undefined
      ? ''
      : `${id(pending.id)}${pending.purpose}${pending.savepoints.join()}` +
        `${acknowledged.join('&')}${String(pending.isBeingWritten)}`,
    ...uncommitted.map((one) => `${id(one.id)}${one.purpose}${one.savepoints.join()}`),
    `${state.failuresInRow},${state.savepoints.join()},${state.stop}`,
    `${String(state.isDrained)}${String(state.isStarted)}${String(state.isOver)}`,
  ].join(';')
}

function committableCode({ bornAt, subtask, sequence, effect }: Committable): string {
  return `${id(bornAt)}.${subtask}.${sequence}${JSON.stringify(effect)}`
}

function ids(of: readonly CheckpointId[]): string {
  return of.map(id).join(' ')
}

function id(of: CheckpointId): string {
  return formatCheckpointId(of)
}

const codes = new WeakMap<object, string>()
const numbers = new Map<string, string>()

/** Most parts of a state are those of the state before: a number stands for what each one is. */
function codeOf<T extends object>(part: T, make: (part: T) => string): string {
  const known = codes.get(part)
  if (known !== undefined) return known
  const whole = make(part)
  let code = numbers.get(whole)
  if (code === undefined) {
    code = numbers.size.toString(36)
    numbers.set(whole, code)
  }
  codes.set(part, code)
  return code
}
