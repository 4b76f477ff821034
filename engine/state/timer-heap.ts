import type { KeyedTimer } from './keyed-timer.ts'

/** A binary heap by (time, key bytes) in which every timer knows its place. */
export class TimerHeap {
  readonly #timers: KeyedTimer[] = []

  get first(): KeyedTimer | undefined {
    return this.#timers[0]
  }

  get count(): number {
    return this.#timers.length
  }

  push(timer: KeyedTimer): void {
    this.#timers.push(timer)
    this.#rise(timer, this.#timers.length - 1)
  }

  remove(timer: KeyedTimer): void {
    const at = timer.heapIndex
    const last = this.#timers.pop()!
    timer.heapIndex = -1
    if (last === timer) return
    if (at > 0 && isBefore(last, this.#timers[(at - 1) >> 1]!)) this.#rise(last, at)
    else this.#sink(last, at)
  }

  #rise(timer: KeyedTimer, from: number): void {
    const timers = this.#timers
    let at = from
    while (at > 0) {
      const above = (at - 1) >> 1
      const other = timers[above]!
      if (!isBefore(timer, other)) break
      timers[at] = other
      other.heapIndex = at
      at = above
    }
    timers[at] = timer
    timer.heapIndex = at
  }

  #sink(timer: KeyedTimer, from: number): void {
    const timers = this.#timers
    let at = from
    for (;;) {
      let below = at * 2 + 1
      if (below >= timers.length) break
      if (below + 1 < timers.length && isBefore(timers[below + 1]!, timers[below]!)) below += 1
      const other = timers[below]!
      if (!isBefore(other, timer)) break
      timers[at] = other
      other.heapIndex = at
      at = below
    }
    timers[at] = timer
    timer.heapIndex = at
  }
}

function isBefore(left: KeyedTimer, right: KeyedTimer): boolean {
  if (left.atMs !== right.atMs) return left.atMs < right.atMs
  return left.keyText < right.keyText
}
