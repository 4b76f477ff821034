/**
 * The documents hold: every ```ts block compiles against the real types, every block that is a whole
 * job is planned, every `millrace …` and `npm run …` in a ```sh block is a call that exists, and every
 * link leads somewhere.
 *
 * D1. A block with an import stands by itself. One without gets the page's prelude before it, the
 *     comment `<!-- prelude … -->`, which readers do not see.
 * D2. A whole job has `export default defineJob`. What its plan needs (`--set …`) stands in the
 *     comment `<!-- plan … -->` in front of it.
 * D3. Blocks with input are run too, and their answers compared: `guide-blocks.test.ts`.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'
import { afterAll, describe, expect, test } from 'vitest'
import { mergeConfig, SETTINGS } from '../cli/config.ts'
import { program } from '../cli/program.ts'
import { Project, ROOT } from './millrace.ts'
import { blocksOf, pages } from './pages.ts'

const blocks = pages.flatMap(blocksOf)
const code = blocks.filter(({ language }) => language === 'ts')
const calls = blocks
  .filter(({ language }) => language === 'sh')
  .flatMap(({ page, line, text }) => callsOf(text).map((words) => ({ page, line, words })))

/** The commands of a shell block, as words; comments and what is piped on are left out. */
function callsOf(text: string): readonly (readonly string[])[] {
  return text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .flatMap((line) => line.replace(/(^|\s)#.*$/, '').split(/&&|;/))
    .map((call) => call.replace(/[|>].*$/, '').trim())
    .filter((call) => call !== '')
    .map((call) => call.split(/\s+/))
}

test('every block of TypeScript compiles', () => {
  expect(code.length).toBeGreaterThan(20)
  const nameOf = (index: number): string => join(ROOT, 'docs', `block-${index}.ts`)
  const texts = new Map(code.map(({ text }, index) => [nameOf(index), `${text}\nexport {}\n`]))
  const config = ts.getParsedCommandLineOfConfigFile(join(ROOT, 'tsconfig.json'), undefined, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
      throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n'))
    },
  })!
  const real = ts.createCompilerHost(config.options)
  const host: ts.CompilerHost = {
    ...real,
    fileExists: (name) => texts.has(name) || real.fileExists(name),
    readFile: (name) => texts.get(name) ?? real.readFile(name),
    getSourceFile(name, ...rest) {
      const text = texts.get(name)
      if (text === undefined) return real.getSourceFile(name, ...rest)
      return ts.createSourceFile(name, text, ts.ScriptTarget.ES2023)
    },
  }
  const compiled = ts.createProgram([...texts.keys()], config.options, host)
  const errors = code.flatMap(({ page, line, text }, index) => {
    const file = compiled.getSourceFile(nameOf(index))!
    const wrong = [
      ...compiled.getSyntacticDiagnostics(file),
      ...compiled.getSemanticDiagnostics(file),
    ]
    return wrong.map(({ start = 0, messageText }) => {
      const at = file.getLineAndCharacterOfPosition(start).line
      const message = ts.flattenDiagnosticMessageText(messageText, '\n')
      return `${page}, block at line ${line}: ${text.split('\n')[at] ?? ''}\n  ${message}`
    })
  })
  expect(errors).toEqual([])
})

describe('every whole job has a plan', () => {
  const project = new Project()
  afterAll(() => project.remove())
  const jobs = code.filter(({ text }) => text.includes('export default defineJob'))
  test('there are some', () => expect(jobs.length).toBeGreaterThanOrEqual(4))
  test.each(jobs)('$page, line $line', async ({ text, plan }) => {
    project.write('job.ts', text)
    const explained = await project.run(['explain', 'job.ts', ...plan])
    expect(explained.exitCode, explained.stderr).toBe(0)
  })
})

describe('every test that a page shows passes', () => {
  const project = new Project()
  afterAll(() => project.remove())
  const shown = code.filter(({ text }) => text.includes("from 'node:assert/strict'"))
  test('there is one', () => expect(shown).not.toEqual([]))
  test.each(shown)('$page, line $line', ({ text }) => {
    const target = ts.ScriptTarget.ES2022
    const script = ts.transpile(text, { target, module: ts.ModuleKind.ESNext })
    const path = project.write('shown.mjs', script)
    const run = spawnSync(process.execPath, [path], { cwd: project.folder, encoding: 'utf8' })
    expect(run.status, run.stdout + run.stderr).toBe(0)
  })
})

test('every call of the command line exists', async () => {
  const wrong: string[] = []
  let seen = 0
  for (const { page, line, words } of calls) {
    const at = words.indexOf('millrace')
    if (at < 0 || at > 1 || (at === 1 && words[0] !== 'npx')) continue
    seen += 1
    const root = program('0', () => undefined)
    silence(root)
    try {
      await root.parseAsync(words.slice(at + 1), { from: 'user' })
    } catch (error) {
      wrong.push(`${page}, block at line ${line}: ${words.join(' ')}\n  ${String(error)}`)
    }
  }
  expect(wrong).toEqual([])
  expect(seen).toBeGreaterThan(15)
})

/** No command does anything, nor do those below it. */
function silence(command: ReturnType<typeof program>): void {
  for (const below of command.commands) {
    if (below.commands.length === 0) below.action(() => undefined)
    below.configureOutput({ writeErr: () => undefined })
    silence(below)
  }
}

test('every configuration file that is shown is one, and every variable exists', () => {
  const files = blocks.filter(({ language }) => language === 'json')
  expect(files.length).toBeGreaterThan(0)
  for (const { page, text } of files) {
    const { settings } = mergeConfig({
      flags: {},
      set: [],
      environment: {},
      file: { path: page, text },
    })
    expect([...settings.values()].some(({ origin }) => origin === 'config file')).toBe(true)
  }
  const known = new Set<string>(Object.values(SETTINGS).map(({ env }) => env))
  const others = /^MILLRACE_(SET_\w+|TEST_KAFKA|CONFIG|SEED|CHAOS)?$/
  const unknown = pages.flatMap((page) =>
    [...readFileSync(join(ROOT, page), 'utf8').matchAll(/\bMILLRACE_\w*/g)]
      .map(([name]) => name)
      .filter((name) => !known.has(name) && !others.test(name))
      .map((name) => `${page}: ${name}`),
  )
  expect(unknown).toEqual([])
})

test('every npm script that is named exists', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    readonly scripts: Readonly<Record<string, string>>
  }
  const named = calls.flatMap(({ page, words: [tool, verb, name] }) => {
    if (tool !== 'npm') return []
    if (verb === 'run') return [{ page, name: name! }]
    return verb === 'start' || verb === 'test' ? [{ page, name: verb }] : []
  })
  expect(named.filter(({ name }) => !Object.hasOwn(scripts, name))).toEqual([])
})

test('every link leads to a file, and to a heading of it', () => {
  const slug = (heading: string): string =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-')
  const headings = (path: string): readonly string[] =>
    [...readFileSync(path, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading]) => slug(heading!))
  const broken = pages.flatMap((page) => {
    const text = readFileSync(join(ROOT, page), 'utf8').replaceAll(/^```[\s\S]*?^```$/gm, '')
    return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target]) => {
      if (/^https?:/.test(target!)) return []
      const [file, anchor] = target!.split('#')
      const path = file === '' ? join(ROOT, page) : join(ROOT, dirname(page), file!)
      if (!existsSync(path)) return [`${page}: ${target!}`]
      if (anchor === undefined || headings(path).includes(anchor)) return []
      return [`${page}: no heading ${target!} in ${relative(ROOT, path)}`]
    })
  })
  expect(broken).toEqual([])
})

test('every path of the project that is named exists', () => {
  const folders = 'engine|operators|connectors|cli|examples|bench|tests|docs'
  const named = new RegExp(`\`((?:${folders})/[\\w./-]*)\``, 'g')
  const missing = pages.flatMap((page) => {
    const text = readFileSync(join(ROOT, page), 'utf8')
    return [...text.matchAll(named)]
      .filter(([, path]) => !existsSync(join(ROOT, path!)))
      .map(([, path]) => `${page}: ${path!}`)
  })
  expect(missing).toEqual([])
})
