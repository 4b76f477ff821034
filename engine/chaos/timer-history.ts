import type { FaultPlace } from '../faults/place.ts'
import type { FaultPointName } from '../faults/points.ts'
import type { TimerEvent } from '../faults/timer-event.ts'
import type { CheckpointId } from '../stream/elements.ts'

/** What a process did with timers, and the moments at which checkpoints took or gave them. */
export type TimerStep = (
  | TimerEvent
  /** All timers of the process are those of this checkpoint. */
  | { readonly what: 'restored'; readonly checkpointId: CheckpointId }
  /** A step belongs to this task. */
  | {
      readonly what: 'chained'
      readonly uid: string
      readonly task: string
      readonly subtask: number
    }
  /** All timers of a subtask of this task go into the checkpoint as they are now. */
  | {
      readonly what: 'cut'
      readonly task: string
      readonly subtask: number
      readonly checkpointId: CheckpointId
    }
) & { readonly step: number }

/** In the order in which it happened. */
export interface ProcessTimers {
  readonly process: number
  readonly steps: readonly TimerStep[]
}

/** What became of timers, process by process. */
export class TimerHistory {
  readonly processes: ProcessTimers[] = []

  /** Of a process that starts. */
  recorder(process: number, step: () => number): TimerRecorder {
    const recorder = new TimerRecorder(process, step)
    this.processes.push(recorder)
    return recorder
  }
}

/** Is told by the probe of one process. */
export class TimerRecorder implements ProcessTimers {
  readonly process: number
  readonly steps: TimerStep[] = []
  readonly #step: () => number

  constructor(process: number, step: () => number) {
    this.process = process
    this.#step = step
  }

  timer(event: TimerEvent): void {
    this.steps.push({ ...event, step: this.#step() })
  }

  reached(point: FaultPointName, { uid, subtask, checkpointId, what }: FaultPlace): void {
    const step = this.#step()
    if (point === 'recover.verify') {
      this.steps.push({ what: 'restored', checkpointId: checkpointId!, step })
    } else if (point === 'task.open') {
      this.steps.push({ what: 'chained', uid: uid!, task: what!, subtask: subtask!, step })
    } else if (point === 'snapshot.cut') {
      const cut = { task: uid!, subtask: subtask!, checkpointId: checkpointId! }
      this.steps.push({ what: 'cut', ...cut, step })
    }
  }
}
