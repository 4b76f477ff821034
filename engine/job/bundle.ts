import type { Message, OnLoadResult, PluginBuild, StdinOptions } from 'esbuild'
import { createHash } from 'node:crypto'
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Files } from '../base/files.ts'
import type { BundleReference } from './protocol.ts'
import { StreamError } from '../base/errors.ts'
import {
  errnoOf,
  exists,
  makeDirectories,
  readWholeFile,
  systemFiles,
  writeWholeFile,
} from '../base/files.ts'

/**
 * Makes one ESM file of a job script, so that the main thread and every worker run the same code.
 *
 * B1. Local files and JSON are in the bundle; packages are not. A package is resolved from the file
 *     that imports it and stands there as an absolute URL, so the bundle runs from anywhere.
 * B2. `millrace` is always the running package, so that a job and its engine share their classes.
 * B3. `import.meta.url` and its kin, `__dirname` and `__filename` stay those of the source file.
 * B4. The hash covers the code and, by name and version, the packages; not where things lie.
 *
 * esbuild is loaded when it is needed and its helper process is stopped before this returns.
 */
export async function bundleJob(
  jobPath: string,
  into: string,
  options: BundleOptions = {},
): Promise<BundleReference> {
  const files = options.files ?? systemFiles
  const path = resolve(jobPath)
  await requireScript(path, files)
  const esbuild = await import('esbuild')
  const packages = new PackageResolver(files)
  const outfile = join(into, 'job.mjs')

  try {
    const result = await esbuild.build({
      ...(options.dev === true
        ? { stdin: await packages.devEntry(path) }
        : { entryPoints: [path] }),
      outfile,
      absWorkingDir: dirname(path),
      bundle: true,
      write: false,
      metafile: true,
      format: 'esm',
      platform: 'node',
      target: `node${process.versions.node.split('.')[0] ?? '20'}`,
      // As node resolves: without the conditions and fields that only bundlers know.
      conditions: [],
      mainFields: ['main'],
      sourcemap: 'inline',
      charset: 'utf8',
      logLevel: 'silent',
      plugins: [{ name: 'millrace', setup: (build) => setUp(build, packages, files) }],
    })
    const code = packages.withRequire(result.outputFiles[0]?.text ?? '', path)
    await makeDirectories(files, into)
    await writeWholeFile(files, outfile, code)
    const inputs = localInputs(Object.keys(result.metafile.inputs), dirname(path))
    return { path: outfile, hash: packages.hashOf(code), inputs }
  } catch (error) {
    if (error instanceof StreamError) throw error
    throw bundleError(error, path)
  } finally {
    await esbuild.stop()
  }
}

export interface BundleOptions {
  /** `millrace dev`: every sink of the job prints instead. */
  readonly dev?: boolean
  readonly files?: Files
}

/** The user's own files in the bundle, as absolute paths. */
function localInputs(inputs: readonly string[], folder: string): readonly string[] {
  return inputs
    .filter((input) => !/^[\w-]+:|^<|^millrace-/.test(input))
    .map((input) => resolve(folder, input))
}

const SCRIPTS = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs']

async function requireScript(path: string, files: Files): Promise<void> {
  if (!(await exists(files, path)) || !(await files.stat(path)).isFile) {
    throw new StreamError('JOB_NOT_FOUND', `there is no job script at "${path}"`, {
      hint: 'Name the file that exports the job; paths are relative to the current directory.',
    })
  }
  if (!SCRIPTS.includes(extname(path))) {
    throw new StreamError('JOB_NOT_FOUND', `"${path}" is no script`, {
      hint: `A job is a module: a file ending in ${SCRIPTS.join(', ')}.`,
    })
  }
}

function setUp(build: PluginBuild, packages: PackageResolver, files: Files): void {
  build.onResolve({ filter: /^[^./]/ }, async (found) => {
    if (found.pluginData === RESOLVING || found.kind === 'entry-point') return undefined
    if (found.path.startsWith('file:')) return { path: found.path, external: true }
    const required = found.kind === 'require-call'
    if (isBuiltin(found.path)) {
      return required
        ? { path: found.path, namespace: REQUIRED }
        : { path: found.path, external: true }
    }

    const own = await packages.ownEntry(found.path)
    if (own !== undefined) {
      const address = packages.address(own)
      return required ? { path: address, namespace: OWN } : { path: address, external: true }
    }

    const { kind, importer, resolveDir } = found
    const options = { kind, importer, resolveDir, pluginData: RESOLVING }
    const target = await build.resolve(found.path, options)
    if (target.errors.length > 0)
      return { errors: target.errors.map((error) => ({ ...error, notes: [] })) }
    // A path alias or a linked workspace folder: local files by another name.
    if (!target.path.includes(`${sep}node_modules${sep}`)) return { path: target.path }

    await packages.note(target.path)
    return required
      ? { path: target.path, namespace: REQUIRED }
      : { path: packages.address(target.path), external: true }
  })

  // A `require` of a package, in a local CommonJS file: node's own require, from an ESM bundle.
  build.onLoad({ filter: /./, namespace: REQUIRED }, (found) => ({
    contents: isBuiltin(found.path)
      ? `module.exports = process.getBuiltinModule(${JSON.stringify(found.path)})`
      : `const path = ${JSON.stringify(found.path)}
         module.exports = process.getBuiltinModule('node:module').createRequire(path)(path)`,
    loader: 'js',
  }))

  // A `require` of millrace itself: an import all the same, so that all share its classes (B2).
  build.onLoad({ filter: /./, namespace: OWN }, (found) => ({
    contents: `export * from ${JSON.stringify(found.path)}`,
    loader: 'js',
  }))

  build.onLoad({ filter: /\.[cm]?[jt]sx?$/, namespace: 'file' }, (found) =>
    loadWithOwnUrl(build, found.path, files),
  )
}

const RESOLVING = Symbol('resolving')
const REQUIRED = 'millrace-require'
const OWN = 'millrace-own'

function isBuiltin(specifier: string): boolean {
  return (
    specifier.startsWith('node:') || process.getBuiltinModule(`node:${specifier}`) !== undefined
  )
}

/** Puts a file's own address where it asks for `import.meta.url` or `__dirname` (B3). */
async function loadWithOwnUrl(
  build: PluginBuild,
  path: string,
  files: Files,
): Promise<OnLoadResult | undefined> {
  const text = new TextDecoder().decode(await readWholeFile(files, path))
  if (!/import\.meta|__dirname|__filename/.test(text)) return undefined
  const extension = extname(path).replace(/^\.[cm]/, '.')
  try {
    const { code } = await build.esbuild.transform(text, {
      loader: extension === '.ts' ? 'ts' : extension === '.tsx' ? 'tsx' : 'jsx',
      sourcefile: path,
      sourcemap: 'inline',
      target: 'esnext',
      define: {
        'import.meta.url': JSON.stringify(pathToFileURL(path).href),
        'import.meta.filename': JSON.stringify(path),
        'import.meta.dirname': JSON.stringify(dirname(path)),
        // Only where the file does not declare them itself.
        __filename: JSON.stringify(path),
        __dirname: JSON.stringify(dirname(path)),
      },
    })
    return { contents: code, loader: 'js' }
  } catch (error) {
    return { errors: messagesOf(error) }
  }
}

/** Knows where packages lie, and how to name one without saying where. */
class PackageResolver {
  readonly #files: Files
  /** Address in the code → `name@version/path`. */
  readonly #names = new Map<string, string>()
  #root: Promise<OwnPackage> | undefined

  constructor(files: Files) {
    this.#files = files
  }

  address(path: string): string {
    return pathToFileURL(path).href
  }

  /** The file behind `millrace` or one of its parts, and undefined for any other package (B2). */
  async ownEntry(specifier: string): Promise<string | undefined> {
    if (specifier !== 'millrace' && !specifier.startsWith('millrace/')) return undefined
    const own = await this.#ownPackage()
    const entry = own.exports[`.${specifier.slice('millrace'.length)}`]
    const file = typeof entry === 'string' ? entry : entry?.default
    if (file === undefined) {
      throw new StreamError(
        'JOB_BUNDLE_FAILED',
        `the package millrace has no part "${specifier}"`,
        {
          hint: `It has ${Object.keys(own.exports)
            .map((name) => `"millrace${name.slice(1)}"`)
            .join(', ')}.`,
        },
      )
    }
    const path = join(own.root, file)
    this.#names.set(this.address(path), `millrace@${own.version}/${file}`)
    return path
  }

  /** A module that stands before the job and gives its sinks other ends. */
  async devEntry(path: string): Promise<StdinOptions> {
    const own = await this.#ownPackage()
    const wrapper = this.address(join(own.root, 'dist', 'cli', 'printing-job.js'))
    return {
      contents: [
        `import job from ${JSON.stringify(`./${basename(path)}`)}`,
        `import { printingJob } from ${JSON.stringify(wrapper)}`,
        `export default printingJob(job)`,
      ].join('\n'),
      resolveDir: dirname(path),
      sourcefile: 'millrace-dev.js',
      loader: 'js',
    }
  }

  /**
   * Gives the bundle a `require` where a CommonJS file calls one that is known at run time only, or
   * `require.resolve`: that of the job's file. It stands on the first line, as lines count.
   */
  withRequire(code: string, path: string): string {
    if (!code.includes('__require')) return code
    const address = this.address(path)
    this.#names.set(address, 'job')
    return `import { createRequire as requireFrom } from "node:module"; const require = requireFrom(${JSON.stringify(address)}); ${code}`
  }

  #ownPackage(): Promise<OwnPackage> {
    return (this.#root ??= findOwnPackage(this.#files))
  }

  /** Remembers name and version of the package that `path` lies in. */
  async note(path: string): Promise<void> {
    const root = packageRoot(path)
    let version = '?'
    try {
      version = readPackage(await readWholeFile(this.#files, join(root, 'package.json'))).version
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
    }
    const name = root.slice(root.lastIndexOf(`node_modules${sep}`) + 'node_modules/'.length)
    this.#names.set(this.address(path), `${name}@${version}/${relative(root, path)}`)
    this.#names.set(path, `${name}@${version}/${relative(root, path)}`)
  }

  /** B4. The source map says where files lie, so it is left out. */
  hashOf(code: string): string {
    let text = code.replace(/\n\/\/# sourceMappingURL=[^\n]*\s*$/, '')
    for (const [address, name] of this.#names) text = text.replaceAll(JSON.stringify(address), name)
    return createHash('sha256').update(text).digest('hex')
  }
}

/** `…/node_modules/name` or `…/node_modules/@scope/name`, for a file below it. */
function packageRoot(path: string): string {
  const mark = `${sep}node_modules${sep}`
  const start = path.lastIndexOf(mark) + mark.length
  const parts = path.slice(start).split(sep)
  const depth = parts[0]!.startsWith('@') ? 2 : 1
  return path.slice(0, start) + parts.slice(0, depth).join(sep)
}

interface OwnPackage {
  readonly root: string
  readonly version: string
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>
}

/** The package that this file belongs to, built or as source. */
async function findOwnPackage(files: Files): Promise<OwnPackage> {
  let root = dirname(fileURLToPath(import.meta.url))
  for (;;) {
    const path = join(root, 'package.json')
    if (await exists(files, path)) {
      const found = readPackage(await readWholeFile(files, path))
      if (found.name === 'millrace') return { root, ...found }
    }
    const parent = dirname(root)
    if (parent === root) throw new StreamError('BUG', 'the package millrace does not find itself')
    root = parent
  }
}

function readPackage(bytes: Uint8Array): Omit<OwnPackage, 'root'> & { readonly name: string } {
  const data = JSON.parse(new TextDecoder().decode(bytes)) as Partial<OwnPackage & { name: string }>
  return { name: data.name ?? '', version: data.version ?? '?', exports: data.exports ?? {} }
}

function messagesOf(error: unknown): Message[] {
  if (error instanceof Error && 'errors' in error && Array.isArray(error.errors)) {
    return error.errors as Message[]
  }
  throw error
}

const MESSAGES_MAX = 5

/** What esbuild found, a line each with its place, as the user's own files have it. */
function bundleError(error: unknown, path: string): StreamError {
  const messages = messagesOf(error)
  const lines = messages.slice(0, MESSAGES_MAX).map((message) => {
    const cause: unknown = message.detail
    if (cause instanceof StreamError) return cause.message
    const at = message.location
    return at === null
      ? message.text
      : `${resolve(dirname(path), at.file)}:${at.line}:${at.column + 1}: ${message.text}`
  })
  const rest = messages.length - lines.length
  if (rest > 0) lines.push(`and ${rest} more`)
  const unresolved = messages.some((message) => message.text.startsWith('Could not resolve'))
  return new StreamError('JOB_BUNDLE_FAILED', `the job does not build: ${lines.join('\n  ')}`, {
    hint: unresolved
      ? 'Install the package beside the job, or correct the path.'
      : 'Correct the lines named above.',
  })
}
