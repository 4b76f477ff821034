import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { isAbsolute, join, normalize, resolve } from 'node:path'
import type { FaultSchedule } from '../../engine/faults/schedule.ts'
import { StreamError } from '../../engine/base/errors.ts'
import { makeDirectories, systemFiles, writeWholeFile } from '../../engine/base/files.ts'
import { systemRandom } from '../../engine/base/random.ts'
import { listOrNone } from '../../engine/checkpoint/folders.ts'
import { makeBundleFolder } from '../../engine/job/bundle-folder.ts'
import { planJob } from '../plan.ts'
import { configOf, runOptions } from '../run-options.ts'

export interface SandboxOptions {
  /** Parameters of the job. */
  readonly set?: Readonly<Record<string, string>>
  /** Where the job's relative paths begin. Default: the current directory. */
  readonly cwd?: string
  /** What `outputsOf` has found; asked for when left out. */
  readonly outputs?: readonly string[]
}

/**
 * A folder for one run, in place of the job's current directory.
 *
 * X1. What lies in that directory is linked into it, so that relative inputs are found: but for
 *     names that begin with a dot, installed packages, and what sinks write to, which is new.
 * X2. The job itself is bundled from its own place. An input above its directory (`../data`) is
 *     not found: give an absolute path.
 * X3. It is removed by `removeSandbox` alone, which goes through no link.
 */
export interface Sandbox {
  readonly folder: string
  /** The current directory of the run. */
  readonly cwd: string
  readonly journals: string
  readonly schedulePath: string
  readonly jobPath: string
  /** Folders of its sinks, below `cwd`. */
  readonly outputs: readonly string[]
}

const PREFIX = 'millrace-chaos-'

export async function makeSandbox(
  jobPath: string,
  schedule: FaultSchedule,
  options: SandboxOptions,
): Promise<Sandbox> {
  const from = resolve(options.cwd ?? '.')
  const outputs = options.outputs ?? (await outputsOf(jobPath, options))
  const folder = join(tmpdir(), `${PREFIX}${systemRandom.hex(8)}`)
  const cwd = join(folder, 'run')
  const journals = join(folder, 'journals')
  const schedulePath = join(folder, 'schedule.json')
  await makeDirectories(systemFiles, cwd)
  await makeDirectories(systemFiles, journals)
  await linkAll(from, cwd, '', outputs)
  await writeWholeFile(systemFiles, schedulePath, `${JSON.stringify(schedule)}\n`)
  return { folder, cwd, journals, schedulePath, jobPath: resolve(from, jobPath), outputs }
}

/** X3: `rm` removes links, and nothing that they name. */
export function removeSandbox({ folder }: Sandbox): void {
  if (folder.startsWith(join(tmpdir(), PREFIX))) execFileSync('rm', ['-rf', '--', folder])
}

/**
 * The folders that the job's sinks write to, relative to its current directory. Throws CHAOS_UNFIT
 * for one elsewhere: a run that is broken on purpose must not touch real output.
 */
export async function outputsOf(
  jobPath: string,
  options: SandboxOptions,
): Promise<readonly string[]> {
  const flags = { set: Object.entries(options.set ?? {}).map(([name, text]) => `${name}=${text}`) }
  const given = runOptions(resolve(options.cwd ?? '.', jobPath), flags, await configOf(flags))
  const doors = { files: systemFiles, random: systemRandom }
  const bundleDir = await makeBundleFolder(doors, given.workRoot)
  const { graph } = await planJob({ ...given, bundleDir })
  const outputs: string[] = []
  for (const { uid, name, runtime } of graph.vertices.flatMap(({ chain }) => chain)) {
    if (runtime.type !== 'sink') continue
    const directory = directoryOf(runtime.sink.parameters)
    if (directory !== undefined) outputs.push(relativeOutput(directory, uid ?? name))
  }
  return outputs
}

/** The path as the sandbox has it. Throws CHAOS_UNFIT where it leads out. */
export function relativeOutput(directory: string, sink: string): string {
  const path = normalize(directory).replace(/\/+$/, '')
  if (!isAbsolute(path) && path !== '.' && !path.startsWith('..')) return path
  throw new StreamError(
    'CHAOS_UNFIT',
    `sink "${sink}" writes to "${directory}", not below the current directory`,
    { hint: 'Give it a relative directory while it is broken on purpose, say by --set.' },
  )
}

function directoryOf(parameters: unknown): string | undefined {
  if (typeof parameters !== 'object' || parameters === null) return undefined
  const { directory } = parameters as { readonly directory?: unknown }
  return typeof directory === 'string' ? directory : undefined
}

/** X1. A folder that has an output below it is made anew, and gone into. */
async function linkAll(
  from: string,
  to: string,
  below: string,
  outputs: readonly string[],
): Promise<void> {
  const linked: string[] = []
  for (const name of await listOrNone(systemFiles, from)) {
    const path = join(below, name)
    if (name.startsWith('.') || name === 'node_modules') continue
    if (outputs.some((output) => path === output || path === `${output}.staging`)) continue
    if (outputs.some((output) => output.startsWith(`${path}/`))) {
      await systemFiles.mkdir(join(to, name))
      await linkAll(join(from, name), join(to, name), path, outputs)
    } else linked.push(join(from, name))
  }
  if (linked.length > 0) execFileSync('ln', ['-s', '--', ...linked, to])
}
