import { basename, join } from 'node:path'
import type { Json } from '../engine/base/json.ts'
import type { CheckpointManifest } from '../engine/checkpoint/manifest.ts'
import type { FileReference, SplitState } from '../engine/checkpoint/snapshot.ts'
import { StreamError } from '../engine/base/errors.ts'
import { errnoOf, exists, readWholeFile, systemFiles } from '../engine/base/files.ts'
import { readEpochs } from '../engine/checkpoint/epochs.ts'
import { listOrNone } from '../engine/checkpoint/folders.ts'
import {
  formatCheckpointId,
  parseManifestName,
  temporaryName,
  workLayout,
} from '../engine/checkpoint/layout.ts'
import { decodeManifest } from '../engine/checkpoint/manifest-codec.ts'
import { manifestFiles } from '../engine/checkpoint/manifest.ts'
import { readOwnerRecord } from '../engine/checkpoint/ownership.ts'
import { stateWords } from '../engine/graph/state-words.ts'
import type { PausedSubtask } from '../engine/job/protocol.ts'
import { askJob } from './control-client.ts'
import { formatDuration } from './duration.ts'
import { formatBytes, formatCount } from './numbers.ts'
import { findWorkFolder } from './work-folder.ts'

/**
 * `millrace inspect`: what a work folder or a savepoint holds, read only, also while the job runs.
 * A damaged manifest is shown as such and makes the exit code 3; the rest is still shown.
 */
export async function inspectCommand(
  given: string,
  flags: { readonly json?: boolean },
): Promise<number> {
  const folder = await findWorkFolder(given)
  const found = await inspectFolder(folder)
  const text = flags.json === true ? JSON.stringify(found) : renderFolder(found)
  process.stdout.write(`${text}\n`)
  return found.checkpoints.some((checkpoint) => checkpoint.damaged !== undefined) ? 3 : 0
}

export interface FolderReport {
  readonly folder: string
  readonly job: string | undefined
  /** What the running job says of itself; undefined: none runs. */
  readonly running: unknown
  readonly recordedProcess: number | undefined
  /** How often the job was started on this work folder. */
  readonly starts: number
  readonly checkpoints: readonly CheckpointReport[]
}

export interface CheckpointReport {
  /** As `2.41`; undefined when a savepoint's manifest cannot be read. */
  readonly name: string | undefined
  readonly damaged?: string
  readonly job?: string
  readonly createdAtMs?: number
  readonly final?: boolean
  readonly drained?: boolean
  readonly bytes?: number
  readonly files?: number
  readonly counters?: Readonly<Record<string, number>>
  readonly operators?: readonly OperatorReport[]
}

export interface OperatorReport {
  readonly uid: string
  readonly kind: string
  readonly what: string
  readonly bytes: number
}

export async function inspectFolder(folder: string): Promise<FolderReport> {
  const layout = workLayout(folder)
  const checkpoints = await readCheckpoints(folder)
  const epochs = await readEpochs(systemFiles, layout)
  if (checkpoints.length === 0 && epochs.length === 0) {
    throw new StreamError(
      'CHECKPOINT_NOT_FOUND',
      `"${folder}" is neither a work folder nor a savepoint`,
      {
        hint: 'Name a work folder, as "millrace run" printed it, or a savepoint.',
      },
    )
  }
  const owner = await readOwnerRecord(systemFiles, layout)
  const job = checkpoints.map((checkpoint) => checkpoint.job).find((name) => name !== undefined)
  return {
    folder,
    job: job ?? epochs.at(-1)?.job,
    running: await statusOf(folder),
    recordedProcess: owner?.pid,
    starts: epochs.length,
    checkpoints,
  }
}

async function statusOf(folder: string): Promise<unknown> {
  try {
    return await askJob(folder, { type: 'status' })
  } catch (error) {
    if (error instanceof StreamError && error.code === 'JOB_NOT_RUNNING') return undefined
    throw error
  }
}

/** Newest first. A savepoint has its manifest at the top of its folder. */
async function readCheckpoints(folder: string): Promise<readonly CheckpointReport[]> {
  const layout = workLayout(folder)
  const paths: string[] = []
  for (const name of await listOrNone(systemFiles, layout.manifests)) {
    const path = join(layout.manifests, name)
    if (parseManifestName(name) !== undefined && path !== temporaryName(path)) paths.push(path)
  }
  const own = join(folder, 'manifest.json')
  if (await exists(systemFiles, own)) paths.push(own)
  const reports: CheckpointReport[] = []
  for (const path of paths.reverse()) {
    const report = await readCheckpoint(path)
    if (report !== undefined) reports.push(report)
  }
  return reports
}

/** Undefined: a job that runs has just removed it. */
async function readCheckpoint(path: string): Promise<CheckpointReport | undefined> {
  try {
    return reportOf(decodeManifest(await readWholeFile(systemFiles, path), path))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    if (!(error instanceof StreamError)) throw error
    const id = parseManifestName(basename(path))
    const name = id === undefined ? undefined : formatCheckpointId(id)
    return { name, damaged: error.message }
  }
}

function reportOf(manifest: CheckpointManifest): CheckpointReport {
  const files = manifestFiles(manifest)
  return {
    name: formatCheckpointId(manifest.checkpointId),
    job: manifest.job,
    createdAtMs: manifest.createdAtMs,
    final: manifest.final,
    drained: manifest.drained,
    bytes: sizeOf(files),
    files: files.length,
    counters: manifest.counters,
    operators: operatorsOf(manifest),
  }
}

function operatorsOf(manifest: CheckpointManifest): readonly OperatorReport[] {
  const sources = manifest.sources.map(({ uid, kind, splits }) => ({
    uid,
    kind,
    what: `${plural(splits.length, 'split')}, ${splits.filter((split) => split.finished).length} finished${positionsOf(splits)}`,
    bytes: 0,
  }))
  const operators = manifest.operators.map((operator) => {
    const files = operator.subtasks.flatMap(({ chain, broadcast }) =>
      broadcast?.file === undefined ? chain : [...chain, broadcast.file],
    )
    const { kind, descriptors, declared } = operator
    const states = stateWords(kind, [...descriptors, ...(declared?.broadcast ?? [])]).join(', ')
    return {
      uid: operator.uid,
      kind: operator.kind,
      what: [
        plural(operator.parallelism, 'subtask'),
        `state: ${states === '' ? 'none' : states}`,
        plural(files.length, 'file'),
      ].join(', '),
      bytes: sizeOf(files),
    }
  })
  const sinks = manifest.sinks.map(({ uid, kind, committables }) => ({
    uid,
    kind,
    what: publishText(committables.length),
    bytes: 0,
  }))
  return [...sources, ...operators, ...sinks]
}

/** Of a sink: outputs, such as files, that become visible once this checkpoint is complete. */
function publishText(committables: number): string {
  return committables === 0 ? 'publishes nothing' : `publishes ${plural(committables, 'output')}`
}

const SPLITS_SHOWN_MAX = 4

function positionsOf(splits: readonly SplitState[]): string {
  if (splits.length === 0 || splits.length > SPLITS_SHOWN_MAX) return ''
  return `: ${splits.map((split) => `${split.id} at ${positionText(split.position)}`).join(', ')}`
}

/** `{"offset":812}` as `offset 812`; of a file, whose position is `{"at":900,"line":12}`, `byte 900`. */
function positionText(position: Json): string {
  if (typeof position !== 'object' || position === null || Array.isArray(position)) {
    return JSON.stringify(position)
  }
  return Object.entries(position)
    .map(([name, value]) => `${name === 'at' ? 'byte' : name} ${JSON.stringify(value)}`)
    .join(', ')
}

function sizeOf(files: readonly FileReference[]): number {
  return files.reduce((bytes, file) => bytes + file.bytes, 0)
}

export function renderFolder(report: FolderReport): string {
  const { running, recordedProcess } = report
  const process = recordedProcess === undefined ? '' : ` (process ${recordedProcess})`
  const lines = [
    `${report.job ?? 'unknown job'} in ${report.folder}`,
    running === undefined ? 'not running' : `running${process}`,
    ...renderRunning(running),
    `${plural(report.starts, 'start')}, ${plural(report.checkpoints.length, 'complete checkpoint')} kept`,
  ]
  for (const checkpoint of report.checkpoints) lines.push('', ...renderCheckpoint(checkpoint))
  return lines.join('\n')
}

/** What a job answers to 'status', as `JobLife.status` has it. */
interface RunningStatus {
  readonly parallelism: number
  readonly recordsIn: number
  readonly recordsOut: number
  readonly steps: readonly {
    readonly name: string
    readonly type: 'source' | 'operator' | 'sink'
    readonly recordsIn: number
    readonly recordsOut: number
    /** Of a source. */
    readonly malformed?: number
    /** Behind the watermark, and read by nobody. */
    readonly late?: number
    readonly paused?: readonly PausedSubtask[]
    /** As a time; how far it is behind the clock, where the input is live. */
    readonly watermark?: string
    readonly lagMs?: number
  }[]
}

function renderRunning(running: unknown): readonly string[] {
  if (typeof running !== 'object' || running === null || !('steps' in running)) return []
  const { parallelism, recordsIn, recordsOut, steps } = running as RunningStatus
  const total = `${formatCount(recordsIn)} records in, ${formatCount(recordsOut)} out`
  return [
    `  parallelism ${parallelism}, ${total}`,
    '  since this start:',
    ...steps.map(
      (step) =>
        `    ${step.name}: ${formatCount(step.recordsIn)} in` +
        (step.type === 'sink' ? '' : `, ${formatCount(step.recordsOut)} out`) +
        ((step.malformed ?? 0) === 0 ? '' : `, ${formatCount(step.malformed!)} malformed`) +
        ((step.late ?? 0) === 0 ? '' : `, ${formatCount(step.late!)} late and dropped`) +
        watermarkText(step) +
        pausedText(step),
    ),
  ]
}

function pausedText({ paused = [] }: RunningStatus['steps'][number]): string {
  return paused
    .map(
      ({ subtask, waitsFor }) =>
        `, subtask ${subtask} is paused and waits for ${waitsFor.source} subtask ${waitsFor.subtask}`,
    )
    .join('')
}

function watermarkText({ watermark, lagMs }: RunningStatus['steps'][number]): string {
  if (watermark === undefined) return ''
  const lag = lagMs === undefined ? '' : `, ${formatDuration(lagMs)} behind`
  return `, watermark ${watermark}${lag}`
}

const COUNTERS: Readonly<Record<string, string>> = {
  recordsIn: 'records in',
  recordsOut: 'records out',
}

function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

function renderCheckpoint(checkpoint: CheckpointReport): readonly string[] {
  const name = checkpoint.name ?? 'of the savepoint'
  if (checkpoint.damaged !== undefined) {
    return [`checkpoint ${name}, damaged: ${checkpoint.damaged}`]
  }
  const marks = [checkpoint.final ? 'final' : '', checkpoint.drained ? 'drained' : '']
  const head = [
    `checkpoint ${name}`,
    ...marks.filter((mark) => mark !== ''),
    new Date(checkpoint.createdAtMs ?? 0).toISOString(),
    `${plural(checkpoint.files ?? 0, 'file')}, ${formatBytes(checkpoint.bytes ?? 0)}`,
  ]
  const counters = Object.entries(checkpoint.counters ?? {}).map(
    ([name, count]) => `${formatCount(count)} ${COUNTERS[name] ?? name}`,
  )
  const operators = (checkpoint.operators ?? []).map(
    ({ uid, kind, what, bytes }) =>
      `  ${uid} (${kind}): ${what}${bytes === 0 ? '' : `, ${formatBytes(bytes)}`}`,
  )
  return [
    head.join(', '),
    ...(counters.length === 0 ? [] : [`  ${counters.join(', ')}`]),
    ...operators,
  ]
}
