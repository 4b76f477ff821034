import type { FaultProbe } from '../faults/probe.ts'
import type { TimerChanged, TimerKind } from '../faults/timer-event.ts'
import type { OperatorContext, TimerQueue } from '../operator/operator.ts'
import type { KeyedStateBackend } from '../state/state.ts'
import { keyText } from '../state/key-text.ts'

type Place = Pick<OperatorContext, 'uid' | 'subtask' | 'parallelism' | 'maxParallelism'>

type Fire = (atMs: number) => void

/** Keyed state with the timers of its keys. */
interface TimedState extends KeyedStateBackend {
  readonly timers: TimerQueue
}

/**
 * Timers with their fault points: each time for which some fire is told once, before the first. A
 * probe that records what becomes of each timer is told of that too.
 */
export function watchedTimers(state: TimedState, faults: FaultProbe, place: Place): TimerQueue {
  const { timers } = state
  const { uid, subtask, parallelism, maxParallelism } = place
  faults.timer?.({ what: 'opened', uid, subtask, parallelism, maxParallelism })
  const tell = (what: TimerChanged['what'], kind: TimerKind, atMs: number): void => {
    faults.timer?.({ what, kind, uid, subtask, key: keyText(state.currentKey), atMs })
  }
  const watched = (kind: TimerKind, onTimer: Fire): Fire => {
    let toldMs: number | undefined
    return (atMs) => {
      if (atMs !== toldMs) faults.reach(`timer.${kind}`, { uid, subtask, ms: atMs })
      toldMs = atMs
      tell('fired', kind, atMs)
      onTimer(atMs)
    }
  }
  // At the end of the input each of processing time fires once, and what that sets is no timer.
  let isLastRound = false
  return {
    get watermarkMs() {
      return timers.watermarkMs
    },
    get processingTimeMs() {
      return timers.processingTimeMs
    },
    registerEventTimeTimer(atMs) {
      timers.registerEventTimeTimer(atMs)
      tell('registered', 'event', atMs)
    },
    deleteEventTimeTimer(atMs) {
      timers.deleteEventTimeTimer(atMs)
      tell('deleted', 'event', atMs)
    },
    registerProcessingTimeTimer(atMs) {
      timers.registerProcessingTimeTimer(atMs)
      if (!isLastRound) tell('registered', 'processing', atMs)
    },
    deleteProcessingTimeTimer(atMs) {
      timers.deleteProcessingTimeTimer(atMs)
      tell('deleted', 'processing', atMs)
    },
    fireEventTime: (ms, onTimer, mayContinue) =>
      timers.fireEventTime(ms, watched('event', onTimer), mayContinue),
    // Records that wait are no timers: what becomes of them is told by what the step emits.
    waitUntil(atMs) {
      timers.waitUntil(atMs)
    },
    fireInOrder: (ms, onPlace, onTimer, mayContinue, unkeyed) =>
      timers.fireInOrder(ms, onPlace, watched('event', onTimer), mayContinue, unkeyed),
    fireProcessingTime(nowMs, onTimer, mayContinue) {
      isLastRound = nowMs === Infinity
      const isDone = timers.fireProcessingTime(nowMs, watched('processing', onTimer), mayContinue)
      if (isDone) isLastRound = false
      return isDone
    },
    nextEventTimeMs: () => timers.nextEventTimeMs(),
    nextProcessingTimeMs: () => timers.nextProcessingTimeMs(),
  }
}
