import type { Clock } from '../engine/base/clock.ts'
import type { ErrorData } from '../engine/base/errors.ts'
import type { LogLevel } from '../engine/base/logger.ts'
import type { FromEngine, RunSummary, StepProgress } from '../engine/job/protocol.ts'
import type { RunScreen } from './run-screen.ts'
import { stepReport } from '../engine/job/watermark-lag.ts'
import { systemClock } from '../engine/base/clock.ts'
import { innermostOf } from '../engine/base/errors.ts'

/** Who tells what a run does: the screen for people, or the log for machines. */
export type RunReporter = Pick<
  RunScreen,
  'steps' | 'begin' | 'onMessage' | 'line' | 'pass' | 'restarting' | 'failed' | 'finished' | 'close'
>

export interface RunLogOptions {
  readonly write: (line: string) => void
  readonly level: LogLevel
  readonly clock: Clock
}

const RANKS = { error: 0, warn: 1, info: 2, debug: 3 } as const satisfies Record<LogLevel, number>
const PROGRESS_EVERY_MS = 10_000
const LINE_FEED = 10

/**
 * What `--log-format json` says of a run: each line one object with `level`, `time`, `job`, `code`
 * and `msg`. The engine's own lines pass as they are; what node or the job's code writes to standard
 * error becomes the `msg` of one.
 */
export class RunLog implements RunReporter {
  readonly #options: RunLogOptions
  #job: string | null = null
  #progressMs: number
  #steps: readonly StepProgress[] = []
  /** The last line of the engine's standard error, while it has no end. */
  #waiting: readonly Uint8Array[] = []

  constructor(options: RunLogOptions) {
    this.#options = options
    this.#progressMs = options.clock.monotonicMs()
  }

  /** As the latest report has them. */
  get steps(): readonly StepProgress[] {
    return this.#steps
  }

  begin(file: string): void {
    this.#log('info', { file }, 'the run starts')
  }

  onMessage(message: FromEngine): void {
    switch (message.type) {
      case 'planned':
        this.#job = message.job
        break
      case 'started': {
        const { workDir, parallelism, restoredFrom = null } = message
        this.#log('info', { workDir, parallelism, restoredFrom }, 'the job runs')
        break
      }
      case 'progress':
        this.#progress(message)
        break
      case 'log':
        this.#log(message.level, message.fields, message.message)
        break
      case 'bundled':
      case 'failed':
      case 'finished':
        break
      default:
        message satisfies never
    }
  }

  line(text: string): void {
    this.#log('info', {}, text)
  }

  /** Standard output is the job's own, and does not come here. */
  pass(chunk: Uint8Array): void {
    const end = chunk.lastIndexOf(LINE_FEED) + 1
    if (end === 0) {
      this.#waiting = [...this.#waiting, chunk]
      return
    }
    const whole = Buffer.concat([...this.#waiting, chunk.subarray(0, end - 1)]).toString()
    this.#waiting = end === chunk.length ? [] : [chunk.subarray(end)]
    for (const text of whole.split('\n')) this.#wrap(text)
  }

  restarting(error: ErrorData, afterMs: number, attempt: number): void {
    this.#log('warn', { ...fieldsOf(error), attempt, afterMs }, error.message)
  }

  failed(error: ErrorData): void {
    this.#log('error', fieldsOf(error), error.message)
  }

  finished({ job, ...summary }: RunSummary, restarts: number): void {
    this.#job = job
    this.#log('info', { ...summary, restarts }, `the job has ${summary.status}`)
  }

  close(): void {
    const rest = Buffer.concat(this.#waiting).toString()
    this.#waiting = []
    if (rest !== '') this.#wrap(rest)
  }

  #progress({ steps, lastCheckpoint }: Extract<FromEngine, { type: 'progress' }>): void {
    this.#steps = steps
    const atMs = this.#options.clock.monotonicMs()
    if (atMs - this.#progressMs < PROGRESS_EVERY_MS) return
    this.#progressMs = atMs
    const nowMs = this.#options.clock.nowMs()
    const reports = steps.map((step) => stepReport(step, nowMs))
    this.#log('info', { steps: reports, lastCheckpoint: lastCheckpoint ?? null }, 'progress')
  }

  #wrap(text: string): void {
    const line = text.endsWith('\r') ? text.slice(0, -1) : text
    if (line === '') return
    if (isLogLine(line)) this.#options.write(`${line}\n`)
    else this.#log('warn', { stream: 'stderr' }, line)
  }

  #log(level: LogLevel, fields: Readonly<Record<string, unknown>>, msg: string): void {
    if (RANKS[level] > RANKS[this.#options.level]) return
    const time = this.#options.clock.nowMs()
    const head = { level, time, job: this.#job, code: null }
    this.#options.write(`${JSON.stringify({ ...head, ...fields, msg })}\n`)
  }
}

function fieldsOf({ code, hint, place, cause }: ErrorData): Readonly<Record<string, unknown>> {
  return {
    code,
    ...(place === undefined ? {} : { place }),
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause: innermostOf(cause) }),
  }
}

/** A line that the engine's logger has written. */
function isLogLine(line: string): boolean {
  if (!line.startsWith('{"level":')) return false
  try {
    JSON.parse(line)
    return true
  } catch {
    return false
  }
}

/**
 * Whether a call that failed before its settings were known was asked for a log. The variable
 * counts for `run`, and for a wrong call: a script that misspells the command reads the log too.
 */
export function asksForLog(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  code: ErrorData['code'],
): boolean {
  const words = argv.slice(2)
  const flag = words.findLast((word, at) => {
    return words[at - 1] === '--log-format' || word.startsWith('--log-format=')
  })
  if (flag !== undefined) return flag.replace('--log-format=', '') === 'json'
  if (words[0] !== 'run' && code !== 'USAGE') return false
  return env['MILLRACE_LOG_FORMAT'] === 'json'
}

/** An error before there is a run to report it: one object, as every line of the log. */
export function logFailure(error: ErrorData): void {
  const write = (line: string): boolean => process.stderr.write(line)
  new RunLog({ write, level: 'error', clock: systemClock }).failed(error)
}
