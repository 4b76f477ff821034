import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './millrace.ts'

export interface Block {
  readonly page: string
  readonly line: number
  readonly language: string
  /** Without the prelude. */
  readonly body: string
  readonly text: string
  readonly plan: readonly string[]
}

export const pages = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'examples/README.md'],
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
].sort()

/** The code blocks of a page; those of TypeScript with the prelude, unless they have imports. */
export function blocksOf(page: string): readonly Block[] {
  const text = readFileSync(join(ROOT, page), 'utf8')
  const prelude = preludeOf(page)
  const found: Block[] = []
  for (const match of text.matchAll(/(?:<!-- plan (.*) -->\n+)?^```(\w+)\n([\s\S]*?)^```$/gm)) {
    const [, plan = '', language, body] = match
    const before = language !== 'ts' || /^import /m.test(body!) ? '' : prelude
    const line = text.slice(0, match.index).split('\n').length
    const words = plan.split(' ').filter((word) => word !== '')
    const whole = { text: `${before}${body!}`, body: body!, plan: words }
    found.push({ page, line, language: language!, ...whole })
  }
  return found
}

/** What a reader of a page is not shown again and again: imports and declarations. */
export function preludeOf(page: string): string {
  const text = readFileSync(join(ROOT, page), 'utf8')
  return /<!-- prelude\n([\s\S]*?)-->/.exec(text)?.[1] ?? ''
}
