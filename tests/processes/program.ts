import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { cleanEnvironment } from '../environment.ts'

export interface ProgramEnd {
  /** Lines of standard output. */
  readonly output: readonly string[]
}

/**
 * Runs a program of the tests to its end, with `<cwd>/tmp` as its temporary folder. Throws
 * what it said when it fails.
 */
export function runProgram(
  program: string,
  args: readonly (string | number)[],
  cwd: string,
  flags: readonly string[] = [],
): Promise<ProgramEnd> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [...flags, program, ...args.map(String)], {
      cwd,
      env: { ...cleanEnvironment(), TMPDIR: join(cwd, 'tmp') },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', fail)
    child.on('close', (code) => {
      if (code === 0) done({ output: stdout.trimEnd().split('\n') })
      else fail(new Error(`the program ended with ${code}\n${stdout}\n${stderr}`))
    })
  })
}
