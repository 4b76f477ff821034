import type { CheckpointProgress, StepProgress } from '../engine/job/protocol.ts'
import { formatDuration } from './duration.ts'
import { formatBytes, formatCount, formatRate } from './numbers.ts'
import { cut, sharesOf, stepTable, type StepView } from './step-table.ts'
import type { Paint } from './terminal.ts'
import { formatWatermark, lagMs, type Watermark } from './watermark.ts'

/** What one progress report shows: counters made into rates by the report before it. */
export interface ProgressView {
  readonly job: string
  readonly sinceMs: number
  readonly steps: readonly StepView[]
  readonly lastCheckpoint: CheckpointProgress | undefined
  readonly nowMs: number
}

type Counts = Map<string, { readonly atMs: number; readonly in: number; readonly out: number }>

/** Rates between two reports; after a restart, when counters fall, the new count is the growth. */
export class RateMeter {
  #last: Counts = new Map()

  measure(steps: readonly StepProgress[], atMs: number): readonly StepView[] {
    const next: Counts = new Map()
    const views = steps.map((step) => {
      next.set(step.name, { atMs, in: step.recordsIn, out: step.recordsOut })
      const last = this.#last.get(step.name)
      return {
        ...step,
        inPerSecond: rate(step.recordsIn, last?.in, atMs, last?.atMs),
        outPerSecond: rate(step.recordsOut, last?.out, atMs, last?.atMs),
      }
    })
    this.#last = next
    return views
  }
}

function rate(count: number, last: number | undefined, atMs: number, lastMs = 0): number {
  if (last === undefined || atMs <= lastMs) return 0
  return ((count >= last ? count - last : count) * 1_000) / (atMs - lastMs)
}

/** Room of a terminal. A line as wide as the terminal would wrap on some. */
export interface Room {
  readonly columns: number
  readonly rows: number
}

const COLUMNS_MIN = 20
/** Lines of the table that are no step: title, head, steps left out, and the one with the cursor. */
const ROWS_OTHER = 4

/** A table for a terminal: a title, then a line a step, each step's name at the left. */
export function renderTable(view: ProgressView, room: Room, paint: Paint): readonly string[] {
  const width = Math.max(COLUMNS_MIN, room.columns - 1)
  const { steps, nowMs } = view
  const lines = stepTable({ steps, nowMs, width, paint, isLive: true })
  const notes = notesOf(view).map((note) => paint('yellow', cut(note, width)))
  // Room for one note is kept, so that the table does not change when it comes.
  const shown = Math.max(1, room.rows - ROWS_OTHER - Math.max(1, notes.length))
  const hidden = steps.length - shown
  const more = hidden > 0 ? [paint('dim', cut(`and ${hidden} more steps`, width))] : []
  return [titleLine(view, width, paint), ...lines.slice(0, shown + 1), ...more, ...notes]
}

/** The job, for how long it runs, and its last checkpoint: as much of that as there is room for. */
function titleLine(view: ProgressView, width: number, paint: Paint): string {
  const job = cut(view.job, width)
  let rest = `  ${formatDuration(view.sinceMs)}  `
  for (const part of checkpointParts(view)) {
    const next = rest.endsWith('  ') ? `${rest}${part}` : `${rest}, ${part}`
    if (job.length + next.length > width) break
    rest = next
  }
  return `${paint('bold', job)}${rest.trimEnd()}`
}

/** One line for a log: what goes in, what has arrived at each sink, and what is notable. */
export function renderLine(view: ProgressView): string {
  const sources = view.steps.filter(({ type }) => type === 'source')
  const total = (of: (step: StepView) => number): number =>
    sources.reduce((sum, step) => sum + of(step), 0)
  const read = formatCount(total((step) => step.recordsIn))
  const perSecond = formatRate(total((step) => step.inPerSecond))
  const sinks = view.steps
    .filter(({ type }) => type === 'sink')
    .map(({ name, recordsIn }) => `"${name}" ${formatCount(recordsIn)}`)
  const held = view.steps.filter((step) => !step.chained && sharesOf(step).heldBack > HELD_BACK_MAX)
  const parts = [
    `${view.job} ${formatDuration(view.sinceMs)}: in ${read} (${perSecond}/s)`,
    `out ${sinks.join(', ')}`,
    ...watermarkParts(view),
    ...(held.length === 0 ? [] : [`held back: ${held.map(({ name }) => name).join(', ')}`]),
    ...notesOf(view),
    checkpointParts(view).join(', '),
  ]
  return parts.join('; ')
}

/** Above this share of waiting for credit, in percent, a step is held back by those behind it. */
const HELD_BACK_MAX = 50

/** Of the step that is furthest behind. */
function watermarkParts({ steps, nowMs }: ProgressView): readonly string[] {
  const reached = steps.flatMap(({ watermark }) => (watermark === undefined ? [] : [watermark]))
  if (reached.length === 0) return []
  const lowest = lowestOf(reached)
  const lag = lagMs(lowest, nowMs)
  const behind = lag === undefined ? '' : `, ${formatDuration(lag)} behind`
  return [`watermark ${formatWatermark(lowest, 'full')}${behind}`]
}

function lowestOf(watermarks: readonly Watermark[]): Watermark {
  if (watermarks.includes('none')) return 'none'
  const times = watermarks.filter((watermark) => typeof watermark === 'number')
  return times.length === 0 ? 'end' : Math.min(...times)
}

/** What a person should know besides the counts: records passed over, and late ones nobody reads. */
function notesOf({ steps }: ProgressView): readonly string[] {
  return [
    ...noteOf('malformed', steps, ({ malformed = 0 }) => malformed),
    ...pausedNotes(steps),
    ...noteOf('late and dropped', steps, ({ late = 0 }) => late),
  ]
}

/** `paused: "clicks" subtask 1 waits for "orders" subtask 0`, and how many others do so. */
function pausedNotes(steps: readonly StepView[]): readonly string[] {
  const all = steps.flatMap(({ name, paused = [] }) => paused.map((each) => ({ name, ...each })))
  const [first] = all
  if (first === undefined) return []
  const { source, subtask } = first.waitsFor
  const more = all.length === 1 ? '' : `, and ${all.length - 1} more`
  return [
    `paused: "${first.name}" subtask ${first.subtask} waits for "${source}" subtask ${subtask}${more}`,
  ]
}

function noteOf(
  what: string,
  steps: readonly StepView[],
  countOf: (step: StepView) => number,
): readonly string[] {
  const counts = steps
    .filter((step) => countOf(step) > 0)
    .map((step) => `"${step.name}" ${formatCount(countOf(step))}`)
  return counts.length === 0 ? [] : [`${what}: ${counts.join(', ')}`]
}

function checkpointParts({ lastCheckpoint, nowMs }: ProgressView): readonly string[] {
  if (lastCheckpoint === undefined) return ['no checkpoint yet']
  const { name, completedAtMs, durationMs, bytes } = lastCheckpoint
  return [
    `checkpoint ${name}`,
    `${formatDuration(Math.max(0, nowMs - completedAtMs))} ago`,
    `took ${formatDuration(durationMs)}`,
    formatBytes(bytes),
  ]
}

/** What each step has done in the end. */
export function renderSteps(
  steps: readonly StepProgress[],
  columns: number,
  paint: Paint,
): readonly string[] {
  const views = steps.map((step) => ({ ...step, inPerSecond: 0, outPerSecond: 0 }))
  const width = Math.max(COLUMNS_MIN, columns - 1)
  return stepTable({ steps: views, nowMs: 0, width, paint, isLive: false })
}
