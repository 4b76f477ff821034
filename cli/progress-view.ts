import type { CheckpointProgress, StepProgress } from '../engine/job/protocol.ts'
import { formatDuration } from './duration.ts'
import { formatBytes, formatCount, formatRate } from './numbers.ts'

/** What one progress report shows: counters made into rates by the report before it. */
export interface ProgressView {
  readonly job: string
  readonly sinceMs: number
  readonly steps: readonly StepView[]
  readonly lastCheckpoint: CheckpointProgress | undefined
  readonly nowMs: number
}

export interface StepView extends StepProgress {
  readonly inPerSecond: number
  readonly outPerSecond: number
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

/** A table for a terminal of `columns`, a line a step. */
export function renderTable(view: ProgressView, columns: number): readonly string[] {
  const head = ['step', 'in', 'in/s', 'out/s', 'busy', 'held back', 'lag']
  const rows = view.steps.map((step) => [
    step.parallelism > 1 ? `${step.name} ×${step.parallelism}` : step.name,
    formatCount(step.recordsIn),
    formatRate(step.inPerSecond),
    formatRate(step.outPerSecond),
    formatShare(step.busy),
    formatShare(step.backPressured),
    formatLag(step),
  ])
  const widths = head.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => row[column]!.length)),
  )
  const malformed = malformedText(view)
  const lines = [head, ...rows].map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!),
      )
      .join('  '),
  )
  const title = `${view.job}  ${formatDuration(view.sinceMs)}  ${checkpointText(view)}`
  return [title, ...lines, ...(malformed === '' ? [] : [malformed])].map((line) =>
    line.slice(0, Math.max(20, columns - 1)),
  )
}

/** One line for a log: what goes in at the sources, out at the end, and what is notable. */
export function renderLine(view: ProgressView): string {
  const first = view.steps[0]
  const last = view.steps.at(-1)
  const parts = [`${view.job} ${formatDuration(view.sinceMs)}`]
  if (first !== undefined && last !== undefined) {
    parts.push(`in ${formatCount(first.recordsIn)} (${formatRate(first.inPerSecond)}/s)`)
    parts.push(`to "${last.name}" ${formatCount(last.recordsIn)}`)
  }
  const held = view.steps.filter((step) => step.backPressured > HELD_BACK_SHARE)
  if (held.length > 0) parts.push(`held back: ${held.map((step) => step.name).join(', ')}`)
  const lag = view.steps.map(formatLag).find((text) => text !== '')
  if (lag !== undefined) parts.push(`lag ${lag}`)
  const malformed = malformedText(view)
  if (malformed !== '') parts.push(malformed)
  parts.push(checkpointText(view))
  return parts.join(', ')
}

/** Above this share of waiting for credit, a step counts as held back by those behind it. */
const HELD_BACK_SHARE = 0.5

/** Records that sources have passed over; empty: none. */
function malformedText(view: ProgressView): string {
  const passed = view.steps.filter(({ malformed = 0 }) => malformed > 0)
  if (passed.length === 0) return ''
  const counts = passed.map(({ name, malformed = 0 }) => `${name} ${formatCount(malformed)}`)
  return `malformed: ${counts.join(', ')}`
}

function checkpointText(view: ProgressView): string {
  const last = view.lastCheckpoint
  if (last === undefined) return 'no checkpoint yet'
  const age = formatDuration(Math.max(0, view.nowMs - last.completedAtMs))
  const size = formatBytes(last.bytes)
  return `checkpoint ${last.count} was ${age} ago, took ${formatDuration(last.durationMs)}, ${size}`
}

function formatShare(share: number): string {
  return `${Math.round(share * 100)} %`
}

function formatLag(step: StepProgress): string {
  if (step.lagRecords !== undefined) return `${formatCount(step.lagRecords)} records`
  return step.lagMs === undefined ? '' : formatDuration(step.lagMs)
}
