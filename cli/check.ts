import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import type { RunFlags } from './run-options.ts'
import { exists, systemFiles } from '../engine/base/files.ts'
import { planJob } from './plan.ts'
import { configOf, runOptions } from './run-options.ts'

/**
 * `millrace check`: the project's own typescript over the job, then the plan. Exit code 1 when the
 * types do not hold; a mistake in the plan is thrown, with its own.
 */
export async function checkCommand(
  jobPath: string,
  flags: RunFlags & { readonly types: boolean },
): Promise<number> {
  const options = runOptions(jobPath, flags, await configOf(flags))
  const path = resolve(jobPath)
  // The plan first: a job that is not there, or does not build, has no types to speak of.
  const plan = await planJob(options)
  const steps = plan.graph.graph.nodes.length
  const vertices = plan.graph.vertices.length
  process.stdout.write(
    `plan: ${plan.job} has ${steps} steps in ${vertices} chain${vertices === 1 ? '' : 's'}, parallelism ${plan.parallelism}\n`,
  )

  if (!flags.types) return 0
  const compiler = findCompiler(path)
  if (compiler === undefined) {
    process.stdout.write('types: not checked, typescript is not installed beside the job\n')
    return 0
  }
  const exitCode = await runCompiler(compiler, path)
  process.stdout.write(exitCode === 0 ? 'types: hold\n' : 'types: do not hold, see above\n')
  return exitCode === 0 ? 0 : 1
}

/** The project's typescript, found from the job's folder as node would. */
function findCompiler(jobPath: string): string | undefined {
  try {
    return createRequire(jobPath).resolve('typescript/bin/tsc')
  } catch {
    return undefined
  }
}

/** Without a tsconfig: what a job needs, and strict. */
const OPTIONS_ALONE = [
  ...['--target', 'es2023', '--module', 'preserve', '--strict', '--skipLibCheck'],
  ...['--allowImportingTsExtensions', '--resolveJsonModule'],
]

async function runCompiler(compiler: string, jobPath: string): Promise<number> {
  const project = await findProject(dirname(jobPath))
  const what = project === undefined ? [...OPTIONS_ALONE, jobPath] : ['-p', project]
  const child = spawn(process.execPath, [compiler, '--noEmit', ...what], { stdio: 'inherit' })
  return new Promise((done, fail) => {
    child.on('error', fail)
    child.on('exit', (code) => done(code ?? 1))
  })
}

/** The nearest tsconfig.json above the job. */
async function findProject(folder: string): Promise<string | undefined> {
  for (let at = folder; ; at = dirname(at)) {
    const path = join(at, 'tsconfig.json')
    if (await exists(systemFiles, path)) return path
    if (dirname(at) === at) return undefined
  }
}
