import { dirname } from 'node:path'
import type { Files } from '../../engine/base/files.ts'
import type { ChaosBundle } from '../../engine/chaos/bundle.ts'
import type { StreamGraph } from '../../engine/graph/stream-graph.ts'
import type { RunFlags } from '../run-options.ts'
import { systemDoors } from '../../engine/base/doors.ts'
import { asStreamError, StreamError } from '../../engine/base/errors.ts'
import { makeDirectories, readWholeFile, systemFiles } from '../../engine/base/files.ts'
import { silentLogger } from '../../engine/base/logger.ts'
import { RECORDED_RECORDS_MAX, withRecordedInputs } from '../../engine/chaos/recorded-inputs.ts'
import { goldenRun, type Golden, type Subject } from '../../engine/chaos/subject.ts'
import { removeTree } from '../../engine/checkpoint/folders.ts'
import { withoutPrinting } from '../../engine/chaos/without-printing.ts'
import { reviveParameters } from '../../engine/graph/parameters.ts'
import { bundleJob } from '../../engine/job/bundle.ts'
import { loadJob } from '../../engine/job/job-plan.ts'
import { configOf, runOptions } from '../run-options.ts'

/** A user's job, made ready to be broken in simulation. */
export interface LoadedSubject {
  readonly subject: Subject
  readonly graph: StreamGraph
  readonly golden: Golden
  readonly parallelism: number
  /** Of the bundle, so that a bundle of remains knows its job. */
  readonly jobHash: string
  /** Its parameters, as they were given. */
  readonly set: Readonly<Record<string, string>>
  /** What was recorded of other machines, each a line. */
  readonly told: readonly string[]
}

export interface SubjectFlags extends RunFlags {
  /** Of a source on other machines: how many are recorded. */
  readonly records?: string
}

/** A small input is cut into many batches, so that checkpoints come between them. */
const BATCH_RECORDS = 16
/** A job that takes more steps has batches enough. */
const STEPS_LARGE = 20_000
/** A run in simulation takes about so long on its own clock, with so many checkpoints. */
const DURATION_MS = 400
const CHECKPOINTS_MIN = 4
const CHECKPOINTS_WANTED = 8
const PARALLELISM = 2

/** A user's job as its script has it. */
export interface LoadedJob {
  readonly subject: Subject
  readonly graph: StreamGraph
  readonly parallelism: number
  readonly jobHash: string
  /** Its parameters, as they were given. */
  readonly set: Readonly<Record<string, string>>
}

/** Loads a job. Throws what is wrong with it. `defaults`: of its parameters, before its own. */
export async function loadJobFile(
  jobPath: string,
  flags: RunFlags,
  defaults: ChaosBundle['parameters'] = {},
): Promise<LoadedJob> {
  const options = runOptions(jobPath, flags, await configOf(flags))
  process.setSourceMapsEnabled(true)
  const bundle = await bundleJob(options.jobPath, options.bundleDir)
  try {
    const { job, definition, parameters } = await loadJob(
      bundle.path,
      { ...options, defaults },
      systemFiles,
    )
    const values = reviveParameters(parameters)
    const graph = definition.build(values)
    const checkpointing = { tolerableFailures: TOLERABLE_FAILURES, ...options.checkpointing }
    return {
      subject: {
        name: definition.name,
        job: withoutPrinting(job),
        parameters: values,
        checkpointing,
      },
      graph,
      parallelism: options.parallelism ?? graph.settings.parallelism ?? PARALLELISM,
      jobHash: bundle.hash,
      set: options.set,
    }
  } finally {
    await removeTree(systemFiles, options.bundleDir)
  }
}

/**
 * Loads a job, records what it reads from other machines, runs it without a fault, and sees to it
 * that its checkpoints are many enough to be worth breaking. `bundle`: its parameters and recording
 * count, where none are given. Throws what is wrong with the job, and CHAOS_UNFIT where no
 * simulation holds it.
 */
export async function loadSubject(
  jobPath: string,
  flags: SubjectFlags,
  bundle?: Pick<ChaosBundle, 'parameters' | 'recorded'>,
): Promise<LoadedSubject> {
  const recordsMax = recordsOf(flags)
  const loaded = await loadJobFile(jobPath, flags, bundle?.parameters)
  const { graph, parallelism, jobHash, set } = loaded
  const prepare = await inputsOf(graph)
  const local: Subject = { ...loaded.subject, batchRecords: BATCH_RECORDS, prepare }
  const doors = systemDoors(silentLogger)
  const inputs = await withRecordedInputs(local, doors, bundle?.recorded, { recordsMax })
  const { subject, told } = inputs
  const first = await goldenOf(subject, parallelism)
  if (first.checkpoints >= CHECKPOINTS_MIN) {
    return { subject, graph, golden: first, parallelism, jobHash, set, told }
  }
  const paced = pacedBy(first, subject)
  const golden = await goldenRun(paced, parallelism)
  return { subject: paced, graph, golden, parallelism, jobHash, set, told }
}

function recordsOf({ records }: SubjectFlags): number {
  if (records === undefined) return RECORDED_RECORDS_MAX
  const count = Number(records)
  if (Number.isSafeInteger(count) && count > 0) return count
  throw new StreamError('USAGE', `--records ${records} is no whole number above 0`, {
    hint: 'Give a number such as 1000.',
  })
}

/** What is wrong with the job itself is told as that, not as something that was broken. */
async function goldenOf(subject: Subject, parallelism: number): Promise<Golden> {
  try {
    return await goldenRun(subject, parallelism)
  } catch (error) {
    const { domain, exit } = asStreamError(error).consequence
    if (domain === 'internal' || exit === EXIT_USER) throw error
    const { place } = asStreamError(error)
    throw new StreamError('CHAOS_UNFIT', `"${subject.name}" fails without a fault`, {
      hint: 'Fix this first. "millrace run" shows more.',
      place,
      cause: error,
    })
  }
}

const EXIT_USER = 2

/** A checkpoint that is given up is no end of the search. */
const TOLERABLE_FAILURES = 100

/** Each look of a source takes time, and checkpoints come often: one is under way at any time. */
function pacedBy({ steps, reached }: Golden, subject: Subject): Subject {
  const { batchRecords, ...unbounded } = subject
  const everyMs = DURATION_MS / CHECKPOINTS_WANTED
  return {
    ...unbounded,
    ...(batchRecords === undefined || steps > STEPS_LARGE ? {} : { batchRecords }),
    pollMs: DURATION_MS / Math.max(1, reached.get('source.poll') ?? 1),
    checkpointing: { ...subject.checkpointing, everyMs, timeoutMs: everyMs * 4 },
  }
}

/** What its sources read, copied into a simulated disk. */
async function inputsOf(graph: StreamGraph): Promise<(files: Files) => Promise<void>> {
  const contents = new Map<string, Uint8Array>()
  for (const { runtime } of graph.nodes) {
    if (runtime.type !== 'source') continue
    for (const path of (await runtime.source.inputs?.(systemFiles)) ?? []) {
      contents.set(path, await readWholeFile(systemFiles, path))
    }
  }
  return async (files) => {
    // Relative paths of the job begin here.
    await makeDirectories(files, process.cwd())
    for (const [path, bytes] of contents) {
      await makeDirectories(files, dirname(path))
      const handle = await files.open(path, 'truncate')
      await handle.write(bytes)
      await handle.sync()
      await handle.close()
      await files.syncDirectory(dirname(path))
    }
  }
}
