import type { TraceEvent } from '../../faults/trace.ts'
import type { Lanes, Mark } from './marks.ts'
import type { LifeEnd, Note, Row, TimelineInput } from './model.ts'
import { letsPass, markOf } from './marks.ts'
import { endOf, lifeWords, noteOf, Story } from './words.ts'

/** Steps without anything drawn that are worth a row of their own. */
const FOLD_STEPS = 100
/** Steps of one row lie no further apart. */
const ROW_STEPS = 50
/** Areas of the disk in one cell. */
const LABELS_MAX = 2

/** The drawn events of a trace, as rows from top to bottom. */
export function rowsOf(
  input: TimelineInput,
  lanes: Lanes,
  drawn: ReadonlySet<number>,
): readonly Row[] {
  return new RowMaker(input, lanes).make(drawn)
}

interface OpenRow {
  readonly step: number
  readonly atMs: number
  readonly cells: Map<string, Mark[]>
  readonly notes: Note[]
  /** Nothing more is put into it. */
  isClosed: boolean
  lastStep: number
}

class RowMaker {
  readonly #input: TimelineInput
  readonly #lanes: Lanes
  readonly #story: Story
  readonly #rows: Row[] = []
  #open: OpenRow | undefined
  #fold = emptyFold()
  #lastStep = 0

  constructor(input: TimelineInput, lanes: Lanes) {
    this.#input = input
    this.#lanes = lanes
    this.#story = new Story(input)
  }

  make(drawn: ReadonlySet<number>): readonly Row[] {
    const { trace, violations = [] } = this.#input
    const placed = violations.filter(({ step }) => step !== undefined)
    const waiting = [...placed].sort((left, right) => left.step! - right.step!)
    for (const [index, event] of trace.entries()) {
      while (waiting.length > 0 && waiting[0]!.step! < event.step) {
        this.#violation(waiting.shift()!)
      }
      this.#story.on(event, trace, index)
      if (drawn.has(index)) this.#draw(event)
      else this.#skip(event)
    }
    this.#flush(undefined)
    for (const violation of waiting) this.#violation(violation)
    for (const violation of violations) {
      if (violation.step === undefined) this.#violation(violation)
    }
    return alignmentsFilled(this.#rows)
  }

  #violation({ invariant, what }: { readonly invariant: string; readonly what: string }): void {
    this.#close()
    this.#rows.push({ type: 'violation', words: `${invariant}: ${what}` })
  }

  #skip({ point, fault, life }: TraceEvent): void {
    if (point === 'coordinator.written') this.#fold.decided += 1
    if (point === 'coordinator.abort') this.#fold.aborted += 1
    if (fault !== undefined) this.#fold.faults += 1
    if (point === 'life.end') this.#fold.lives.add(life)
  }

  #draw(event: TraceEvent): void {
    this.#flush(event.step)
    this.#lastStep = event.step
    const { point, life } = event
    if (point === 'life.begin') {
      this.#close()
      this.#rows.push({ type: 'life', words: lifeWords(this.#input, life) })
      return
    }
    if (point === 'life.end') {
      this.#close()
      const how: LifeEnd = endOf(this.#input, life)
      this.#rows.push({ type: 'end', words: this.#story.endWords(life), how })
      return
    }
    const marks = marksOf(event)
    const lane = this.#lanes.laneOf(point, event.place)
    const row = this.#rowFor(event, lane, marks)
    const cell = row.cells.get(lane) ?? []
    row.cells.set(lane, marks.reduce(added, cell))
    row.lastStep = event.step
    const note = noteOf(event, this.#story)
    if (note !== undefined) row.notes.push(note)
  }

  #rowFor(event: TraceEvent, lane: string, marks: readonly Mark[]): OpenRow {
    const isAlone = event.fault !== undefined || marks.some(({ kind }) => ALONE.has(kind))
    const open = this.#open
    if (open !== undefined && !open.isClosed && this.#fits(open, event, lane, marks)) {
      if (isAlone) open.isClosed = true
      return open
    }
    this.#close()
    const { step, atMs } = event
    const cells = new Map<string, Mark[]>()
    this.#open = { step, atMs, cells, notes: [], isClosed: isAlone, lastStep: step }
    return this.#open
  }

  #fits(open: OpenRow, event: TraceEvent, lane: string, marks: readonly Mark[]): boolean {
    if (event.step - open.lastStep >= ROW_STEPS) return false
    const cell = open.cells.get(lane) ?? []
    return marks.every((mark) => {
      if (cell.length > 0) return follows(cell, mark)
      if (mark.kind === 'decision') return isManifest(open)
      return event.fault === undefined && !ALONE.has(mark.kind) && isOneWave(open, lane, mark)
    })
  }

  /** What was skipped since the last drawn step gets its row, when it is worth one. */
  #flush(step: number | undefined): void {
    const last = this.#input.trace.at(-1)?.step ?? 0
    const steps = (step ?? last) - this.#lastStep
    const words = foldWords(this.#fold, steps)
    this.#fold = emptyFold()
    if (words === undefined) return
    this.#close()
    this.#rows.push({ type: 'fold', words })
  }

  #close(): void {
    if (this.#open === undefined) return
    const { step, atMs, cells, notes } = this.#open
    this.#rows.push({ type: 'step', step, atMs, cells, notes })
    this.#open = undefined
  }
}

/** Marks that need a row to themselves: all before them is above, all after them is below. */
const ALONE: ReadonlySet<Mark['kind']> = new Set<Mark['kind']>([
  ...(['trigger', 'decision', 'abort', 'restore', 'fence', 'decline'] as const),
])

/** A barrier that comes from above stands below what sent it: one uid a row. */
function isOneWave({ cells }: OpenRow, lane: string, mark: Mark): boolean {
  if (mark.label === 'manifest') return false
  if (mark.kind === 'commit' || mark.kind === 'claim') return false
  if (mark.kind !== 'barrier' && mark.kind !== 'aligned') return true
  const uid = uidOf(lane)
  return [...cells].every(
    ([other, marks]) => uidOf(other) === uid || !marks.some(({ kind }) => kind === 'barrier'),
  )
}

function uidOf(lane: string): string {
  return lane.replace(/-\d+$/, '')
}

/** The name of the manifest is what decides: both are one moment. */
function isManifest({ cells }: OpenRow): boolean {
  return cells.size === 1 && cells.get('disk')?.[0]?.label === 'manifest'
}

function marksOf(event: TraceEvent): readonly Mark[] {
  const mark = markOf(event)
  const { fault } = event
  if (fault === undefined) return mark === undefined ? [] : [mark]
  const struck: Mark = { kind: 'fault', fault, count: 1 }
  const isTaken = letsPass(fault) || mark?.kind === 'decision' || mark?.kind === 'committed'
  const isShown = mark !== undefined && mark.kind !== 'fence' && mark.kind !== 'request'
  return isTaken && isShown ? [mark, struck] : [struck]
}

/** What may stand behind what in one cell. */
const FOLLOWS: Readonly<Partial<Record<Mark['kind'], readonly Mark['kind'][]>>> = {
  barrier: ['aligned'],
  cut: ['barrier'],
  acknowledge: ['cut'],
  committed: ['commit'],
  durable: ['durable'],
  request: ['request'],
}

function follows(cell: readonly Mark[], mark: Mark): boolean {
  const last = cell.at(-1)!
  const isAsked = mark.kind === 'durable' || mark.kind === 'request'
  if (FOLLOWS[mark.kind]?.includes(last.kind) !== true) return false
  if (!isAsked) return mark.kind === 'barrier' || mark.checkpointId === last.checkpointId
  if (mark.label === 'manifest') return false
  return cell.length < LABELS_MAX || cell.some(({ label }) => label === mark.label)
}

function added(cell: readonly Mark[], mark: Mark): Mark[] {
  const same = cell.findIndex(
    ({ kind, label, checkpointId }) =>
      kind === mark.kind &&
      label === mark.label &&
      (label !== undefined || checkpointId === mark.checkpointId),
  )
  if (same < 0 || mark.kind === 'fault') return [...cell, mark]
  return cell.map((one, index) => (index === same ? { ...one, count: one.count + 1 } : one))
}

interface Fold {
  decided: number
  aborted: number
  faults: number
  readonly lives: Set<number>
}

function emptyFold(): Fold {
  return { decided: 0, aborted: 0, faults: 0, lives: new Set() }
}

function foldWords({ decided, aborted, faults, lives }: Fold, steps: number): string | undefined {
  if (decided + aborted + faults + lives.size === 0 && steps < FOLD_STEPS) return undefined
  const words = [counted(steps, 'step')]
  if (lives.size > 0) words.push(counted(lives.size, 'life', 'lives'))
  if (decided > 0) words.push(counted(decided, 'checkpoint'))
  if (aborted > 0) words.push(`${aborted} aborted`)
  if (faults > 0) words.push(counted(faults, 'fault'))
  return words.join(', ')
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

/** Between the first barrier and the last a lane is drawn as aligning. */
function alignmentsFilled(rows: readonly Row[]): readonly Row[] {
  const aligning = new Set<string>()
  return rows.map((row) => {
    if (row.type === 'end') aligning.clear()
    if (row.type !== 'step') return row
    const cells = new Map(row.cells)
    for (const lane of aligning) {
      if (!cells.has(lane)) cells.set(lane, [{ kind: 'aligning', count: 1 }])
    }
    for (const [lane, marks] of row.cells) {
      if (marks.some(({ kind }) => kind === 'aligning')) aligning.add(lane)
      if (marks.some(({ kind }) => kind === 'aligned' || kind === 'cut')) aligning.delete(lane)
    }
    return { ...row, cells }
  })
}
