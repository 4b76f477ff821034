import { StreamError } from '../base/errors.ts'
import { TIMERS_AT_END_MAX } from '../base/limits.ts'
import { keyText } from './key-text.ts'

/**
 * Finds the key whose event-time timers set one another for ever: behind the end of the input each
 * is due at once, so that the job would never end.
 */
export class TimerChains {
  readonly #limit: number
  #total = 0
  /** Only kept once the total is past the limit: most jobs never come there. */
  readonly #counts = new Map<string, number>()

  constructor(limit = TIMERS_AT_END_MAX) {
    this.#limit = limit
  }

  /** A timer of `key` was set. Throws TIMERS_ENDLESS when there were too many. */
  count(key: unknown): void {
    this.#total += 1
    if (this.#total <= this.#limit) return
    const text = keyText(key)
    const count = (this.#counts.get(text) ?? 0) + 1
    this.#counts.set(text, count)
    if (count <= this.#limit) return
    throw new StreamError(
      'TIMERS_ENDLESS',
      `the key ${shownKey(key)} has set more than ${this.#limit} event-time timers behind the end of the input`,
      {
        hint: 'End the chain: set the next timer only while there is something left for it to do.',
      },
    )
  }
}

function shownKey(key: unknown): string {
  if (typeof key === 'bigint') return String(key)
  const text = JSON.stringify(key, (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  ) as string | undefined
  return text ?? 'at hand'
}
