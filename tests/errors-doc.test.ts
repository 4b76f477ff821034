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

function codeIn(folder: string): string {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => /(?<!\.test)\.ts$/.test(path) && !path.endsWith('base/errors.ts'))
    .map((path) => readFileSync(join(root, folder, path), 'utf8'))
    .join('\n')
}
