import type { TraceEvent } from '../../faults/trace.ts'
import type { MarkKind } from './marks.ts'
import type { TimelineInput } from './model.ts'
import { markOf } from './marks.ts'

/** Faults and lives of a run that are drawn: so many of the first, and so many of the last. */
const EACH_MAX = 20
const ANCHORS_MAX = 200
/** Marks of a picture, before checkpoints are drawn in outline only. */
const MARKS_MAX = 3_000

/** What is drawn of a checkpoint. */
type Level = 'full' | 'outline'

/** Where in the trace a checkpoint of a life does what; undefined: it does not. */
interface Span {
  readonly life: number
  readonly id: number
  readonly trigger: number
  decision?: number
  marks: number
}

const OUTLINE: ReadonlySet<MarkKind> = new Set<MarkKind>([
  ...(['trigger', 'decision', 'commit', 'committed', 'abort'] as const),
])

/**
 * Chooses the events of a trace that are drawn, by index.
 *
 * F1. A fault and the borders of a life: of very many the first and the last, else all.
 * F2. The checkpoint that a fault, a violation or the end of a life falls into: in full. The one
 *     decided before, and the first decided after a recovery: in outline.
 * F3. Of a recovery: what is restored, claimed and published.
 * F4. Of a run in which nothing happens: its first checkpoint in full, its last in outline.
 */
export function drawnEvents(input: TimelineInput): ReadonlySet<number> {
  const { trace } = input
  const spans = spansOf(trace)
  const levels = levelsOf(input, spans)
  const faults = faultsDrawn(trace)
  const drawn = new Set<number>()
  const lives = livesDrawn(trace)
  const state = new LifeState()
  for (const [index, event] of trace.entries()) {
    state.on(event)
    if (event.fault !== undefined) {
      if (faults.has(index)) drawn.add(index)
    } else if (event.point === 'life.begin' || event.point === 'life.end') {
      if (lives.has(event.life)) drawn.add(index)
    } else if (lives.has(event.life) && isDrawn(event, state, levels)) drawn.add(index)
  }
  return drawn
}

/** What is under way when an event happens. */
class LifeState {
  isRecovering = false
  /** The event is a second start of the same job, beside the one that runs. */
  isSecondStart = false
  /** The newest checkpoint, and the one that is being committed. */
  triggered: number | undefined
  committing: number | undefined
  #isOwned = false

  on({ point, place }: TraceEvent): void {
    this.isSecondStart = point === 'recover.own' && this.#isOwned
    switch (point) {
      case 'life.begin':
        this.isRecovering = true
        this.#isOwned = false
        this.triggered = undefined
        this.committing = undefined
        break
      case 'recover.own':
        this.#isOwned = true
        break
      case 'master.start':
        this.isRecovering = false
        break
      case 'coordinator.trigger':
        this.triggered = place.checkpointId
        break
      case 'coordinator.commit':
        this.committing = place.checkpointId
        break
      case 'coordinator.committed':
        this.committing = undefined
        break
      default:
        break
    }
  }
}

function isDrawn(event: TraceEvent, state: LifeState, levels: ReadonlyMap<string, Level>): boolean {
  const mark = markOf(event)
  if (mark === undefined) return false
  switch (mark.kind) {
    case 'fence':
      return state.isSecondStart
    case 'restore':
    case 'claim':
      return event.life > 1
    case 'durable':
      if (state.isRecovering) return event.life > 1 && mark.label !== 'state'
      break
    case 'request':
      return levels.get(keyOf(event.life, state.committing)) === 'full'
    case 'aligning':
      return levels.get(keyOf(event.life, state.triggered)) === 'full'
    default:
      break
  }
  const level = levels.get(keyOf(event.life, mark.checkpointId ?? state.committing))
  return level === 'full' || (level === 'outline' && OUTLINE.has(mark.kind))
}

function keyOf(life: number, id: number | undefined): string {
  return `${life}:${id ?? ''}`
}

function spansOf(trace: readonly TraceEvent[]): readonly Span[] {
  const spans = new Map<string, Span>()
  for (const [index, event] of trace.entries()) {
    const { life, point, place } = event
    const { checkpointId: id } = place
    if (id === undefined) continue
    const key = keyOf(life, id)
    if (point === 'coordinator.trigger') {
      spans.set(key, { life, id, trigger: index, marks: 0 })
      continue
    }
    const span = spans.get(key)
    if (span === undefined) continue
    if (point === 'coordinator.written') span.decision = index
    if (markOf(event) !== undefined) span.marks += 1
  }
  return [...spans.values()]
}

function levelsOf(input: TimelineInput, spans: readonly Span[]): ReadonlyMap<string, Level> {
  const { trace } = input
  const levels = new Map<string, Level>()
  let marks = 0
  const draw = (span: Span | undefined, level: Level): void => {
    if (span === undefined) return
    const key = keyOf(span.life, span.id)
    if (levels.get(key) === 'full') return
    const isFull = level === 'full' && marks + span.marks <= MARKS_MAX
    if (isFull) marks += span.marks
    levels.set(key, isFull ? 'full' : 'outline')
  }
  const anchors = anchorsOf(input)
  for (const index of anchors) {
    const { life, place } = trace[index]!
    const before = spans.filter((span) => span.life === life && span.trigger <= index)
    const own = before.find(({ id }) => id === place.checkpointId)
    const stake = own ?? before.at(-1)
    draw(stake, 'full')
    const decided = before.filter(({ decision = index }) => decision < index)
    draw(
      decided.findLast((span) => span !== stake),
      'outline',
    )
  }
  const decided = spans.filter(({ decision }) => decision !== undefined)
  if (anchors.length === 0) draw(decided[0], 'full')
  const lives = new Set(spans.map(({ life }) => life))
  for (const life of lives) {
    if (life > 1)
      draw(
        decided.find((span) => span.life === life),
        'outline',
      )
  }
  draw(decided.at(-1), 'outline')
  return levels
}

/** Events that something went wrong at. */
function anchorsOf({ trace, lives, violations = [] }: TimelineInput): readonly number[] {
  const good = new Set(lives.filter(({ ended }) => isGood(ended.type)).map(({ life }) => life))
  const anchors = [...faultsDrawn(trace)]
  for (const [index, { point, life }] of trace.entries()) {
    if (point === 'life.end' && !good.has(life)) anchors.push(index)
  }
  for (const { step } of violations.slice(0, EACH_MAX)) {
    const index = step === undefined ? -1 : trace.findLastIndex((event) => event.step <= step)
    if (index >= 0) anchors.push(index)
  }
  return anchors.slice(0, ANCHORS_MAX).sort((left, right) => left - right)
}

function isGood(type: string): boolean {
  return type === 'finished' || type === 'stopped'
}

function faultsDrawn(trace: readonly TraceEvent[]): ReadonlySet<number> {
  return firstAndLast(trace.flatMap(({ fault }, index) => (fault === undefined ? [] : [index])))
}

function livesDrawn(trace: readonly TraceEvent[]): ReadonlySet<number> {
  return firstAndLast([...new Set(trace.map(({ life }) => life))])
}

function firstAndLast(all: readonly number[]): ReadonlySet<number> {
  if (all.length <= 2 * EACH_MAX) return new Set(all)
  return new Set([...all.slice(0, EACH_MAX), ...all.slice(-EACH_MAX)])
}
