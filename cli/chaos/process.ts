import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { JournalEvent } from '../../engine/faults/real-life.ts'
import type { FaultAction, FaultSchedule } from '../../engine/faults/schedule.ts'
import type { TraceEvent } from '../../engine/faults/trace.ts'
import { systemClock } from '../../engine/base/clock.ts'
import { systemFiles } from '../../engine/base/files.ts'
import { journalPath, readJournal } from '../../engine/faults/real-life.ts'
import { makeSandbox, type Sandbox, type SandboxOptions } from './sandbox.ts'
import { builtRoot } from '../own-package.ts'

/** How a real run is made. */
export interface RealOptions extends SandboxOptions {
  /** Settings as MILLRACE_* variables name them, above the job's own. */
  readonly environment?: Readonly<Record<string, string>>
  /** A run that takes longer is ended, and called stuck. */
  readonly deadlineMs?: number
  /** Aborted when nobody waits for the run any more: it is ended as at its deadline. */
  readonly signal?: AbortSignal
}

/** One life of a real run. `failed`: by an error, after which the restart strategy had its say. */
export interface RealLifeRecord {
  readonly life: number
  readonly ended: 'crash' | 'power-loss' | 'torn' | 'rescale' | 'failed' | 'finished' | 'stopped'
  readonly fromMs: number
  readonly toMs: number
}

export interface RealRun {
  readonly mode: 'process' | 'threads'
  readonly schedule: FaultSchedule
  /** Where the job wrote; `removeSandbox` removes it. */
  readonly sandbox: Sandbox
  /** Of the last start; a stop with a savepoint goes on in another. */
  readonly workDir: string
  readonly lives: readonly RealLifeRecord[]
  readonly trace: readonly TraceEvent[]
  /** Indexes of the faults that struck. */
  readonly fired: readonly number[]
  /** Of the last command; undefined when the deadline came first: the run was stuck. */
  readonly exitCode: number | undefined
  /** Exit codes of twins that were started beside the job. */
  readonly twins: readonly number[]
  /** The end of standard error. */
  readonly stderr: string
}

/** For one run; a job takes seconds. */
export const DEADLINE_MS = 120_000
const LOOK_EVERY_MS = 20
/** What was killed takes so long at most to be gone, with all that it had started. */
const GONE_MS = 10_000
const STDERR_KEPT = 1_000_000
/** Starts of the command that no fault of the schedule accounts for. */
const STARTS_BESIDES = 4

/** So that what is made to fail is tried again, whatever the job itself says. */
const PATIENT = {
  MILLRACE_RESTART_STRATEGY: 'fixed-delay',
  MILLRACE_RESTART_ATTEMPTS: '100',
  MILLRACE_RESTART_DELAY_MS: '10',
}

/**
 * Runs the built `millrace run` under a schedule, in a folder of its own: a crash is SIGKILL of the
 * engine process, which its parent starts again. Returns when the job is over, or at the deadline.
 */
export function runInProcesses(
  jobPath: string,
  schedule: FaultSchedule,
  options: RealOptions = {},
): Promise<RealRun> {
  return realRun('process', jobPath, schedule, options)
}

/**
 * Runs the job by `runJob()` in one process, with real workers, LevelDB and files: a crash ends the
 * life, its workers are terminated in the middle of what they do, and the next life begins beside
 * what is left of the first. Rescaling is a crash there; twins and requests are not made.
 */
export function runInThreads(
  jobPath: string,
  schedule: FaultSchedule,
  options: RealOptions = {},
): Promise<RealRun> {
  return realRun('threads', jobPath, schedule, options)
}

async function realRun(
  mode: RealRun['mode'],
  jobPath: string,
  schedule: FaultSchedule,
  options: RealOptions,
): Promise<RealRun> {
  const sandbox = await makeSandbox(jobPath, schedule, options)
  const run = new Run(mode, sandbox, schedule, options)
  const exitCode = await run.toItsEnd()
  const { twins, stderr } = run
  const workDir = join(sandbox.cwd, run.workDir)
  const journals = await journalsIn(sandbox.journals)
  const ended = judged(journals, exitCode)
  return { mode, schedule, sandbox, workDir, exitCode, twins, stderr, ...ended }
}

interface Ended {
  readonly code: number | null
  readonly stdout: string
}

class Run {
  readonly #mode: RealRun['mode']
  readonly #sandbox: Sandbox
  readonly #schedule: FaultSchedule
  readonly #options: RealOptions
  readonly #children: ChildProcess[] = []
  readonly #ended: Promise<Ended>[] = []
  readonly #twins: Promise<Ended>[] = []
  readonly #seen = new Set<number>()
  readonly twins: number[] = []
  stderr = ''
  /** Beside `cwd`, into which a folder of that name may have been linked. */
  workDir = '../work'
  #parallelism: number
  #from: readonly string[] = []

  constructor(
    mode: RealRun['mode'],
    sandbox: Sandbox,
    schedule: FaultSchedule,
    options: RealOptions,
  ) {
    this.#mode = mode
    this.#sandbox = sandbox
    this.#schedule = schedule
    this.#options = options
    this.#parallelism = schedule.parallelism
  }

  /** The exit code of the last command; undefined when it was too late for one. */
  async toItsEnd(): Promise<number | undefined> {
    const late = new Promise<undefined>((done) => {
      const give = (): void => {
        done(undefined)
      }
      systemClock.timer(this.#options.deadlineMs ?? DEADLINE_MS, give)
      this.#options.signal?.addEventListener('abort', give)
      if (this.#options.signal?.aborted === true) give()
    })
    const state = { isOver: false }
    const following = this.#follow(state)
    try {
      return await Promise.race([this.#commands(), late])
    } finally {
      state.isOver = true
      await following
      for (const child of this.#children) {
        if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      }
      // Nothing writes any more when its folder is looked at, or removed.
      await Promise.race([Promise.allSettled(this.#ended), systemClock.sleep(GONE_MS)])
    }
  }

  /** The same command again, for as long as a fault or a stop has ended it before its time. */
  async #commands(): Promise<number> {
    const startsMax = this.#schedule.faults.length + STARTS_BESIDES
    for (let start = 1; ; start += 1) {
      const { code, stdout } = await this.#start([])
      const twins = await Promise.all(this.#twins.splice(0))
      this.twins.push(...twins.map((twin) => twin.code ?? -1))
      // A twin that came when the first had stopped has done the rest.
      if (twins.some(({ stdout: said }) => summaryOf(said)?.status === 'finished')) return 0
      if (start === startsMax) return code ?? -1
      if (code === null) {
        // Killed, parent and all: to begin again at another parallelism.
        // Other threads may have written a step or two behind the one that was struck.
        const steps = (await journalsIn(this.#sandbox.journals)).at(-1) ?? []
        const last = steps.findLast(({ fault }) => fault !== undefined)?.fault
        if (last?.type === 'rescale') this.#parallelism = last.parallelism
        continue
      }
      // Whoever took over has ended; this one was refused meanwhile.
      if (code === EXIT_IN_USE && twins.length > 0) continue
      const summary = summaryOf(stdout)
      if (code !== 0 || summary?.status !== 'stopped') return code
      if (summary.savepoint !== undefined) {
        this.workDir = `../work-${start + 1}`
        this.#from = ['--from', summary.savepoint]
      }
    }
  }

  #start(more: readonly string[]): Promise<Ended> {
    const set = Object.entries(this.#options.set ?? {}).flatMap(([name, value]) => [
      '--set',
      `${name}=${value}`,
    ])
    const place = ['--work-dir', this.workDir, '--parallelism', String(this.#parallelism)]
    const args = [this.#sandbox.jobPath, ...this.#from, ...place, ...set, ...more]
    return this.#mode === 'process'
      ? this.#spawn('main.js', ['run', '--json', '--verbose', ...args])
      : this.#spawn('chaos/threads.js', args)
  }

  #spawn(entry: string, args: readonly string[]): Promise<Ended> {
    const child = spawn(process.execPath, [join(builtRoot(), 'cli', entry), ...args], {
      cwd: this.#sandbox.cwd,
      env: {
        ...process.env,
        NODE_ENV: 'development',
        ...PATIENT,
        ...this.#options.environment,
        MILLRACE_CHAOS: this.#sandbox.schedulePath,
        MILLRACE_CHAOS_DIR: this.#sandbox.journals,
        MILLRACE_CHAOS_CRASH: this.#mode === 'threads' ? 'life' : 'process',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#children.push(child)
    let stdout = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-STDERR_KEPT)
    })
    const ended = new Promise<Ended>((done, fail) => {
      child.on('error', fail)
      child.on('close', (code) => {
        done({ code, stdout })
      })
    })
    this.#ended.push(ended)
    return ended
  }

  /** Does what a fault asks of others: a second start, or a request of a user. */
  async #follow(state: { readonly isOver: boolean }): Promise<void> {
    const isAsked = ({ action }: { readonly action: FaultAction }): boolean =>
      action.type === 'fence' || action.type === 'ask'
    if (this.#mode !== 'process' || !this.#schedule.faults.some(isAsked)) return
    while (!state.isOver) {
      for (const { fault, index } of (await journalsIn(this.#sandbox.journals)).flat()) {
        if (fault === undefined || index === undefined || this.#seen.has(index)) continue
        this.#seen.add(index)
        if (fault.type === 'fence') {
          this.#twins.push(this.#start(fault.takeOver ? ['--take-over'] : []))
        }
        if (fault.type === 'ask') void this.#spawn('main.js', this.#request(fault.request))
      }
      await systemClock.sleep(LOOK_EVERY_MS)
    }
  }

  #request(request: 'savepoint' | 'stop' | 'stop-with-savepoint'): readonly string[] {
    const workDir = join(this.#sandbox.cwd, this.workDir)
    if (request === 'savepoint') return ['savepoint', workDir]
    return ['stop', workDir, ...(request === 'stop' ? [] : ['--savepoint'])]
  }
}

const EXIT_IN_USE = 4

function summaryOf(
  stdout: string,
): { readonly status?: string; readonly savepoint?: string } | undefined {
  try {
    return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as { status?: string }
  } catch {
    return undefined
  }
}

async function journalsIn(folder: string): Promise<readonly (readonly JournalEvent[])[]> {
  const count = (await systemFiles.list(folder)).length
  return Array.from({ length: count }, (_, index) => readJournal(journalPath(folder, index + 1)))
}

const ENDINGS = ['crash', 'power-loss', 'torn', 'rescale'] as const

function judged(
  journals: readonly (readonly JournalEvent[])[],
  exitCode: number | undefined,
): Pick<RealRun, 'lives' | 'trace' | 'fired'> {
  const lives = journals.map((events, index): RealLifeRecord => {
    const ending = events.map(({ fault }) => ENDINGS.find((type) => type === fault?.type))
    const isLast = index === journals.length - 1
    const over = events.find(({ point }) => point === 'coordinator.over')?.place.what
    const alone = over === 'stopped' ? 'stopped' : isLast && exitCode === 0 ? 'finished' : 'failed'
    return {
      life: index + 1,
      ended: ending.find((type) => type !== undefined) ?? alone,
      fromMs: events[0]?.atMs ?? 0,
      toMs: events.at(-1)?.atMs ?? 0,
    }
  })
  const all = journals.flat()
  const fired = all.flatMap(({ index }) => (index === undefined ? [] : [index]))
  const trace = all.map(({ step, atMs, life, point, place, fault }): TraceEvent => ({
    ...{ step, atMs, life, point, place },
    ...(fault === undefined ? {} : { fault }),
  }))
  return { lives, trace, fired: fired.sort((left, right) => left - right) }
}
