import { encodeKey } from '../../stream/key-codec.ts'

/** What one key has, in plain collections. */
export interface ModelEntry {
  readonly key: unknown
  value: unknown
  count: number | undefined
  list: unknown[]
  map: Map<string, { readonly key: unknown; value: unknown }>
  eventTimers: Set<number>
  processingTimers: Set<number>
}

export interface ModelTimer {
  readonly atMs: number
  readonly key: string
}

/** Keyed state as anybody would write it who need not save it: what the store must be equal to. */
export class StateModel {
  readonly entries = new Map<string, ModelEntry>()

  entry(key: unknown): ModelEntry {
    const own = textOf(key)
    let entry = this.entries.get(own)
    if (entry === undefined) {
      entry = {
        key,
        value: undefined,
        count: undefined,
        list: [],
        map: new Map(),
        eventTimers: new Set(),
        processingTimers: new Set(),
      }
      this.entries.set(own, entry)
    }
    return entry
  }

  copy(): StateModel {
    const copy = new StateModel()
    for (const [own, entry] of this.entries) copy.entries.set(own, structuredClone(entry))
    return copy
  }

  /** Takes the event-time timers that are due, in the order they have to fire. */
  takeEventTimers(ms: number): ModelTimer[] {
    const due: ModelTimer[] = []
    for (const [key, entry] of this.entries) {
      for (const atMs of [...entry.eventTimers]) {
        if (atMs > ms) continue
        due.push({ atMs, key })
        entry.eventTimers.delete(atMs)
      }
    }
    return due.sort((left, right) => left.atMs - right.atMs || (left.key < right.key ? -1 : 1))
  }
}

/** A key's canonical bytes, one a character. */
export function textOf(key: unknown): string {
  return Buffer.from(encodeKey(key)).toString('latin1')
}
