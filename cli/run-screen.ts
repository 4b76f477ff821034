import { stripVTControlCharacters } from 'node:util'
import type { Clock } from '../engine/base/clock.ts'
import type { ErrorData } from '../engine/base/errors.ts'
import type { LogLevel } from '../engine/base/logger.ts'
import type { FromEngine, RunSummary, StepProgress } from '../engine/job/protocol.ts'
import { formatDuration } from './duration.ts'
import { formatError } from './error-text.ts'
import { formatCount } from './numbers.ts'
import { RateMeter, renderLine, renderSteps, renderTable, type Room } from './progress-view.ts'
import { painter, type Paint, type Style } from './terminal.ts'

/**
 * What a person sees of a run. On a terminal a table at the bottom is drawn anew with each report
 * and everything else goes above it; elsewhere a plain line every now and then. All of it goes to
 * standard error: standard output belongs to the job's print sinks and to --json.
 */
export interface ScreenOptions {
  readonly write: (text: string) => void
  /** Room of the terminal now; undefined: not a terminal. */
  readonly room: (() => Room) | undefined
  readonly color: boolean
  readonly verbose: boolean
  readonly clock: Clock
}

const PLAIN_EVERY_MS = 10_000
/** Of the table of steps where there is no terminal. */
const PLAIN_COLUMNS = 100
const LINE_FEED = 10

export class RunScreen {
  readonly #options: ScreenOptions
  readonly #paint: Paint
  readonly #rates = new RateMeter()
  readonly #startMs: number
  #job = 'job'
  /** Visible widths of the lines of the table on the screen. */
  #drawn: readonly number[] = []
  #table: readonly string[] = []
  #plainMs: number
  #steps: readonly StepProgress[] = []
  #isResumed = false
  /** The last line of each output, while it has no end. */
  readonly #waiting = new Map<(bytes: Uint8Array) => void, readonly Uint8Array[]>()

  constructor(options: ScreenOptions) {
    this.#options = options
    this.#paint = painter(options.color)
    this.#startMs = options.clock.monotonicMs()
    this.#plainMs = this.#startMs
  }

  /** Before anything is known of the job but its file: planning it takes a moment. */
  begin(file: string): void {
    if (this.#options.room === undefined) this.line(`starting ${file}`)
    else this.#show([`starting ${file}`])
  }

  onMessage(message: FromEngine): void {
    switch (message.type) {
      case 'started': {
        const { job, workDir, restoredFrom } = message
        this.#job = job
        this.#isResumed = restoredFrom !== undefined
        const from = restoredFrom === undefined ? '' : `, from checkpoint ${restoredFrom}`
        this.#table = []
        this.line(`${this.#paint('bold', job)} runs in ${workDir}${from}`)
        break
      }
      case 'progress':
        this.#onProgress(message)
        break
      case 'log':
        this.line(`${this.#level(message.level)} ${message.message}${fieldsText(message.fields)}`)
        break
      case 'bundled':
      case 'planned':
      case 'failed':
      case 'finished':
        break
      default:
        message satisfies never
    }
  }

  /** What each step has done, as it was last reported. */
  get steps(): readonly StepProgress[] {
    return this.#steps
  }

  /** A line that stays. */
  line(text: string): void {
    this.#write(`${this.#eraser()}${text}\n${this.#drawer()}`)
  }

  /** Output of the job itself: whole lines go above the table, the rest waits for its end. */
  pass(chunk: Uint8Array, write: (bytes: Uint8Array) => void): void {
    const end = chunk.lastIndexOf(LINE_FEED) + 1
    const waiting = this.#waiting.get(write) ?? []
    this.#waiting.set(write, end === 0 ? [...waiting, chunk] : [chunk.subarray(end)])
    if (end === 0) return
    this.#write(this.#eraser())
    for (const part of waiting) write(part)
    write(chunk.subarray(0, end))
    this.#write(this.#drawer())
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
    const { room } = this.#options
    this.#table = []
    if (summary.status !== 'already-finished' && this.#steps.length > 0) {
      if (this.#isResumed) this.line(this.#paint('dim', 'steps, since the latest start'))
      const columns = room?.().columns ?? PLAIN_COLUMNS
      for (const line of renderSteps(this.#steps, columns, this.#paint)) this.line(line)
    }
    this.line(summaryText(summary, restarts))
  }

  /** Takes the table away; called last. */
  close(): void {
    this.#table = []
    this.#write(this.#eraser())
    for (const [write, parts] of this.#waiting) parts.forEach(write)
    this.#waiting.clear()
  }

  #onProgress(message: Extract<FromEngine, { type: 'progress' }>): void {
    const { clock, room } = this.#options
    const atMs = clock.monotonicMs()
    this.#steps = message.steps
    const view = {
      job: this.#job,
      sinceMs: atMs - this.#startMs,
      steps: this.#rates.measure(message.steps, atMs),
      lastCheckpoint: message.lastCheckpoint,
      nowMs: clock.nowMs(),
    }
    if (room !== undefined) {
      this.#show(renderTable(view, room(), this.#paint))
    } else if (atMs - this.#plainMs >= PLAIN_EVERY_MS) {
      this.#plainMs = atMs
      this.line(renderLine(view))
    }
  }

  #level(level: LogLevel): string {
    const style = LEVEL_STYLES[level]
    return style === undefined ? level : this.#paint(style, level)
  }

  #show(table: readonly string[]): void {
    this.#table = table
    this.#write(`${this.#eraser()}${this.#drawer()}`)
  }

  #write(text: string): void {
    if (text !== '') this.#options.write(text)
  }

  /** Takes the table off the screen. A terminal that has become narrower has wrapped its lines. */
  #eraser(): string {
    if (this.#drawn.length === 0) return ''
    const columns = this.#options.room?.().columns ?? Infinity
    const lines = this.#drawn.reduce(
      (sum, width) => sum + Math.max(1, Math.ceil(width / columns)),
      0,
    )
    this.#drawn = []
    return `\u001b[${lines}A\r\u001b[J`
  }

  #drawer(): string {
    if (this.#table.length === 0) return ''
    this.#drawn = this.#table.map((line) => stripVTControlCharacters(line).length)
    return `${this.#table.join('\n')}\n`
  }
}

const LEVEL_STYLES: Readonly<Record<LogLevel, Style | undefined>> = {
  error: 'red',
  warn: 'yellow',
  info: undefined,
  debug: 'dim',
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
    ...((summary.late ?? 0) === 0 ? [] : [`${formatCount(summary.late!)} late and dropped`]),
    `${summary.checkpoints} checkpoint${summary.checkpoints === 1 ? '' : 's'}`,
    `${restarts} restart${restarts === 1 ? '' : 's'}`,
    formatDuration(summary.durationMs),
  ]
  const savepoint = summary.savepoint === undefined ? '' : `\nlast savepoint: ${summary.savepoint}`
  return parts.join(', ') + savepoint
}
