import type { Paint } from './terminal.ts'
import type { StepProgress } from '../engine/job/protocol.ts'
import { formatDuration } from './duration.ts'
import { formatCompact, formatCount, formatRate } from './numbers.ts'
import { formatWatermark, lagMs } from './watermark.ts'

export interface StepView extends StepProgress {
  readonly inPerSecond: number
  readonly outPerSecond: number
}

/**
 * The steps of a job as a table of a given width: the widest set of columns that fits is taken.
 * Steps that are chained share a thread, so the first of them shows how busy that is for all.
 */
export function stepTable(table: {
  readonly steps: readonly StepView[]
  readonly nowMs: number
  readonly width: number
  readonly paint: Paint
  /** Without: the run is over, rates and shares say nothing any more. */
  readonly isLive: boolean
}): readonly string[] {
  const { steps, width } = table
  const names = steps.map(nameOf)
  const longest = Math.max('step'.length, ...names.map((name) => name.length))
  const layouts = layoutsOf(table)
  for (const [index, titles] of layouts.entries()) {
    const columns = titles.map((title) => columnOf(title, table))
    const taken = columns.reduce((sum, column) => sum + GAP.length + column.width, 0)
    const left = width - taken
    const enough = index < COMFORTABLE ? NAME_ENOUGH : NAME_MIN
    if (left < Math.min(longest, enough) && index < layouts.length - 1) continue
    return linesOf(names, columns, Math.max(Math.min(longest, left), 1), table.paint)
  }
  return []
}

const GAP = '  '
/** A name may push a column out up to the first width, in the first layouts; a longer one is cut. */
const NAME_ENOUGH = 20
const COMFORTABLE = 4
const NAME_MIN = 10

type Title =
  | 'in'
  | 'IN'
  | 'in/s'
  | 'out'
  | 'OUT'
  | 'out/s'
  | 'watermark'
  | 'WATERMARK'
  | 'lag'
  | 'busy'
  | 'held back'
  | 'held'

/** Widest first. Capitals: in full. */
const LIVE: readonly (readonly Title[])[] = [
  ['IN', 'in/s', 'OUT', 'out/s', 'WATERMARK', 'lag', 'busy', 'held back'],
  ['in', 'in/s', 'out', 'out/s', 'watermark', 'lag', 'busy', 'held back'],
  ['in', 'in/s', 'out', 'out/s', 'watermark', 'busy', 'held back'],
  ['in', 'in/s', 'out', 'watermark', 'busy', 'held'],
  ['in', 'out', 'watermark', 'busy', 'held'],
  ['in', 'out', 'busy', 'held'],
  ['in', 'out'],
  ['in'],
]
const DONE: readonly (readonly Title[])[] = [
  ['IN', 'OUT', 'WATERMARK'],
  ['IN', 'OUT', 'watermark'],
  ['in', 'out', 'watermark'],
  ['in', 'out'],
]

function layoutsOf({
  steps,
  nowMs,
  isLive,
}: Parameters<typeof stepTable>[0]): readonly (readonly Title[])[] {
  const hasTime = steps.some((step) => step.watermark !== undefined)
  const hasLag = steps.some((step) => lagMs(step.watermark, nowMs) !== undefined)
  return (isLive ? LIVE : DONE).map((titles) =>
    titles.filter((title) => {
      if (title === 'lag') return hasLag
      return hasTime || title.toLowerCase() !== 'watermark'
    }),
  )
}

interface Column {
  readonly title: string
  readonly cells: readonly string[]
  readonly width: number
  readonly paint: (cell: string, paint: Paint) => string
}

function columnOf(title: Title, table: Parameters<typeof stepTable>[0]): Column {
  const cells = table.steps.map((step) => cellOf(title, step, table.nowMs))
  const shown = title.toLowerCase()
  return {
    title: shown,
    cells,
    width: Math.max(shown.length, ...cells.map((cell) => cell.length)),
    paint: title.startsWith('held') ? paintHeld : (cell) => cell,
  }
}

function cellOf(title: Title, step: StepView, nowMs: number): string {
  const { recordsIn, recordsOut, type } = step
  const isSink = type === 'sink'
  switch (title) {
    case 'IN':
      return formatCount(recordsIn)
    case 'in':
      return formatCompact(recordsIn)
    case 'in/s':
      return formatRate(step.inPerSecond)
    case 'OUT':
      return isSink ? '' : formatCount(recordsOut)
    case 'out':
      return isSink ? '' : formatCompact(recordsOut)
    case 'out/s':
      return isSink ? '' : formatRate(step.outPerSecond)
    case 'WATERMARK':
      return formatWatermark(step.watermark, 'full')
    case 'watermark':
      return formatWatermark(step.watermark, 'short')
    case 'lag': {
      const lag = lagMs(step.watermark, nowMs)
      return lag === undefined ? '' : formatDuration(lag)
    }
    case 'busy':
      return step.chained ? '' : `${sharesOf(step).busy} %`
    case 'held':
    case 'held back':
      return step.chained ? '' : `${sharesOf(step).heldBack} %`
    default:
      return title satisfies never
  }
}

/** Whole percents that are together at most 100. */
export function sharesOf({ busy, backPressured }: Pick<StepView, 'busy' | 'backPressured'>): {
  readonly busy: number
  readonly heldBack: number
} {
  const rounded = Math.round(busy * 100)
  return { busy: rounded, heldBack: Math.min(Math.round(backPressured * 100), 100 - rounded) }
}

function nameOf(step: StepView): string {
  const name = step.parallelism > 1 ? `${step.name} ×${step.parallelism}` : step.name
  return step.chained ? `└ ${step.name}` : name
}

const HELD_MUCH = 50

function paintHeld(cell: string, paint: Paint): string {
  return Number.parseInt(cell, 10) >= HELD_MUCH ? paint('yellow', cell) : cell
}

function linesOf(
  names: readonly string[],
  columns: readonly Column[],
  nameWidth: number,
  paint: Paint,
): readonly string[] {
  const head = [
    'step'.padEnd(nameWidth),
    ...columns.map((column) => column.title.padStart(column.width)),
  ].join(GAP)
  const rows = names.map((name, row) =>
    [
      cut(name, nameWidth).padEnd(nameWidth),
      ...columns.map((column) => column.paint(column.cells[row]!.padStart(column.width), paint)),
    ].join(GAP),
  )
  return [paint('dim', head), ...rows.map((row) => row.trimEnd())]
}

/** At most `width` characters, the last a mark when some were left out. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(width - 1, 0))}…`
}
