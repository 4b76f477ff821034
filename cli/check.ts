import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import type { RunFlags } from './run-options.ts'
import { exists, readWholeFile, systemFiles } from '../engine/base/files.ts'
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
  const compiler = await findCompiler(path)
  if (compiler === undefined) {
    process.stdout.write('types: not checked, typescript is not installed beside the job\n')
    return 0
  }
  const { exitCode, output, project } = await runCompiler(compiler, path)
  const verdict = exitCode === 0 ? 'hold' : `do not hold, see above${whereWrong(output, path)}`
  process.stdout.write(`types: ${verdict}\n`)
  if (/TS2(307|591|580).*'(node:\w+|process|Buffer)'/.test(output)) {
    const where = project ?? 'tsconfig.json'
    process.stdout.write(
      `types: those of Node are not known: npm install --save-dev @types/node, and "types": ["node"] in ${where}\n`,
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
  return `: nothing is wrong in the job's own file, but in ${others.join(', ')}, which tsconfig.json includes or the job imports`
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
