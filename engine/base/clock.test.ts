import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { systemClock } from './clock.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

// Node's own timers take at most 2³¹ − 1 ms and fire at once beyond.
test.each([0, 1, 2 ** 31 - 1, 2 ** 31, 10 * 365 * 86_400_000])(
  'a timer of %d ms fires once, then and not before',
  async (delayMs) => {
    let fired = 0
    let slept = false
    systemClock.timer(delayMs, () => {
      fired += 1
    })
    void systemClock.sleep(delayMs).then(() => {
      slept = true
    })
    systemClock.timer(delayMs, () => expect.unreachable()).cancel()
    if (delayMs > 0) await vi.advanceTimersByTimeAsync(delayMs - 1)
    expect([fired, slept]).toEqual([0, false])
    await vi.advanceTimersByTimeAsync(1)
    expect([fired, slept]).toEqual([1, true])
    await vi.advanceTimersByTimeAsync(2 ** 32)
    expect(fired).toBe(1)
  },
)

test('a long timer can be cancelled after its first part', async () => {
  const timer = systemClock.timer(2 ** 32, () => expect.unreachable())
  await vi.advanceTimersByTimeAsync(2 ** 31)
  timer.cancel()
  await vi.advanceTimersByTimeAsync(2 ** 33)
})
