import type { TraceEvent } from '../../faults/trace.ts'
import type { TimelineInput, TimelineLife, LifeEnd, Note } from './model.ts'
import { formatCheckpointId } from '../../checkpoint/layout.ts'
import { faultPoints, isFaultPoint } from '../../faults/points.ts'
import { describeAction } from '../../faults/schedule.ts'

const MESSAGE_MAX = 160

/** How far the checkpoints of a life had come: what its end is told by. */
export class Story {
  readonly #input: TimelineInput
  /** Files that a claim of a target goes on to publish. */
  published = 0
  #triggered: number | undefined
  #decided: number | undefined
  #committed: number | undefined

  constructor(input: TimelineInput) {
    this.#input = input
  }

  on({ point, place }: TraceEvent, trace: readonly TraceEvent[], index: number): void {
    switch (point) {
      case 'life.begin':
        this.#triggered = undefined
        this.#decided = undefined
        this.#committed = undefined
        break
      case 'recover.verify':
        this.#decided = place.checkpointId
        break
      case 'recover.ready':
        this.#committed = this.#decided
        break
      case 'recover.target':
        this.published = publishedFrom(trace, index)
        break
      case 'coordinator.trigger':
        this.#triggered = place.checkpointId
        break
      case 'coordinator.written':
        this.#decided = place.checkpointId
        break
      case 'coordinator.committed':
        this.#committed = place.checkpointId
        break
      case 'coordinator.abort':
        if (this.#triggered === place.checkpointId) this.#triggered = undefined
        break
      default:
        break
    }
  }

  /** What is said where a life ends. */
  endWords(life: number): string {
    const record = this.#input.lives.find((one) => one.life === life)
    if (record === undefined) return `life ${life} ends`
    const { ended, toMs } = record
    const at = `at ${Math.round(toMs)} ms`
    switch (ended.type) {
      case 'crash':
        return `life ${life} is killed ${at}: ${this.#state()}`
      case 'power-loss':
        return `life ${life} loses power ${at}: ${this.#state()}`
      case 'torn':
        return `life ${life} loses power in the middle of a write ${at}: ${this.#state()}`
      case 'rescale':
        return `life ${life} is killed ${at}, to restart at another parallelism: ${this.#state()}`
      case 'taken-over':
        return `life ${life} is taken over ${at}: ${this.#state()}`
      case 'failed': {
        if (ended.error === undefined) return `life ${life} fails ${at}: ${this.#state()}`
        const { code, message } = ended.error
        return `life ${life} fails ${at}, ${code}: ${shortened(message)}`
      }
      case 'stuck':
        return `life ${life} hangs ${at}: ${this.#state()}`
      case 'finished':
      case 'stopped':
        return `life ${life} ${doneWords(ended)} ${at}`
      default:
        return ended satisfies never
    }
  }

  #state(): string {
    const [decided, triggered] = [this.#decided, this.#triggered]
    const words: string[] = []
    if (decided === undefined) words.push('no checkpoint is complete')
    else {
      const name = formatCheckpointId(decided)
      words.push(`${name} is ${this.#committed === decided ? '' : 'complete, not '}committed`)
    }
    if (triggered !== undefined && triggered !== decided) {
      words.push(`${formatCheckpointId(triggered)} is under way`)
    }
    return words.join(', ')
  }
}

function doneWords(
  ended: Extract<TimelineLife['ended'], { type: 'finished' | 'stopped' }>,
): string {
  const { status = ended.type, lastCheckpoint } = ended.summary ?? {}
  if (status === 'already-finished') return 'finds the job finished'
  const last = lastCheckpoint === undefined ? '' : `, its last checkpoint is ${lastCheckpoint},`
  return `${status === 'stopped' ? 'is stopped' : 'finishes'}${last}`
}

/** What is said where a life begins. */
export function lifeWords({ lives, trace }: TimelineInput, life: number): string {
  const record = lives.find((one) => one.life === life)
  const restored = trace.find((event) => event.life === life && event.point === 'recover.verify')
  const id = restored?.place.checkpointId
  const from =
    id === undefined ? 'starts without a checkpoint' : `restores ${formatCheckpointId(id)}`
  const wide = record === undefined ? '' : ` at parallelism ${record.parallelism}`
  return `life ${life} ${from}${wide}`
}

export function endOf({ lives }: TimelineInput, life: number): LifeEnd {
  switch (lives.find((one) => one.life === life)?.ended.type) {
    case 'finished':
    case 'stopped':
    case undefined:
      return 'ended'
    case 'failed':
    case 'stuck':
      return 'failed'
    default:
      return 'killed'
  }
}

/** What is said beside a step; undefined where the mark says it all. */
export function noteOf({ point, place, fault }: TraceEvent, story: Story): Note | undefined {
  if (!isFaultPoint(point)) return undefined
  if (fault !== undefined) {
    const words = `${describeAction(fault)} at ${point}: ${faultPoints[point].does}`
    return { tone: 'fault', words }
  }
  const id = place.checkpointId === undefined ? '' : formatCheckpointId(place.checkpointId)
  const why = place.what === undefined ? '' : `: ${place.what}`
  switch (point) {
    case 'coordinator.written':
      return { tone: 'good', words: `${id} is complete` }
    case 'coordinator.committed':
      return { tone: 'good', words: `${id} is committed` }
    case 'coordinator.abort':
      return { tone: 'bad', words: `${id} is aborted${why}` }
    case 'snapshot.decline':
      return { tone: 'bad', words: `${id} is declined${why}` }
    case 'recover.own':
      return { tone: 'bad', words: 'the same job is started a second time' }
    case 'recover.verify':
      return { tone: 'good', words: `${id} is verified and restored` }
    case 'recover.target': {
      const files = story.published === 1 ? '1 file' : `${story.published} files`
      const published = story.published === 0 ? '' : `, publishes ${files}`
      return { tone: 'plain', words: `claims the target of ${place.uid ?? 'a sink'}${published}` }
    }
    default:
      return undefined
  }
}

/** Links of published files up to the next step of the recovery. */
function publishedFrom(trace: readonly TraceEvent[], index: number): number {
  let count = 0
  for (let next = index + 1; next < trace.length; next += 1) {
    const { point, fault } = trace[next]!
    if (point.startsWith('recover.') || point === 'life.end') break
    if (point === 'disk.publish.link' && fault === undefined) count += 1
  }
  return count
}

function shortened(text: string): string {
  const line = text.split('\n')[0]!
  return line.length <= MESSAGE_MAX ? line : `${line.slice(0, MESSAGE_MAX - 1)}…`
}
