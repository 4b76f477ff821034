import type { Duration } from '../engine/time/duration.ts'
import { StreamError } from '../engine/base/errors.ts'

/** How records of a key are gathered by event time. */
export interface Windows {
  readonly kind: 'windows'
}

/**
 * What windows are below their type.
 *
 * W1. A window is [start, end) in epoch ms; a record belongs to it when its time lies inside.
 * W2. Tumbling windows begin at multiples of the size since 1970-01-01T00:00Z, plus `offsetMs`.
 *     With a `timeZone` they begin at the start of each local day plus whole sizes. A day starts
 *     when the clocks there show midnight plus `offsetMs`, also on a day when they change.
 * W3. A session ends `gapMs` after its last record; two that touch are one.
 */
export type WindowData =
  | {
      readonly kind: 'windows'
      readonly type: 'tumbling'
      readonly sizeMs: number
      readonly offsetMs: number
      readonly timeZone?: string
    }
  | {
      readonly kind: 'windows'
      readonly type: 'sliding'
      readonly sizeMs: number
      readonly everyMs: number
    }
  | { readonly kind: 'windows'; readonly type: 'session'; readonly gapMs: number }

/** The two columns that the result of a window has besides its own. Epoch ms. */
export interface WindowBounds {
  readonly windowStart: number
  readonly windowEnd: number
}

export function tumbling(
  size: Duration,
  options: { readonly offsetMs?: number; readonly timeZone?: string } = {},
): Windows {
  const { offsetMs = 0, timeZone } = options
  positive('tumbling', 'size', size)
  if (!Number.isSafeInteger(offsetMs)) {
    throw new StreamError('OPTION_INVALID', `tumbling: offsetMs is ${offsetMs}`, {
      hint: 'Give whole milliseconds.',
    })
  }
  if (timeZone !== undefined) checkTimeZone(timeZone)
  return windowsOf({
    kind: 'windows',
    type: 'tumbling',
    sizeMs: size,
    offsetMs,
    ...(timeZone === undefined ? {} : { timeZone }),
  })
}

export function sliding(size: Duration, every: Duration): Windows {
  positive('sliding', 'size', size)
  positive('sliding', 'every', every)
  if (every > size) {
    throw new StreamError('OPTION_INVALID', `sliding: every ${every} ms is longer than the size`, {
      hint: 'Records between two windows would be lost: filter them, or use a longer size.',
    })
  }
  return windowsOf({ kind: 'windows', type: 'sliding', sizeMs: size, everyMs: every })
}

export function session(gap: Duration): Windows {
  positive('session', 'gap', gap)
  return windowsOf({ kind: 'windows', type: 'session', gapMs: gap })
}

/** The data below windows. Throws OPTION_INVALID for what is none. */
export function windowData(windows: unknown): WindowData {
  const data = windows as WindowData | undefined
  if (typeof data === 'object' && (data as { kind?: unknown } | null)?.kind === 'windows') {
    return data
  }
  throw new StreamError('OPTION_INVALID', 'window() was not given windows', {
    hint: 'Give it tumbling(size), sliding(size, every) or session(gap).',
  })
}

function windowsOf(data: WindowData): Windows {
  return Object.freeze(data)
}

/** So that the end of a window, with its lateness, is a time before the end of the stream. */
const WINDOW_MS_MAX = 1e14

function positive(windows: string, name: string, ms: number): void {
  if (Number.isSafeInteger(ms) && ms > 0 && ms <= WINDOW_MS_MAX) return
  throw new StreamError('OPTION_INVALID', `${windows}: ${name} is ${String(ms)}`, {
    hint: 'Give a duration of whole milliseconds above 0, at most 3,000 years, for example minutes(5).',
  })
}

function checkTimeZone(timeZone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone })
  } catch (error) {
    throw new StreamError('OPTION_INVALID', `tumbling: no time zone "${timeZone}"`, {
      hint: "Give an IANA name, for example 'Europe/Vienna'.",
      cause: error,
    })
  }
}
