import { join } from 'node:path'
import type { Files } from '../base/files.ts'
import type { Json } from '../base/json.ts'
import type { FaultSchedule } from '../faults/schedule.ts'
import type { TraceEvent } from '../faults/trace.ts'
import type { Examined } from './examine.ts'
import type { RecordedInputs } from './subject.ts'
import type { Golden, Subject } from './subject.ts'
import type { SimulatedJob } from '../simulation/simulated-life.ts'
import { errnoOf, exists, makeDirectories, readWholeFile, writeWholeFile } from '../base/files.ts'
import { removeTree } from '../checkpoint/folders.ts'
import { jobDefinition } from '../graph/job-definition.ts'
import { CheckedJson, invalid } from './checked-json.ts'
import { parseSchedule } from './parse-schedule.ts'
import { invariants, type InvariantId, type Violation } from './violation.ts'

/**
 * A run that somebody else is to have again: a folder with
 *
 *     bundle.json   what was done to which job, and what it broke
 *     trace.jsonl   one event a line
 *     input.json    what was recorded of sources on other machines, where the job has such
 *     remains/      the files that the run left: work folder and outputs
 *
 * Only the schedule counts for a replay: a bundle of another version replays too, though perhaps
 * not step for step.
 */
export interface ChaosBundle {
  readonly format: typeof BUNDLE_FORMAT
  readonly mode: ChaosMode
  readonly job: BundledJob
  /** Without secrets: who replays gives them again. */
  readonly parameters: Readonly<Record<string, Json>>
  readonly settings: SubjectSettings
  readonly schedule: FaultSchedule
  /** Records of each split at most, when the input was cut down. */
  readonly recordsMax?: number
  /** Of the run without faults; a life that takes many times as many stands still. */
  readonly goldenSteps: number
  readonly violations: readonly Violation[]
  /** Of the trace. */
  readonly hash: string
  readonly versions: { readonly millrace: string; readonly node: string }
  readonly trace: readonly TraceEvent[]
  readonly recorded?: RecordedInputs
}

/** How the job is run in simulation, besides its parameters. */
export type SubjectSettings = Omit<SimulatedJob, 'job' | 'parameters'>

export const BUNDLE_FORMAT = 1

export const chaosModes = ['sim', 'threads', 'process'] as const

export type ChaosMode = (typeof chaosModes)[number]

export interface BundledJob {
  readonly name: string
  /** Its script, as it was named. */
  readonly path?: string
  /** Of the bundled script, its packages included. */
  readonly hash?: string
}

export interface BundleFacts {
  readonly subject: Subject
  readonly golden: Golden
  readonly examined: Examined
  readonly mode?: ChaosMode
  readonly recordsMax?: number | undefined
  readonly jobPath?: string
  readonly jobHash?: string
  /** Version of this package. */
  readonly millrace: string
}

export function bundleOf(facts: BundleFacts): ChaosBundle {
  const { subject, golden, examined, mode = 'sim', recordsMax, jobPath, jobHash } = facts
  const { run, violations } = examined
  return {
    format: BUNDLE_FORMAT,
    mode,
    job: {
      name: jobDefinition(subject.job).name,
      ...(jobPath === undefined ? {} : { path: jobPath }),
      ...(jobHash === undefined ? {} : { hash: jobHash }),
    },
    parameters: withoutSecrets(subject.parameters),
    settings: settingsOf(subject),
    schedule: run.schedule,
    ...(recordsMax === undefined ? {} : { recordsMax }),
    goldenSteps: golden.steps,
    violations,
    hash: run.hash,
    versions: { millrace: facts.millrace, node: process.versions.node },
    trace: run.trace,
    ...(subject.recorded === undefined ? {} : { recorded: subject.recorded }),
  }
}

function settingsOf(subject: Subject): SubjectSettings {
  const { checkpointing } = subject
  const settings: Record<string, unknown> = {}
  if (checkpointing !== undefined) settings['checkpointing'] = checkpointing
  for (const name of NUMBERS) if (subject[name] !== undefined) settings[name] = subject[name]
  return settings
}

const NUMBERS = ['workers', 'stateCacheMb', 'pollMs', 'batchRecords'] as const

function withoutSecrets(parameters: Subject['parameters']): Readonly<Record<string, Json>> {
  const plain: Record<string, Json> = {}
  for (const [name, value] of Object.entries(parameters)) {
    const isSecret = typeof value === 'object' && value !== null && 'reveal' in value
    if (!isSecret && value !== undefined) plain[name] = value as Json
  }
  return plain
}

/** A folder that is copied to `remains/<to>`. */
export interface Remains {
  readonly files: Files
  readonly from: string
  readonly to: string
}

/** All that a run in simulation has left. */
export function remainsOf({ run }: Examined): readonly Remains[] {
  return [{ files: run.disk.files(), from: '/', to: '' }]
}

/** Writes the folder, in the place of one that is there. */
export async function writeBundle(
  files: Files,
  folder: string,
  { trace, recorded, ...head }: ChaosBundle,
  remains: readonly Remains[],
): Promise<void> {
  await removeTree(files, folder)
  await makeDirectories(files, folder)
  await writeWholeFile(files, join(folder, HEAD), `${JSON.stringify(head, undefined, 2)}\n`)
  const lines = trace.map((event) => `${JSON.stringify(event)}\n`)
  await writeWholeFile(files, join(folder, TRACE), lines.join(''))
  if (recorded !== undefined) {
    await writeWholeFile(files, join(folder, INPUT), `${JSON.stringify(recorded)}\n`)
  }
  for (const { files: source, from, to } of remains) {
    await copyTree(source, from, files, join(folder, 'remains', to))
  }
}

const HEAD = 'bundle.json'
const TRACE = 'trace.jsonl'
export const INPUT = 'input.json'

async function copyTree(from: Files, source: string, to: Files, target: string): Promise<void> {
  await makeDirectories(to, target)
  for (const name of await from.list(source)) {
    const [path, copy] = [join(source, name), join(target, name)]
    if ((await from.stat(path)).isDirectory) await copyTree(from, path, to, copy)
    else await writeWholeFile(to, copy, await readWholeFile(from, path))
  }
}

/**
 * Reads what `writeBundle` wrote, or somebody has changed by hand since. Throws
 * CHAOS_SCHEDULE_INVALID with the place of what is wrong.
 */
export async function readBundle(files: Files, folder: string): Promise<ChaosBundle> {
  const text = await readText(files, join(folder, HEAD))
  const at = CheckedJson.parse(text, HEAD)
  const format = at.field('format').wholeNumber(1)
  if (format !== BUNDLE_FORMAT) {
    throw invalid(
      `${HEAD} has format ${format}, this version reads format ${BUNDLE_FORMAT}`,
      'Replay it with the version that it names under "versions".',
    )
  }
  const job = at.field('job')
  const versions = at.field('versions')
  return {
    format: BUNDLE_FORMAT,
    mode: at.field('mode').oneOf(chaosModes),
    job: {
      name: job.field('name').text(),
      ...job.optional('path', (path) => path.text()),
      ...job.optional('hash', (hash) => hash.text()),
    },
    parameters: at.field('parameters').object() as Readonly<Record<string, Json>>,
    settings: settingsAt(at.field('settings')),
    schedule: parseSchedule(at.field('schedule').value, `${HEAD}.schedule`),
    ...at.optional('recordsMax', (records) => records.wholeNumber(1)),
    goldenSteps: at.field('goldenSteps').wholeNumber(0),
    violations: at.field('violations').list().map(violationAt),
    hash: at.field('hash').text(),
    versions: {
      millrace: versions.field('millrace').text(),
      node: versions.field('node').text(),
    },
    trace: traceOf(await readText(files, join(folder, TRACE))),
    ...(await recordedIn(files, folder)),
  }
}

async function recordedIn(files: Files, folder: string): Promise<Pick<ChaosBundle, 'recorded'>> {
  const path = join(folder, INPUT)
  if (!(await exists(files, path))) return {}
  const at = CheckedJson.parse(await readText(files, path), INPUT)
  return { recorded: at.object() as RecordedInputs }
}

function settingsAt(at: CheckedJson): SubjectSettings {
  const settings: Record<string, unknown> = {
    ...at
      .only('checkpointing', ...NUMBERS)
      .optional('checkpointing', (checkpointing) => checkpointing.object()),
  }
  for (const name of NUMBERS)
    Object.assign(
      settings,
      at.optional(name, (one) => one.number()),
    )
  return settings
}

async function readText(files: Files, path: string): Promise<string> {
  try {
    return new TextDecoder().decode(await readWholeFile(files, path))
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error
    throw invalid(`there is no "${path}"`, 'Name the folder of a bundle.')
  }
}

function violationAt(at: CheckedJson): Violation {
  return {
    invariant: at.field('invariant').oneOf(Object.keys(invariants) as InvariantId[]),
    what: at.field('what').text(),
    ...at.optional('step', (step) => step.wholeNumber(0)),
  }
}

/** What a point was called is taken as it is: the trace may be another version's. */
function traceOf(text: string): readonly TraceEvent[] {
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.map((line, index) => {
    const at = CheckedJson.parse(line, `${TRACE}:${index + 1}`)
    at.field('step').wholeNumber(0)
    at.field('atMs').number()
    at.field('life').wholeNumber(1)
    at.field('point').text()
    at.field('place').object()
    return at.value as TraceEvent
  })
}
