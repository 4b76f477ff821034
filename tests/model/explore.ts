/**
 * Looks at every state that a machine can get into, breadth first, so that the trace to what is
 * wrong is a shortest one. A state is plain data; two are the same when their codes are. Of a code
 * only a digest of 128 bits is kept (hash compaction, Wolper and Leroy 1993): that two of ten
 * million codes share one is less likely than one in 10^24.
 */
import { createHash } from 'node:crypto'

export interface Machine<S> {
  readonly initial: S
  /** All that may happen next. What `take` throws is what is wrong. */
  readonly steps: (state: S) => readonly Step<S>[]
  readonly encode: (state: S) => string
  /** Where it may rest for good: from every state one of these must be within reach. */
  readonly isEnd: (state: S) => boolean
}

export interface Step<S> {
  readonly name: string
  readonly take: () => S
}

export interface Explored {
  readonly states: number
  readonly transitions: number
  /** Steps to the state that is farthest from the first one. */
  readonly depth: number
  readonly ends: number
  /** How often each kind of step was taken: the first word of its name. */
  readonly taken: ReadonlyMap<string, number>
  readonly wrong: Wrong | undefined
}

export interface Wrong {
  readonly message: string
  readonly trace: readonly string[]
}

/** An invariant that does not hold. */
export class Violation extends Error {}

export function holds(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Violation(message)
}

/** Throws when there are more than `statesMax`: a search that was cut short has shown nothing. */
export function explore<S>(machine: Machine<S>, statesMax = 20_000_000): Explored {
  const history = new History()
  const indexes = new Map<string, number>([[digest(machine.encode(machine.initial)), 0]])
  const ends: number[] = machine.isEnd(machine.initial) ? [0] : []
  const taken = new Map<string, number>()
  let depth = 0
  let transitions = 0
  let level: [number, S][] = [[0, machine.initial]]
  const result = (wrong?: Wrong): Explored => {
    return { states: indexes.size, transitions, depth, ends: ends.length, taken, wrong }
  }
  while (level.length > 0) {
    const next: [number, S][] = []
    for (const [from, state] of level) {
      for (const step of machine.steps(state)) {
        transitions += 1
        const kind = step.name.split(' ', 1)[0]!
        taken.set(kind, (taken.get(kind) ?? 0) + 1)
        let reached: S
        try {
          reached = step.take()
        } catch (thrown) {
          const message = thrown instanceof Error ? thrown.message : String(thrown)
          return result({ message, trace: [...history.traceTo(from), step.name] })
        }
        const code = digest(machine.encode(reached))
        const known = indexes.get(code)
        history.edge(from, known ?? indexes.size)
        if (known !== undefined) continue
        const index = indexes.size
        if (index >= statesMax) throw new Error(`more than ${statesMax} states`)
        indexes.set(code, index)
        history.state(from, step.name)
        if (machine.isEnd(reached)) ends.push(index)
        next.push([index, reached])
      }
    }
    level = next
    if (level.length > 0) depth += 1
  }
  const stuck = history.firstThatReachesNone(ends)
  if (stuck === undefined) return result()
  return result({ message: 'no end is within reach (I11)', trace: history.traceTo(stuck) })
}

/** How each state was first reached, and what leads where. */
function digest(code: string): string {
  return createHash('md5').update(code).digest('base64')
}

class History {
  readonly #parents: number[] = [-1]
  readonly #names: string[] = ['']
  readonly #from: number[] = []
  readonly #to: number[] = []

  state(parent: number, name: string): void {
    this.#parents.push(parent)
    this.#names.push(name)
  }

  edge(from: number, to: number): void {
    this.#from.push(from)
    this.#to.push(to)
  }

  traceTo(index: number): string[] {
    const trace: string[] = []
    for (let at = index; at > 0; at = this.#parents[at]!) trace.push(this.#names[at]!)
    return trace.reverse()
  }

  firstThatReachesNone(ends: readonly number[]): number | undefined {
    const count = this.#parents.length
    const starts = new Int32Array(count + 1)
    for (const to of this.#to) starts[to + 1]! += 1
    for (let index = 0; index < count; index += 1) starts[index + 1]! += starts[index]!
    const filled = starts.slice()
    const sources = new Int32Array(this.#from.length)
    for (const [edge, to] of this.#to.entries()) {
      sources[filled[to]!] = this.#from[edge]!
      filled[to]! += 1
    }
    const reaches = new Uint8Array(count)
    const queue = [...ends]
    for (const end of ends) reaches[end] = 1
    for (let to = queue.pop(); to !== undefined; to = queue.pop()) {
      for (let at = starts[to]!; at < starts[to + 1]!; at += 1) {
        const from = sources[at]!
        if (reaches[from] === 1) continue
        reaches[from] = 1
        queue.push(from)
      }
    }
    const first = reaches.indexOf(0)
    return first === -1 ? undefined : first
  }
}
