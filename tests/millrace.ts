import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment } from './environment.ts'

/** Starts the built command line as a user would, in a project of its own. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url))
const MAIN = join(ROOT, 'dist/cli/main.js')

export interface Ended {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface Started {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** Resolves when either output has matched. */
  saw(pattern: RegExp): Promise<void>
}

/** A temporary folder with the package linked into it, as after an install. */
export class Project {
  readonly folder = mkdtempSync(join(tmpdir(), 'millrace-test-'))
  readonly #started: Started[] = []

  constructor() {
    mkdirSync(join(this.folder, 'node_modules'))
    symlinkSync(ROOT, join(this.folder, 'node_modules', 'millrace'))
  }

  write(path: string, text: string): string {
    const full = join(this.folder, path)
    mkdirSync(dirname(full), { recursive: true })
    writeFileSync(full, text)
    return full
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts)
  }

  has(path: string): boolean {
    return existsSync(this.path(path))
  }

  /** Runs a command to its end. */
  run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return this.start(args, env).ended
  }

  start(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    cwd = this.folder,
  ): Started {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd,
      env: { ...cleanEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    const watchers = new Set<() => void>()
    const look = (): void => watchers.forEach((watcher) => watcher())
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      look()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      look()
    })
    const ended = new Promise<Ended>((done, fail) => {
      child.on('error', fail)
      child.on('close', (code) => {
        done({ exitCode: code ?? -1, stdout, stderr })
        look()
      })
    })
    const saw = (pattern: RegExp): Promise<void> =>
      new Promise((done, fail) => {
        const watcher = (): void => {
          if (pattern.test(stdout) || pattern.test(stderr)) done()
          else if (child.exitCode === null && child.signalCode === null) return
          else fail(new Error(`ended without ${String(pattern)}:\n${stdout}\n${stderr}`))
          watchers.delete(watcher)
        }
        watchers.add(watcher)
        watcher()
      })
    const started = { child, ended, saw }
    this.#started.push(started)
    return started
  }

  /** Removes all but the package, for the next of several turns. */
  clear(): void {
    for (const name of readdirSync(this.folder)) {
      if (name !== 'node_modules') rmSync(this.path(name), { recursive: true })
    }
  }

  /** Ends what still runs and removes the folder. */
  async remove(): Promise<void> {
    for (const { child, ended } of this.#started) {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await ended
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** The object that --json ends standard output with. */
export function lastLine(ended: Ended): Record<string, unknown> {
  const line = ended.stdout.trimEnd().split('\n').at(-1) ?? ''
  return JSON.parse(line) as Record<string, unknown>
}
