import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cleanEnvironment } from '../environment.ts'
import { ROOT } from '../millrace.ts'

const CLI = join(ROOT, 'dist/cli/main.js')

export interface RunCommand {
  /** Path of the job below `tests/jobs`. */
  readonly job: string
  readonly workDir: string
  readonly parallelism: number
  readonly set: Readonly<Record<string, string>>
  readonly flags?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** A program and its arguments that the command line is started by. */
  readonly under?: readonly string[]
  /** The current directory: its `.millrace` holds the bundle. */
  readonly cwd: string
}

export interface EndedRun {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A `millrace run` under way: the small parent and, below it, the engine. */
export class Running {
  readonly ended: Promise<EndedRun>
  readonly #child: ChildProcess
  readonly #workDir: string
  readonly #watchers = new Set<() => void>()
  #stdout = ''
  #stderr = ''
  #isOver = false

  constructor(command: RunCommand) {
    const { job, workDir, parallelism, set, flags = [], env = {}, under = [], cwd } = command
    const sets = Object.entries(set).flatMap(([name, value]) => ['--set', `${name}=${value}`])
    const line = [
      ...[...under, process.execPath, CLI, 'run', join(ROOT, 'tests/jobs', job), '--json'],
      ...['--work-dir', workDir, '--parallelism', String(parallelism), ...sets, ...flags],
    ]
    this.#workDir = workDir
    this.#child = spawn(line[0]!, line.slice(1), {
      cwd,
      env: { ...cleanEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
      this.#look()
    })
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
      this.#look()
    })
    this.ended = new Promise((done, fail) => {
      this.#child.on('error', fail)
      this.#child.on('close', (exitCode, signal) => {
        this.#isOver = true
        done({ exitCode, signal, stdout: this.#stdout, stderr: this.#stderr })
        this.#look()
      })
    })
  }

  get pid(): number {
    return this.#child.pid!
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Of this run, not of the one before it; undefined before the engine has the folder. */
  enginePid(): number | undefined {
    try {
      const text = readFileSync(join(this.#workDir, 'owner.json'), 'utf8')
      const record = JSON.parse(text) as { pid: number; parent: { pid: number } | null }
      return record.parent?.pid === this.pid ? record.pid : undefined
    } catch {
      return undefined
    }
  }

  /** Resolves when the run has said it, or is over. */
  saw(pattern: RegExp): Promise<void> {
    return new Promise((done) => {
      const watcher = (): void => {
        if (!this.#isOver && !pattern.test(this.#stderr) && !pattern.test(this.#stdout)) return
        this.#watchers.delete(watcher)
        done()
      }
      this.#watchers.add(watcher)
      watcher()
    })
  }

  /** To the parent, to the engine if there is one, or to both, the engine first. */
  signal(who: 'parent' | 'engine' | 'both', signal: NodeJS.Signals): void {
    const engine = this.enginePid()
    if (who !== 'parent' && engine !== undefined) send(engine, signal)
    if (who !== 'engine' && !this.#isOver) send(this.pid, signal)
  }

  /** Ends all of it, stopped or not. */
  async kill(): Promise<EndedRun> {
    this.signal('both', 'SIGKILL')
    return await this.ended
  }

  #look(): void {
    for (const watcher of this.#watchers) watcher()
  }
}

export function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended by itself.
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms))
}
