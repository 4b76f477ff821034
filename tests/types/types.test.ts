/**
 * The promises of the types: the eight jobs of the design compile, and each of the mistakes in
 * `mistakes.ts` is an error at the statement below its comment, while nothing else there is one.
 */
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import ts from 'typescript'

const root = fileURLToPath(new URL('../..', import.meta.url))
const here = fileURLToPath(new URL('.', import.meta.url))
const mistakes = `${here}mistakes.ts`

let program: ts.Program

beforeAll(() => {
  const config = ts.getParsedCommandLineOfConfigFile(`${root}tsconfig.json`, undefined, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
      throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n'))
    },
  })!
  const jobs = ts.sys.readDirectory(`${here}jobs`, ['.ts'])
  program = ts.createProgram([mistakes, ...jobs], { ...config.options, noEmit: true })
}, 120_000)

function errorsOf(path: string): readonly { readonly line: number; readonly text: string }[] {
  const file = program.getSourceFile(path)!
  const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]
  return found.map((diagnostic) => ({
    line: file.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line + 1,
    text: ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n'),
  }))
}

test.each(ts.sys.readDirectory(`${here}jobs`, ['.ts']))('%s compiles', (path) => {
  expect(errorsOf(path)).toEqual([])
})

test('every mistake is an error at its statement, and nothing else is', () => {
  const lines = ts.sys.readFile(mistakes)!.split('\n')
  const blocks = lines.flatMap((line, index) => {
    const name = /^\/\/ (M\d+)\b/.exec(line)?.[1]
    return name === undefined ? [] : [{ name, first: index + 1 }]
  })
  expect(blocks).toHaveLength(57)
  const blockOf = (line: number): string =>
    blocks.findLast((block) => block.first < line)?.name ?? `line ${line}`

  const errors = errorsOf(mistakes)
  const found = new Set(errors.map(({ line }) => blockOf(line)))
  expect([...found].sort()).toEqual(blocks.map((block) => block.name).sort())
  // What a mistake is made of is itself right: the error is at the last statement of its block.
  for (const { line, text } of errors) {
    expect(lines[line - 1], text).not.toMatch(/^(?:import|const|class U)\b/)
  }
})
