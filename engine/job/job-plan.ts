import { availableParallelism } from 'node:os'
import { pathToFileURL } from 'node:url'
import type { Files } from '../base/files.ts'
import type { Json } from '../base/json.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { ParameterDeclaration, ParameterValue, SecretReference } from '../graph/parameters.ts'
import type { JobSettings, StreamGraph } from '../graph/stream-graph.ts'
import type { RunOptions } from './protocol.ts'
import { userLine } from '../operator/user-error.ts'
import { messageOf, StreamError } from '../base/errors.ts'
import { readNamedFile, readWholeFile } from '../base/files.ts'
import { sha256Hex } from '../base/hash.ts'
import { toJobGraph } from '../graph/chaining.ts'
import { jobDefinition, type JobDefinition } from '../graph/job-definition.ts'
import { parseParameters, reviveParameters } from '../graph/parameters.ts'
import { planHash } from '../graph/plan.ts'

/** A job ready to run: its graph at a parallelism, with all options merged. */
export interface JobPlan {
  readonly job: string
  readonly graph: JobGraph
  readonly planHash: string
  readonly parameters: Readonly<Record<string, ParameterValue>>
  readonly parallelism: number
  readonly settings: JobSettings
  /** Worker threads: no vertex needs more than its greatest parallelism. */
  readonly workers: number
  /** URL of the bundle that workers import; undefined: the tasks share this thread. */
  readonly bundle: string | undefined
}

/** What of the options shapes the plan. */
export type PlanOptions = Pick<RunOptions, 'set' | 'parallelism' | 'checkpointing' | 'restart'>

/** Imports a bundle and plans its job. Throws StreamError for every mistake of the job. */
export async function planBundle(
  bundlePath: string,
  options: PlanOptions,
  files: Files,
): Promise<JobPlan> {
  const bundle = pathToFileURL(bundlePath).href
  const { definition, parameters } = await loadJob(bundlePath, options, files)
  const written = definition.build(reviveParameters(parameters))
  const parallelism = options.parallelism ?? written.settings.parallelism ?? availableParallelism()
  const settings = mergeSettings(written.settings, options)
  const graph: StreamGraph = { ...written, settings }
  const jobGraph = toJobGraph(graph, parallelism)
  return {
    job: definition.name,
    graph: jobGraph,
    workers: Math.max(...jobGraph.vertices.map((vertex) => vertex.parallelism)),
    planHash: planHash(graph),
    parameters,
    parallelism,
    settings,
    bundle,
  }
}

/** The plan of a graph whose tasks share this thread; `workers` are then simulated ones. */
export function planInThread(
  job: string,
  graph: StreamGraph,
  parallelism: number,
  workers = 1,
): JobPlan {
  return {
    job,
    graph: toJobGraph(graph, parallelism),
    planHash: planHash(graph),
    parameters: {},
    parallelism,
    settings: graph.settings,
    workers,
    bundle: undefined,
  }
}

/** The job that a bundle exports, with the values of its parameters. */
export async function loadJob(
  bundlePath: string,
  options: Pick<PlanOptions, 'set'> & {
    /** Values that count where `set` has none, before the job's own defaults. */
    readonly defaults?: Readonly<Record<string, Json>>
  },
  files: Files,
): Promise<{
  readonly job: unknown
  readonly definition: JobDefinition
  readonly parameters: Readonly<Record<string, ParameterValue>>
}> {
  const module = await importJob(bundlePath, files)
  const definition = jobDefinition(module.default)
  const parameters = await parseParameters(
    definition.name,
    definition.parameters.map((declared) => withDefault(declared, options.defaults)),
    options.set,
    (reference) => readSecret(reference, files),
  )
  return { job: module.default, definition, parameters }
}

function withDefault(
  declared: ParameterDeclaration,
  defaults: Readonly<Record<string, Json>> = {},
): ParameterDeclaration {
  if (!Object.hasOwn(defaults, declared.name)) return declared
  return { ...declared, default: defaults[declared.name] as ParameterDeclaration['default'] & Json }
}

interface JobModule {
  readonly default?: unknown
}

/**
 * What this process has imported, by content. Node keeps a module for good, by its address: a
 * process that runs the same job a thousand times imports it once, wherever its bundles lay.
 */
const imported = new Map<string, Promise<JobModule>>()

async function importJob(path: string, files: Files): Promise<JobModule> {
  const content = sha256Hex(await readWholeFile(files, path))
  const known = imported.get(content)
  if (known !== undefined) return known
  const importing = importBundle(pathToFileURL(path).href)
  imported.set(content, importing)
  // What failed may have found another world the next time.
  importing.catch(() => imported.delete(content))
  return importing
}

async function importBundle(url: string): Promise<JobModule> {
  try {
    return (await import(url)) as JobModule
  } catch (error) {
    if (error instanceof StreamError) throw error
    const missing = /does not provide an export named '(.+)'/.exec(messageOf(error))
    if (missing !== null) {
      throw new StreamError('JOB_INVALID', `the job imports "${missing[1]!}", which is not there`, {
        hint: 'Correct the name: millrace check shows the line of the import.',
        cause: error,
      })
    }
    const at = error instanceof Error ? userLine(error.stack) : undefined
    throw new StreamError('JOB_INVALID', `the job fails when it is imported: ${messageOf(error)}`, {
      hint: 'Importing a job has no effects: move what fails into its steps.',
      ...(at === undefined ? {} : { place: { at } }),
      cause: error,
    })
  }
}

function mergeSettings(written: JobSettings, options: PlanOptions): JobSettings {
  return {
    ...written,
    checkpointing: { ...written.checkpointing, ...options.checkpointing },
    restart: options.restart ?? written.restart,
  }
}

async function readSecret(reference: SecretReference, files: Files): Promise<string> {
  if (reference.type === 'env') {
    const text = process.env[reference.name]
    if (text !== undefined) return text
    throw new StreamError(
      'SECRET_UNREADABLE',
      `the environment has no variable "${reference.name}"`,
      { hint: 'Set it for the process that runs the job.' },
    )
  }
  try {
    const bytes = await readNamedFile(files, reference.path)
    return new TextDecoder().decode(bytes).replace(/\r?\n$/, '')
  } catch (error) {
    throw new StreamError(
      'SECRET_UNREADABLE',
      `the file "${reference.path}" of a secret cannot be read`,
      { hint: 'Name a file that this process may read.', cause: error },
    )
  }
}
