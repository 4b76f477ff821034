/** What the shapes read, and what they have to publish, counted the plain way. */
import { seededRandom } from '../../engine/base/random.ts'
import { RECORDS } from './shape.ts'

export interface ShapeEvent {
  readonly id: number
  readonly user: string
  readonly amount: number
  readonly at: number
}

export const START_MS = Date.UTC(2026, 0, 1)
/** Event times are out of order by less than this. */
export const JITTER_MS = 60
const STEP_MS = 5
/** So many that some are not heard of between two checkpoints. */
const USERS = 24

const dice = seededRandom(7)
const all: readonly ShapeEvent[] = Array.from({ length: RECORDS }, (_, id) => ({
  id,
  user: `user-${dice.int(USERS)}`,
  amount: dice.int(1_000),
  at: START_MS + JITTER_MS + id * STEP_MS - dice.int(JITTER_MS),
}))

export function event(index: number): ShapeEvent {
  return all[index]!
}

export const events = all
export const END_MS = START_MS + JITTER_MS + RECORDS * STEP_MS

/** Rows in the form of a JSON sink: fields in order, nothing else. */
export function rows<T>(values: readonly T[]): readonly string[] {
  return values.map((value) => JSON.stringify(value))
}

export const allIds = rows(events.map(({ id }) => ({ id })))

export interface Total {
  readonly user: string
  readonly start: number
  readonly end: number
  readonly events: number
  readonly amount: number
}

/** Totals of each user and window of `sizeMs` that begins at a multiple of `slideMs`. */
export function windowTotals(sizeMs: number, slideMs = sizeMs): readonly Total[] {
  const totals = new Map<string, Total>()
  for (const { user, amount, at } of events) {
    for (let start = at - (at % slideMs); start > at - sizeMs; start -= slideMs) {
      const key = `${user} ${start}`
      const before = totals.get(key) ?? { user, start, end: start + sizeMs, events: 0, amount: 0 }
      totals.set(key, {
        ...before,
        events: before.events + 1,
        amount: before.amount + amount,
      })
    }
  }
  return [...totals.values()]
}

/** Each user's events by time, cut where nothing came for longer than the gap. */
export function sessionTotals(gapMs: number): readonly Total[] {
  const open = new Map<string, Total>()
  const closed: Total[] = []
  for (const { user, amount, at } of [...events].sort((left, right) => left.at - right.at)) {
    const before = open.get(user)
    const goesOn = before !== undefined && at <= before.end
    if (before !== undefined && !goesOn) closed.push(before)
    const start = goesOn ? before.start : at
    open.set(user, {
      user,
      start,
      end: at + gapMs,
      events: (goesOn ? before.events : 0) + 1,
      amount: (goesOn ? before.amount : 0) + amount,
    })
  }
  return [...closed, ...open.values()]
}

/** What each record makes of the total of its key, in the order of the records. */
export function runningTotals<K>(
  keyOf: (event: ShapeEvent) => K,
): readonly { readonly key: K; readonly events: number; readonly amount: number }[] {
  const totals = new Map<K, { events: number; amount: number }>()
  return events.map((each) => {
    const key = keyOf(each)
    const before = totals.get(key) ?? { events: 0, amount: 0 }
    const after = { events: before.events + 1, amount: before.amount + each.amount }
    totals.set(key, after)
    return { key, ...after }
  })
}

export const runningByUser = rows(
  runningTotals(({ user }) => user).map(({ key, ...total }) => ({ user: key, ...total })),
)
