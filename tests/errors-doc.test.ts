import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ERRORS } from '../engine/base/errors.ts'

/** `docs/errors.md` and the table of codes say the same, and no code is there for nothing. */
const root = join(import.meta.dirname, '..')
const page = readFileSync(join(root, 'docs/errors.md'), 'utf8')
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((section): [string, string] => {
      const [title, ...rest] = section.split('\n')
      return [title!.trim(), rest.join('\n').split(/^# /m)[0]!.trim()]
    }),
)

test('every code has its heading, and every heading its code', () => {
  expect([...sections.keys()].sort()).toEqual(Object.keys(ERRORS).sort())
})

test.each(Object.entries(ERRORS))('%s is told with its exit code and what to do', (code, row) => {
  const text = sections.get(code) ?? ''
  expect(text).toMatch(new RegExp(`^Exit code ${row.exit}\\. `))
  expect(text.length).toBeGreaterThan(60)
})

test('every code is thrown somewhere', () => {
  const text = ['engine', 'operators', 'connectors', 'cli'].map((folder) => codeIn(folder)).join()
  const unused = Object.keys(ERRORS).filter((code) => !text.includes(`'${code}'`))
  expect(unused).toEqual([])
})

/** The test that does what an error advises, for each flag that one names. */
const FOLLOWED: Readonly<Record<string, string>> = {
  '--against': 'cli/explain-against.test.ts',
  '--budget': 'tests/cli/chaos-ends.test.ts',
  '--config': 'tests/cli/settings.test.ts',
  '--drain': 'tests/cli/savepoints.test.ts',
  '--drop-state': 'operators/changed-job.test.ts',
  '--fork': 'tests/cli/savepoints.test.ts',
  '--fresh': 'tests/cli/savepoints.test.ts',
  '--from': 'tests/cli/savepoints.test.ts',
  '--help': 'tests/cli.test.ts',
  '--job': 'tests/cli/chaos.test.ts',
  '--job-was': 'tests/cli/changed-job.test.ts',
  '--keep-state': 'operators/changed-job-fits.test.ts',
  '--rename-state': 'tests/cli/changed-job.test.ts',
  '--rename-uid': 'tests/cli/changed-job.test.ts',
  '--seed': 'tests/cli/chaos.test.ts',
  '--set': 'tests/cli/settings.test.ts',
  '--take-over': 'tests/cli/ownership.test.ts',
  '--work-dir': 'tests/cli/savepoints.test.ts',
}

test('every flag that this page or the hint of an error names is followed', () => {
  const lines = ['engine/checkpoint', 'engine/state', 'connectors']
    .flatMap((folder) => codeIn(folder).split('\n'))
    .filter((line) => !/^\s*(\*|\/)/.test(line))
  // What follows the word: a hint may be put together elsewhere, and long.
  const others = ['engine', 'operators', 'cli'].map((folder) => codeIn(folder)).join('\n')
  const hints = [...lines, ...(others.match(/\bhint\b[^]{0,260}/gi) ?? [])]
  const named = new Set([page, ...hints].join('\n').match(/(?<![\w-])--[a-z][a-z-]+/g))
  expect([...named].sort()).toEqual(Object.keys(FOLLOWED).sort())
  for (const [flag, path] of Object.entries(FOLLOWED)) {
    const option = flag.slice(2).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
    const text = readFileSync(join(root, path), 'utf8')
    expect(text, `${path} does not use ${flag}`).toMatch(new RegExp(`${flag}\\b|\\b${option}:`))
  }
})

function codeIn(folder: string): string {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => /(?<!\.test)\.ts$/.test(path) && !path.endsWith('base/errors.ts'))
    .map((path) => readFileSync(join(root, folder, path), 'utf8'))
    .join('\n')
}
