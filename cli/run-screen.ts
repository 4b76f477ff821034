import type { Clock } from '../engine/base/clock.ts'
import type { ErrorData } from '../engine/base/errors.ts'
import type { FromEngine, RunSummary } from '../engine/job/protocol.ts'
import { formatDuration } from './duration.ts'
import { formatError } from './error-text.ts'
import { formatCount } from './numbers.ts'
import { RateMeter, renderLine, renderTable } from './progress-view.ts'

/**
 * What a person sees of a run. On a terminal a table at the bottom is drawn anew with each report
 * and everything else goes above it; elsewhere a plain line every now and then. All of it goes to
 * standard error: standard output belongs to the job's print sinks and to --json.
 */
export interface ScreenOptions {
  readonly write: (text: string) => void
  /** Columns of the terminal; undefined: not a terminal. */
  readonly columns: number | undefined
  readonly color: boolean
  readonly verbose: boolean
  readonly clock: Clock
}

const PLAIN_EVERY_MS = 10_000
const LINE_FEED = 10

export class RunScreen {
  readonly #options: ScreenOptions
  readonly #rates = new RateMeter()
  readonly #startMs: number
  #job = 'job'
  #drawn = 0
  #table: readonly string[] = []
  #plainMs: number
  /** The last line of each output, while it has no end. */
  readonly #waiting = new Map<(bytes: Uint8Array) => void, readonly Uint8Array[]>()

  constructor(options: ScreenOptions) {
    this.#options = options
    this.#startMs = options.clock.monotonicMs()
    this.#plainMs = this.#startMs
  }

  onMessage(message: FromEngine): void {
    switch (message.type) {
      case 'started': {
        this.#job = message.job
        const from =
          message.restoredFrom === undefined ? '' : `, from checkpoint ${message.restoredFrom}`
        this.line(`${message.job} runs in ${message.workDir}${from}`)
        break
      }
      case 'progress':
        this.#onProgress(message)
        break
      case 'log':
        this.line(`${message.level} ${message.message}${fieldsText(message.fields)}`)
        break
      case 'bundled':
      case 'failed':
      case 'finished':
        break
      default:
        message satisfies never
    }
  }

  /** A line that stays. */
  line(text: string): void {
    this.#above(`${text}\n`)
  }

  /** Output of the job itself: whole lines go above the table, the rest waits for its end. */
  pass(chunk: Uint8Array, write: (bytes: Uint8Array) => void): void {
    const end = chunk.lastIndexOf(LINE_FEED) + 1
    const waiting = this.#waiting.get(write) ?? []
    this.#waiting.set(write, end === 0 ? [...waiting, chunk] : [chunk.subarray(end)])
    if (end === 0) return
    this.#erase()
    for (const part of waiting) write(part)
    write(chunk.subarray(0, end))
    this.#draw()
  }

  restarting(error: ErrorData, afterMs: number, attempt: number): void {
    this.#table = []
    this.line(formatError(error, this.#options))
    this.line(`restart ${attempt} in ${formatDuration(afterMs)}`)
  }

  failed(error: ErrorData): void {
    this.#table = []
    this.line(formatError(error, this.#options))
  }

  finished(summary: RunSummary, restarts: number): void {
    this.#table = []
    this.line(summaryText(summary, restarts))
  }

  /** Takes the table away; called last. */
  close(): void {
    this.#erase()
    this.#table = []
    for (const [write, parts] of this.#waiting) parts.forEach(write)
    this.#waiting.clear()
  }

  #onProgress(message: Extract<FromEngine, { type: 'progress' }>): void {
    const { clock, columns } = this.#options
    const atMs = clock.monotonicMs()
    const view = {
      job: this.#job,
      sinceMs: atMs - this.#startMs,
      steps: this.#rates.measure(message.steps, atMs),
      lastCheckpoint: message.lastCheckpoint,
      nowMs: clock.nowMs(),
    }
    if (columns === undefined) {
      if (atMs - this.#plainMs < PLAIN_EVERY_MS) return
      this.#plainMs = atMs
      this.line(renderLine(view))
    } else {
      this.#table = renderTable(view, columns)
      this.#erase()
      this.#draw()
    }
  }

  #above(text: string): void {
    this.#erase()
    this.#options.write(text)
    this.#draw()
  }

  #erase(): void {
    if (this.#drawn === 0) return
    this.#options.write(`\u001b[${this.#drawn}A\r\u001b[J`)
    this.#drawn = 0
  }

  #draw(): void {
    if (this.#table.length === 0) return
    this.#options.write(`${this.#table.join('\n')}\n`)
    this.#drawn = this.#table.length
  }
}

function fieldsText(fields: Readonly<Record<string, unknown>>): string {
  const text = Object.entries(fields)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ')
  return text === '' ? '' : `  ${text}`
}

export function summaryText(summary: RunSummary, restarts: number): string {
  if (summary.status === 'already-finished') {
    return `${summary.job} has finished before; --fresh starts it anew`
  }
  const parts = [
    `${summary.job} ${summary.status}`,
    `${formatCount(summary.recordsIn)} records in`,
    `${formatCount(summary.recordsOut)} out`,
    ...(summary.malformed === 0 ? [] : [`${formatCount(summary.malformed)} malformed`]),
    `${summary.checkpoints} checkpoint${summary.checkpoints === 1 ? '' : 's'}`,
    `${restarts} restart${restarts === 1 ? '' : 's'}`,
    formatDuration(summary.durationMs),
  ]
  const savepoint = summary.savepoint === undefined ? '' : `\nsavepoint ${summary.savepoint}`
  return parts.join(', ') + savepoint
}
