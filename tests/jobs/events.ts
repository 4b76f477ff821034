/** What the jobs of the tests read: a pure function of the number, out of order by up to 2 s. */
export interface Event {
  readonly id: number
  readonly user: string
  readonly amount: number
  readonly at: number
}

export const EVENTS_START_MS = Date.UTC(2026, 0, 1)
export const JITTER_MS = 2_000
const USERS = 200
const STEP_MS = 5

export function event(index: number): Event {
  const dice = mix(index)
  return {
    id: index,
    user: `user-${dice % USERS}`,
    amount: (dice >>> 8) % 1_000,
    at: EVENTS_START_MS + JITTER_MS + index * STEP_MS - (mix(dice) % JITTER_MS),
  }
}

function mix(value: number): number {
  let hash = value ^ (value >>> 16)
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
