import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import type { ErrorCode, StreamError } from '../engine/base/errors.ts'
import type { RunOptions } from '../engine/job/protocol.ts'
import type { RunFlags } from './run-options.ts'
import { asStreamError } from '../engine/base/errors.ts'
import { exists, readWholeFile, systemFiles } from '../engine/base/files.ts'
import { checkReach } from '../engine/checkpoint/check-reach.ts'
import { workFolderOf } from '../engine/checkpoint/layout.ts'
import { jobFolders, refuseOwnInput } from '../engine/checkpoint/own-input.ts'
import { planJob } from './plan.ts'
import { configOf, runOptions } from './run-options.ts'

/**
 * `millrace check`: the plan, its inputs and outputs, and the types by the project's own typescript.
 * All mistakes are shown. Exit code 1 when the types do not hold; a mistake in the plan is thrown
 * in the end, with its own.
 */
export async function checkCommand(
  jobPath: string,
  flags: RunFlags & { readonly types: boolean },
): Promise<number> {
  const options = runOptions(jobPath, flags, await configOf(flags))
  const path = resolve(jobPath)
  const mistake = await checkPlan(options)
  // A job that is not there, or cannot be read, has no types to speak of.
  if (mistake !== undefined && HAS_NO_TYPES.has(mistake.code)) throw mistake
  const exitCode = flags.types ? await checkTypes(path) : 0
  if (mistake === undefined) return exitCode
  process.stdout.write('plan: errors, see below\n')
  throw mistake
}

const HAS_NO_TYPES: ReadonlySet<ErrorCode> = new Set([
  'JOB_NOT_FOUND',
  'JOB_BUNDLE_FAILED',
  'PARAMETER_MISSING',
  'PARAMETER_INVALID',
  'PARAMETER_UNKNOWN',
])

/** The first mistake of the plan, or of what it reads and writes. */
async function checkPlan(options: RunOptions): Promise<StreamError | undefined> {
  try {
    const { job, graph, parallelism } = await planJob(options)
    const doubts = await checkReach(graph, systemFiles)
    const workDir = workFolderOf(options, job)
    await refuseOwnInput(systemFiles, graph, await jobFolders(systemFiles, graph, workDir))
    const steps = graph.graph.nodes.length
    const vertices = graph.vertices.length
    const chains = `${vertices} chain${vertices === 1 ? '' : 's'}`
    process.stdout.write(
      `plan: ${job} has ${steps} steps in ${chains}, parallelism ${parallelism}\n`,
    )
    for (const doubt of doubts) process.stdout.write(`input: ${doubt}\n`)
    return undefined
  } catch (thrown) {
    return asStreamError(thrown)
  }
}

async function checkTypes(path: string): Promise<number> {
  const compiler = await findCompiler(path)
  if (compiler === undefined) {
    process.stdout.write('types: not checked, typescript is not installed beside the job\n')
    return 0
  }
  const { exitCode, output, project } = await runCompiler(compiler, path)
  const verdict = exitCode === 0 ? 'no errors' : `errors, see above${whereWrong(output, path)}`
  process.stdout.write(`types: ${verdict}\n`)
  if (/TS2(307|591|580).*'(node:\w+|process|Buffer)'/.test(output)) {
    const where = project ?? 'tsconfig.json'
    process.stdout.write(
      `types: the types of Node are missing: run npm install --save-dev @types/node, and set "types": ["node"] in ${where}\n`,
    )
  }
  return exitCode === 0 ? 0 : 1
}

/** A project is checked whole: its mistakes need not be those of the job. */
function whereWrong(output: string, jobPath: string): string {
  const named = [
    ...output.matchAll(/^(?:\u001b\[\d+m)*([^\s(:][^(:\u001b]*?)(?:\u001b\[\d+m)*[(:]/gm),
  ]
  const files = new Set(
    named.map(([, name]) => name!).filter((name) => /\.[cm]?[jt]sx?$/.test(name)),
  )
  const others = [...files].filter((name) => resolve(name) !== jobPath)
  if (files.size === 0 || others.length < files.size) return ''
  return `: not in the job's own file, but in ${others.join(', ')}, which tsconfig.json includes or the job imports`
}

/**
 * The project's typescript, found from the job's folder as node would: since version 7 its package
 * lets nobody import `bin/tsc`, but names it as every version does.
 */
async function findCompiler(jobPath: string): Promise<string | undefined> {
  const { resolve: find } = createRequire(jobPath)
  try {
    const path = find('typescript/package.json')
    const text = new TextDecoder().decode(await readWholeFile(systemFiles, path))
    const { bin } = JSON.parse(text) as { readonly bin?: { readonly tsc?: string } }
    return join(dirname(path), bin?.tsc ?? 'bin/tsc')
  } catch {
    return undefined
  }
}

/** Without a tsconfig: what a job needs, and strict. */
const OPTIONS_ALONE = [
  ...['--target', 'es2023', '--module', 'preserve', '--strict', '--skipLibCheck'],
  ...['--allowImportingTsExtensions', '--resolveJsonModule'],
]

interface Compiled {
  readonly exitCode: number
  /** What it said, which has been shown already. */
  readonly output: string
  readonly project: string | undefined
}

async function runCompiler(compiler: string, jobPath: string): Promise<Compiled> {
  const project = await findProject(dirname(jobPath))
  const plain = /\.[cm]?js$/.test(jobPath) ? ['--allowJs'] : []
  const what = project === undefined ? [...OPTIONS_ALONE, ...plain, jobPath] : ['-p', project]
  const pretty = process.stdout.isTTY ? ['--pretty'] : []
  const child = spawn(process.execPath, [compiler, '--noEmit', ...pretty, ...what], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    process.stdout.write(text)
  })
  return new Promise((done, fail) => {
    child.on('error', fail)
    child.on('close', (code) => {
      done({ exitCode: code ?? 1, output, project })
    })
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
