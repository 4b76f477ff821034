import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import type { Clock } from '../base/clock.ts'
import type { ErrorData } from '../base/errors.ts'
import type { RestartSettings } from '../graph/stream-graph.ts'
import type { BundleReference, FromEngine, RunOptions, RunSummary, ToEngine } from './protocol.ts'
import type { Failure, RestartDecision } from './restart-strategy.ts'
import { systemClock } from '../base/clock.ts'
import { systemFiles } from '../base/files.ts'
import { removeBundleFolder } from './bundle-folder.ts'
import { DEFAULT_SETTINGS } from '../graph/stream-graph.ts'
import { decideRestart } from './restart-strategy.ts'

/**
 * The parent's half of a run: starts the engine process, starts it again as the restart strategy
 * says, and stops it. It knows nothing of jobs and loads nothing of the engine.
 *
 * V1. One engine process lives at a time; the next starts after the last has ended.
 * V2. What must happen once is asked once: --take-over and bundling of the first life, --fresh and
 *     --fork until records flow.
 * V3. After a stop was asked for, nothing is started again.
 */
export interface SupervisorOptions {
  /** The built `engine-process.js`. */
  readonly enginePath: string
  readonly options: RunOptions
  /** Flags of node for the engine process. */
  readonly execArgv: readonly string[]
  /** Whether the engine's output goes straight to ours, or through `onOutput`, or its errors do. */
  readonly output: 'inherit' | 'pipe' | 'pipe-errors'
  readonly onMessage: (message: FromEngine) => void
  readonly onOutput?: (chunk: Uint8Array, stream: 'stdout' | 'stderr') => void
  readonly onRestart?: (
    decision: Extract<RestartDecision, { type: 'restart' }>,
    error: ErrorData,
  ) => void
  readonly clock?: Clock
}

export type RunResult = {
  readonly restarts: number
  /** The signal that asked for the stop. */
  readonly signal: StopSignal | undefined
} & (
  | { readonly type: 'finished'; readonly summary: RunSummary }
  | { readonly type: 'failed'; readonly error: ErrorData }
  /** Stopped before it could finish cleanly: a second signal, the end of the grace, or a pause. */
  | { readonly type: 'killed' }
)

export type StopSignal = 'SIGTERM' | 'SIGINT'

type Ending =
  | { readonly type: 'finished'; readonly summary: RunSummary }
  | { readonly type: 'failed'; readonly error: ErrorData; readonly restartable: boolean }

export class Supervisor {
  readonly #given: SupervisorOptions
  readonly #clock: Clock
  readonly #failures: Failure[] = []
  #restart: RestartSettings
  #bundle: BundleReference | undefined
  #child: ChildProcess | undefined
  #started = false
  /** In any life so far. */
  #hasFlowed = false
  #restarts = 0
  #signal: StopSignal | undefined
  #signaledAtMs = 0
  #killed = false
  /** Ends the pause before a restart. */
  #wake: (() => void) | undefined

  constructor(given: SupervisorOptions) {
    this.#given = given
    this.#clock = given.clock ?? systemClock
    this.#restart = given.options.restart ?? DEFAULT_SETTINGS.restart
  }

  /** Process id of the engine, while there is one. */
  get enginePid(): number | undefined {
    return this.#child?.pid
  }

  /** Runs the job to its end. Called once. Rejects only when no process can be started. */
  async run(): Promise<RunResult> {
    try {
      for (;;) {
        const ending = await this.#live()
        if (ending.type === 'finished') return this.#result(ending)
        if (this.#killed) return this.#result({ type: 'killed' })
        if (this.#signal !== undefined) return this.#result({ type: 'failed', error: ending.error })

        this.#failures.push({ ...ending, atMs: this.#clock.monotonicMs() })
        const decision = decideRestart(this.#restart, this.#failures)
        if (decision.type === 'poison') {
          return this.#result({ type: 'failed', error: poison(decision, ending.error) })
        }
        if (decision.type === 'give-up') {
          return this.#result({ type: 'failed', error: ending.error })
        }
        this.#given.onRestart?.(decision, ending.error)
        await this.#pause(decision.afterMs)
        if (this.#isStopped()) return this.#result({ type: 'killed' })
        this.#restarts += 1
      }
    } finally {
      await removeBundleFolder(systemFiles, this.#given.options.bundleDir)
    }
  }

  /** The first call asks for a clean stop within the grace, a later one ends the engine at once. */
  signal(signal: StopSignal): 'stop' | 'kill' | 'same' {
    const nowMs = this.#clock.monotonicMs()
    if (this.#signal !== undefined) {
      if (nowMs - this.#signaledAtMs < ONE_SIGNAL_MS) return 'same'
      this.kill()
      return 'kill'
    }
    this.#signal = signal
    this.#signaledAtMs = nowMs
    this.#wake?.()
    this.send({ type: 'signal', signal })
    this.#clock.timer(this.#given.options.graceMs, () => this.kill())
    return 'stop'
  }

  /** Ends the engine with SIGKILL, and the run with it (V3). */
  kill(): void {
    this.#killed = true
    this.#wake?.()
    this.#child?.kill('SIGKILL')
  }

  send(message: ToEngine): void {
    if (this.#child?.connected === true) this.#child.send(message, () => undefined)
  }

  #isStopped(): boolean {
    return this.#signal !== undefined || this.#killed
  }

  /** One engine process, from its start to its end (V1). */
  #live(): Promise<Ending> {
    const { enginePath, execArgv, output, onOutput } = this.#given
    const out = output === 'pipe' ? 'pipe' : 'inherit'
    const errors = output === 'inherit' ? 'inherit' : 'pipe'
    const child = spawn(process.execPath, [...execArgv, enginePath], {
      stdio: ['ignore', out, errors, 'ipc'],
    })
    this.#child = child
    this.#started = false
    child.stdout?.on('data', (chunk: Uint8Array) => onOutput?.(chunk, 'stdout'))
    child.stderr?.on('data', (chunk: Uint8Array) => onOutput?.(chunk, 'stderr'))

    return new Promise((done, fail) => {
      let ending: Ending | undefined
      let exit: { readonly code: number | null; readonly signal: string | null } | undefined
      // The last messages may come after the exit, and the exit after the channel's end.
      const settle = (): void => {
        if (exit === undefined || child.connected) return
        this.#child = undefined
        done(ending ?? this.#died(exit.code, exit.signal))
      }
      child.on('message', (message: FromEngine) => {
        if (message.type === 'finished' || message.type === 'failed') ending = message
        this.#note(message)
        this.#given.onMessage(message)
      })
      child.on('error', fail)
      child.on('close', (code, signal) => {
        exit = { code, signal }
        settle()
      })
      child.on('disconnect', settle)
      this.send({ type: 'options', options: this.#lifeOptions() })
      if (this.#signal !== undefined) this.send({ type: 'signal', signal: this.#signal })
    })
  }

  #note(message: FromEngine): void {
    if (message.type === 'bundled') this.#bundle = message.bundle
    if (message.type === 'started') {
      this.#started = true
      this.#hasFlowed = true
    }
    if (message.type === 'planned') this.#restart = message.settings.restart
  }

  /** V2. */
  #lifeOptions(): RunOptions {
    const first = this.#restarts === 0
    const { options } = this.#given
    return {
      ...options,
      fresh: options.fresh && !this.#hasFlowed,
      takeOver: first && options.takeOver,
      // Once records flow the fork has been made: its own checkpoints are what to go on from.
      fork: options.fork && !this.#hasFlowed,
      attempt: this.#restarts,
      ...(this.#bundle === undefined ? {} : { bundle: this.#bundle }),
    }
  }

  /** A process that ended without a word: killed, out of memory, or broken before it could speak. */
  #died(code: number | null, signal: string | null): Ending {
    const how = signal === null ? `with exit code ${code ?? '?'}` : `by ${signal}`
    const crashed = signal !== null || this.#started || code === OUT_OF_MEMORY
    const error: ErrorData = crashed
      ? { code: 'WORKER_DIED', message: `the engine process ended ${how}`, hint: DIED_HINT }
      : { code: 'BUG', message: `the engine process ended ${how} before it started the job` }
    return { type: 'failed', error, restartable: crashed }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((done) => {
      this.#wake = done
      void this.#clock.sleep(ms).then(done)
    })
  }

  #result(
    ending:
      | { readonly type: 'finished'; readonly summary: RunSummary }
      | { readonly type: 'failed'; readonly error: ErrorData }
      | { readonly type: 'killed' },
  ): RunResult {
    return { ...ending, restarts: this.#restarts, signal: this.#signal }
  }
}

/** One Ctrl-C may come twice at once: from the terminal, and passed on by npm. */
const ONE_SIGNAL_MS = 150
/** 128 + SIGABRT: what node exits with when its heap is full, seen through a shell. */
const OUT_OF_MEMORY = 134
const DIED_HINT =
  'It was killed, or its memory was used up: look above for a message of node, and at the kernel log.'

function poisonHint(code: ErrorData['code']): string {
  const mend =
    code === 'RECORD_MALFORMED'
      ? "Correct the record, or give the source onMalformed: 'skip' or 'dead-letter'"
      : 'Mend the function or filter the record out'
  return `${mend}, and start again: the job goes on where it was.`
}

function poison(
  decision: Extract<RestartDecision, { type: 'poison' }>,
  last: ErrorData,
): ErrorData {
  const { operator, split, offset, unit = 'offset' } = decision.place
  const record =
    typeof offset === 'number'
      ? `the record at ${unit} ${offset} of "${split}"`
      : `a record of "${split}", ${unit}s ${offset?.join(' to ')},`
  const where = operator === undefined ? '' : ` in step "${operator}"`
  return {
    code: 'RECORD_POISON',
    message: `${record} failed ${decision.failures} times${where}: ${last.message}`,
    hint: poisonHint(last.code),
    place: decision.place,
    cause: last,
  }
}
