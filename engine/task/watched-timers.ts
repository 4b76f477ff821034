import type { FaultProbe } from '../faults/probe.ts'
import type { OperatorContext, TimerQueue } from '../operator/operator.ts'

/** Timers with their fault points: each time for which some fire is told once, before the first. */
export function watchedTimers(
  timers: TimerQueue,
  faults: FaultProbe,
  { uid, subtask }: Pick<OperatorContext, 'uid' | 'subtask'>,
): TimerQueue {
  const watched = (
    point: 'timer.event' | 'timer.processing',
    onTimer: (atMs: number) => void,
  ): ((atMs: number) => void) => {
    let toldMs: number | undefined
    return (atMs) => {
      if (atMs !== toldMs) faults.reach(point, { uid, subtask, ms: atMs })
      toldMs = atMs
      onTimer(atMs)
    }
  }
  return {
    get watermarkMs() {
      return timers.watermarkMs
    },
    get processingTimeMs() {
      return timers.processingTimeMs
    },
    registerEventTimeTimer: (atMs) => timers.registerEventTimeTimer(atMs),
    deleteEventTimeTimer: (atMs) => timers.deleteEventTimeTimer(atMs),
    registerProcessingTimeTimer: (atMs) => timers.registerProcessingTimeTimer(atMs),
    deleteProcessingTimeTimer: (atMs) => timers.deleteProcessingTimeTimer(atMs),
    fireEventTime: (ms, onTimer, mayContinue) =>
      timers.fireEventTime(ms, watched('timer.event', onTimer), mayContinue),
    fireProcessingTime: (nowMs, onTimer, mayContinue) =>
      timers.fireProcessingTime(nowMs, watched('timer.processing', onTimer), mayContinue),
    nextProcessingTimeMs: () => timers.nextProcessingTimeMs(),
  }
}
