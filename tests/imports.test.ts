/** No file of the product imports itself by way of others, types included. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PRODUCT = ['engine', 'operators', 'connectors', 'cli']

test('imports have no circle', () => {
  const files = PRODUCT.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true })
      .map((path) => posix.join(folder, String(path)))
      .filter((path) => path.endsWith('.ts')),
  )
  const imports = new Map(files.map((path) => [path, importsOf(path)]))
  expect([...imports.values()].flat().length).toBeGreaterThan(files.length)
  expect(firstCircle(imports)).toEqual([])
})

test('a circle is found, and named', () => {
  const imports = new Map([
    ['a', ['b']],
    ['b', ['c', 'd']],
    ['c', []],
    ['d', ['e']],
    ['e', ['b']],
  ])
  expect(firstCircle(imports)).toEqual(['b', 'd', 'e', 'b'])
})

function importsOf(path: string): readonly string[] {
  const text = readFileSync(join(ROOT, path), 'utf8')
  const specifiers = text.matchAll(/(?:\bfrom\s+|\bimport\(\s*)'(\.[^']+\.ts)'/g)
  return [...specifiers].map(([, specifier]) => posix.join(dirname(path), specifier!))
}

/** Depth first: who is met again on the way down is in a circle. */
function firstCircle(imports: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const done = new Set<string>()
  const way: string[] = []
  const visit = (path: string): readonly string[] => {
    const at = way.indexOf(path)
    if (at !== -1) return [...way.slice(at), path]
    if (done.has(path)) return []
    done.add(path)
    way.push(path)
    for (const next of imports.get(path) ?? []) {
      const circle = visit(next)
      if (circle.length > 0) return circle
    }
    way.pop()
    return []
  }
  for (const path of imports.keys()) {
    const circle = visit(path)
    if (circle.length > 0) return circle
  }
  return []
}
