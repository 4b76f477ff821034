import type { Golden } from '../../engine/chaos/subject.ts'
import type { TraceEvent } from '../../engine/faults/trace.ts'
import type { RealRun } from './process.ts'
import { reachedIn } from '../../engine/chaos/subject.ts'

/** The step behind which a checkpoint is complete. */
const COMPLETE = 'coordinator.written'

/** How often each point is reached before the first checkpoint is complete. */
export function earlyIn(trace: readonly TraceEvent[]): Golden['reached'] {
  const first = trace.findIndex(({ point }) => point === COMPLETE)
  return reachedIn(first < 0 ? trace : trace.slice(0, first + 1))
}

export function checkpointsIn(trace: readonly TraceEvent[]): number {
  return trace.filter(({ point }) => point === COMPLETE).length
}

/** What struck in real runs: enough to tell a search that found nothing from one that tried nothing. */
export class StruckTally {
  readonly #kinds = new Map<string, number>()
  readonly #points = new Map<string, number>()
  readonly #seeds: number[] = []
  #lives = 0
  #checkpoints = 0
  #faults = 0
  #late = 0
  #idle = 0

  add({ schedule, lives, trace }: Pick<RealRun, 'schedule' | 'lives' | 'trace'>): void {
    this.#seeds.push(schedule.seed)
    this.#lives += lives.length
    this.#checkpoints += checkpointsIn(trace)
    const first = trace.findIndex(({ point }) => point === COMPLETE)
    const struck = [...trace.entries()].filter(([, { fault }]) => fault !== undefined)
    if (struck.length === 0) this.#idle += 1
    for (const [index, { point, fault }] of struck) {
      this.#faults += 1
      if (first >= 0 && index > first) this.#late += 1
      increment(this.#points, point)
      increment(this.#kinds, fault!.type === 'errno' ? fault.errno : fault!.type)
    }
  }

  /** Rows of a report: name and text. */
  rows(): readonly (readonly [string, string])[] {
    const idle = this.#idle === 0 ? '' : `; in ${counted(this.#idle, 'schedule')} none struck`
    const [first, last] = [this.#seeds[0], this.#seeds.at(-1)]
    const behind = `${this.#late} of them when a checkpoint was complete`
    return [
      ['seeds', first === last ? `${first ?? 'none'}` : `${first} to ${last}`],
      ['lives', `${this.#lives}, with ${counted(this.#checkpoints, 'complete checkpoint')}`],
      ['faults', `${this.#faults} struck, ${behind}${idle}`],
      ['kinds', listed(this.#kinds)],
      ['points', listed(this.#points)],
      ...(this.#faults > 0 && this.#late === 0 ? ([['', TOO_EARLY]] as const) : []),
    ]
  }
}

const TOO_EARLY =
  'no fault came behind a checkpoint, so nothing was ever restored: let checkpoints come more often'

/** The most frequent first. */
function listed(counts: ReadonlyMap<string, number>): string {
  const sorted = [...counts].sort(([, left], [, right]) => right - left)
  const shown = sorted.slice(0, SHOWN).map(([name, count]) => `${count} ${name}`)
  const more = sorted.length > SHOWN ? [`and ${sorted.length - SHOWN} more`] : []
  return shown.length === 0 ? 'none' : [...shown, ...more].join(', ')
}

const SHOWN = 12

function counted(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? '' : 's'}`
}

function increment<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
