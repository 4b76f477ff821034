import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

/**
 * What docs/style.md says and a machine can check. Every message names the place and what to write
 * instead. Exceptions stand in the tables below with their reason; a line there that is no longer
 * needed fails too, so the tables only get shorter.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Engine folders in the order of the house: each may import those to its left. */
const ENGINE = [
  ...['base', 'faults', 'stream', 'state', 'time', 'operator', 'graph', 'channel', 'checkpoint'],
  ...['task', 'worker', 'job', 'simulation', 'chaos', 'testing'],
]

const FILE_LINES_MAX = 400
const LINE_COLUMNS_MAX = 100

/** Longer files, each with its bound and its reason. */
const LONG_FILES: Readonly<Record<string, { readonly lines: number; readonly why: string }>> = {}

/** Who alone may import a package or a part of node, and what others use instead. */
const DOORS: readonly Door[] = [
  door(
    /^classic-level$|^level$/,
    /^engine\/(state\/level-|checkpoint\/owner)[\w-]*\.ts$/,
    'engine/state/level-*.ts',
  ),
  door(
    /^kafkajs($|\/)/,
    /^connectors\/kafka\/kafka-client\.ts$/,
    'connectors/kafka/kafka-client.ts',
  ),
  door(
    /^(parquet-wasm|apache-arrow)($|\/)/,
    /^connectors\/parquet\/parquet-file\.ts$/,
    'connectors/parquet/parquet-file.ts',
  ),
  door(/^hyparquet($|\/)/, /^connectors\/parquet\/parquet-rows\.ts$/, 'parquetRows'),
  door(
    /^pino($|\/)/,
    /^engine\/base\/pino-logger\.ts$/,
    'pinoLogger of engine/base/pino-logger.ts',
  ),
  door(/^esbuild$/, /^engine\/job\/bundle\.ts$/, 'bundleJob of engine/job/bundle.ts'),
  door(/^commander$/, /^cli\//, 'cli/'),
  door(/^node:worker_threads$/, /^engine\/worker\//, 'engine/worker/'),
  door(
    /^(node:)?fs(\/promises)?$/,
    /^engine\/base\/(files|journal)\.ts$/,
    'the Files door (engine/base/files.ts)',
  ),
  door(
    /^(node:)?child_process$/,
    /^(engine\/job\/supervisor|engine\/checkpoint\/processes|cli\/[\w/-]+)\.ts$/,
    'Supervisor of engine/job/supervisor.ts',
  ),
  door(
    /^(node:)?timers(\/promises)?$/,
    /^engine\/base\/clock\.ts$/,
    'the Clock door (engine/base/clock.ts)',
  ),
  door(
    /^(node:)?stream(\/.+)?$/,
    /^connectors\/(parquet\/parquet-file|files\/gunzip)\.ts$/,
    'Files handles, read and written in pieces',
  ),
]

/** Words that bring the world in past its door. */
const BANNED: readonly Banned[] = [
  banned(
    /\b(setTimeout|setInterval|setImmediate)\s*\(/,
    /^engine\/base\/clock\.ts$/,
    'clock.timer, clock.sleep or clock.immediate of the Clock door',
  ),
  banned(
    /\bDate\.now\s*\(|\bnew Date\(\)|\bperformance\.now\s*\(/,
    /^engine\/base\/clock\.ts$/,
    'clock.nowMs or clock.monotonicMs of the Clock door',
  ),
  banned(
    /\bMath\.random\s*\(/,
    /^engine\/base\/random\.ts$/,
    'the Random door (engine/base/random.ts)',
  ),
  banned(
    /\bcrypto\.(randomUUID|randomBytes)|\brandom(UUID|Bytes|Int)\s*\(/,
    /^engine\/base\/random\.ts$/,
    'random.hex of the Random door',
  ),
]

/** Holds everywhere, tests too. */
const BANNED_EVERYWHERE: readonly Banned[] = [
  banned(/:\s*any\b|\bas any\b|<any>|\bany\[\]/, /^$/, 'unknown, narrowed at once'),
  banned(/\b(TODO|FIXME|XXX)\b/, /^$/, 'an issue, or the finished thing'),
  banned(
    /\/work\/(main|shared)|\/farm\/|\/home\/\w|\/Users\/\w/,
    /^$/,
    'a path relative to the project or a temporary folder',
  ),
  banned(/@ts-(ignore|nocheck)/, /^$/, 'a type that holds, or @ts-expect-error with its reason'),
  banned(/\benum\s+[A-Z]\w*\s*\{/, /^$/, 'a union of literals, or a table `as const`'),
]

/** Exceptions to the rules above: file and rule's wanted replacement, with the reason. */
const EXCEPTIONS: readonly Exception[] = [
  {
    path: 'cli/printing-job.ts',
    found: 'imports ../connectors/print/print-sink.ts',
    why: 'millrace dev puts the print sink in the place of every other',
  },
  {
    path: 'cli/printing-job.ts',
    found: 'imports ../engine/operator/sink.ts',
    why: 'the same',
  },
]

interface Door {
  readonly specifier: RegExp
  readonly allowed: RegExp
  readonly instead: string
}
interface Banned {
  readonly pattern: RegExp
  readonly allowed: RegExp
  readonly instead: string
}
interface Exception {
  readonly path: string
  readonly found: string
  readonly why: string
}
interface Source {
  /** Relative to the project, with `/`. */
  readonly path: string
  readonly text: string
  /** The text without comments and with strings emptied, line for line. */
  readonly code: string
}

function door(specifier: RegExp, allowed: RegExp, instead: string): Door {
  return { specifier, allowed, instead }
}
function banned(pattern: RegExp, allowed: RegExp, instead: string): Banned {
  return { pattern, allowed, instead }
}

/** This file spells out what it forbids. */
const SELF = 'tests/tidy.test.ts'

const FOLDERS = ['engine', 'operators', 'connectors', 'cli', 'examples', 'bench', 'tests']
const sources = FOLDERS.flatMap((folder) => sourcesIn(join(ROOT, folder)))
const product = sources.filter((source) => isProduct(source.path))
const usedExceptions = new Set<Exception>()

test('there is something to check', () => {
  expect(sources.length).toBeGreaterThan(30)
})

test('imports go the way the house allows', () => {
  const found = sources.flatMap((source) =>
    importsOf(source).flatMap((specifier) => {
      const wrong = wrongImport(source, specifier)
      return wrong === undefined ? [] : [`${source.path} imports ${specifier}: ${wrong}`]
    }),
  )
  expect(excused(found)).toEqual([])
})

test('each part of the outside world comes in by one door', () => {
  const found = product.flatMap((source) =>
    importsOf(source).flatMap((specifier) =>
      DOORS.filter((one) => one.specifier.test(specifier) && !one.allowed.test(source.path)).map(
        (one) => `${source.path} imports ${specifier}: use ${one.instead}`,
      ),
    ),
  )
  expect(excused(found)).toEqual([])
})

test('time and chance come in by their doors', () => {
  expect(excused(product.flatMap((source) => bannedIn(source, BANNED)))).toEqual([])
})

test('what no file may hold', () => {
  const others = sources.filter((source) => source.path !== SELF)
  expect(excused(others.flatMap((source) => bannedIn(source, BANNED_EVERYWHERE)))).toEqual([])
})

test('only jobs and configurations have a default export', () => {
  const allowed = /^(examples|bench)\/|^tests\/(?!.*\.test\.ts$)|\.config\.ts$/
  const found = sources
    .filter((source) => /^export default\b/m.test(source.code) && !allowed.test(source.path))
    .map((source) => `${source.path} has a default export: export it by its name`)
  expect(excused(found)).toEqual([])
})

test('files and lines are short enough to read', () => {
  const found = sources.flatMap((source) => {
    const lines = source.text.trimEnd().split('\n')
    const plain = withoutTemplates(source.text).split('\n')
    const allowed = LONG_FILES[source.path]?.lines ?? FILE_LINES_MAX
    const wide = lines.flatMap((line, index) =>
      line.length > LINE_COLUMNS_MAX && plain[index] === line && !isUnbreakable(line)
        ? [
            `${source.path}:${index + 1} has ${line.length} columns: break it at ${LINE_COLUMNS_MAX}`,
          ]
        : [],
    )
    if (lines.length > allowed) {
      wide.push(
        `${source.path} has ${lines.length} lines: split it, a file an idea, below ${allowed}`,
      )
    }
    return wide
  })
  expect(excused(found)).toEqual([])
})

test('no exception outlives its need', () => {
  const paths = new Map(
    sources.map((source) => [source.path, source.text.trimEnd().split('\n').length]),
  )
  const stale = Object.entries(LONG_FILES).flatMap(([path, { lines }]) => {
    const now = paths.get(path) ?? 0
    if (now <= FILE_LINES_MAX) return [`${path} has ${now} lines: take it off LONG_FILES`]
    return now < lines - 30 ? [`${path} has ${now} lines: lower its ${lines} in LONG_FILES`] : []
  })
  for (const exception of EXCEPTIONS) {
    if (!usedExceptions.has(exception)) {
      stale.push(`${exception.path} (${exception.found}): take it off EXCEPTIONS`)
    }
  }
  expect(stale).toEqual([])
})

test('file names are kebab-case', () => {
  const found = sources
    .filter((source) => !/^[a-z0-9]+([.-][a-z0-9]+)*\.ts$/.test(posix.basename(source.path)))
    .map((source) => `${source.path}: name it in kebab-case`)
  expect(excused(found)).toEqual([])
})

/** Takes out what a table excuses, and notes that the excuse was needed. */
function excused(found: readonly string[]): readonly string[] {
  return found.filter((message) => {
    const excuse = EXCEPTIONS.find(
      (one) => message.startsWith(one.path) && message.includes(one.found),
    )
    if (excuse !== undefined) usedExceptions.add(excuse)
    return excuse === undefined
  })
}

function isProduct(path: string): boolean {
  return /^(engine|operators|connectors|cli)\//.test(path) && !isTest(path)
}

function isTest(path: string): boolean {
  return /\.test\.ts$/.test(path) || /(^|\/)(testing|simulation)(\.ts|\/)/.test(path)
}

/** Undefined when `path` may import `specifier`, otherwise what to do instead. */
function wrongImport(source: Source, specifier: string): string | undefined {
  const path = source.path
  if (!specifier.startsWith('.')) {
    if (!/^millrace($|\/)/.test(specifier)) return undefined
    return /^(examples|tests|bench)\//.test(path)
      ? undefined
      : 'inside the package, import the file by its relative path'
  }
  const target = relative(ROOT, resolve(ROOT, dirname(path), specifier))
    .split(sep)
    .join('/')
  if (/\.test\.ts$/.test(target)) return 'a test is imported by nothing: move what is shared'
  if (!/\.(ts|json|mjs)$/.test(target)) return 'write the file with its extension, .ts'
  const from = path.split('/')[0]!
  const to = target.split('/')[0]!
  if (['tests', 'bench'].includes(from)) return undefined
  if (
    /\.test\.ts$/.test(path) &&
    (/^engine\/(testing|simulation|chaos)\//.test(target) || from !== 'engine')
  ) {
    return undefined
  }
  switch (from) {
    case 'engine':
      return isTypeImport(source, specifier) ? undefined : wrongEngineImport(path, target)
    case 'operators':
      if (to === 'operators') return undefined
      return to === 'engine' && !/^engine\/(worker|job)\//.test(target)
        ? undefined
        : 'operators import engine/, but neither its worker nor its job folder'
    case 'connectors':
      return to === 'connectors' || target === 'engine/index.ts'
        ? undefined
        : 'connectors import engine/index.ts only: re-export there what they need'
    case 'cli':
      return to === 'cli' ||
        /^engine\/(index\.ts|base\/|faults\/|graph\/|checkpoint\/|job\/|chaos\/)/.test(target)
        ? undefined
        : 'the command line imports engine/base, faults, graph, checkpoint, job and chaos'
    case 'examples':
      return to === 'examples' ? undefined : `examples import 'millrace' and 'millrace/connectors'`
    default:
      return undefined
  }
}

/** A contract may name a type of a folder to its right; such an import leaves nothing behind. */
function isTypeImport(source: Source, specifier: string): boolean {
  const path = specifier.replaceAll('.', '\\.')
  return !new RegExp(`^\\s*(?:import|export) (?!type )[^'\`;]*?from '${path}'`, 'm').test(
    source.text,
  )
}

function wrongEngineImport(path: string, target: string): string | undefined {
  if (!target.startsWith('engine/')) return 'the engine imports nothing but the engine'
  const from = ENGINE.indexOf(path.split('/')[1]!)
  const to = ENGINE.indexOf(target.split('/')[1]!)
  if (from === -1 || to <= from) return undefined
  return `engine folders import those to their left only: ${ENGINE.join(' ← ')}`
}

function importsOf(source: Source): readonly string[] {
  const patterns = [
    /^\s*(?:import|export)\s[^'"`;]*?from\s+'([^']+)'/gm,
    /^\s*import\s+'([^']+)'/gm,
    /\bimport\(\s*'([^']+)'/g,
  ]
  const text = withoutTemplates(withoutComments(source.text))
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1]!))
}

function bannedIn(source: Source, rules: readonly Banned[]): readonly string[] {
  return rules.flatMap((rule) => {
    if (rule.allowed.test(source.path)) return []
    // Paths and unfinished work are looked for in comments and strings too.
    const text =
      rule.pattern.source.includes('farm') || rule.pattern.source.includes('FIXME')
        ? source.text
        : source.code
    return text.split('\n').flatMap((line, index) => {
      const match = rule.pattern.exec(line)
      return match === null
        ? []
        : [`${source.path}:${index + 1} has "${match[0].trim()}": use ${rule.instead}`]
    })
  })
}

/** A long address or text cannot be broken, nor a template, which the caller leaves out. */
function isUnbreakable(line: string): boolean {
  return /https?:\/\/|'[^']{60,}'|"[^"]{60,}"|\/[^/]{60,}\//.test(line)
}

function sourcesIn(folder: string): Source[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry): Source[] => {
    const full = join(folder, entry.name)
    if (entry.isDirectory()) {
      return ['node_modules', 'dist', 'out', '.millrace', 'libs'].includes(entry.name)
        ? []
        : sourcesIn(full)
    }
    if (!/^[^.].*\.ts$/.test(entry.name)) return []
    const text = readFileSync(full, 'utf8')
    return [{ path: relative(ROOT, full).split(sep).join('/'), text, code: codeOf(text) }]
  })
}

function withoutComments(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/(^|\s)\/\/.*$/gm, '$1')
}

/** Comments and the insides of strings blanked; good enough for words, and keeps line numbers. */
function codeOf(text: string): string {
  return withoutTemplates(withoutComments(text))
    .replace(/'(?:[^'\\\n]|\\.)*'/g, `''`)
    .replace(/"(?:[^"\\\n]|\\.)*"/g, '""')
}

/** Templates blanked but for what they put in. */
function withoutTemplates(text: string): string {
  return text.replace(/`(?:[^`\\]|\\.)*`/g, (literal) =>
    literal.replace(/\$\{([^}]*)\}|[^\n`]/g, (_, inner: string | undefined) => inner ?? ' '),
  )
}
