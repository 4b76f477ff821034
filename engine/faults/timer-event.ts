/** What becomes of the timers of one step and subtask: recorded, but no step of the protocol. */
export type TimerEvent = TimersOpened | TimerChanged

/** The subtask has its timers, those of a checkpoint among them. Before any other event of it. */
export interface TimersOpened {
  readonly what: 'opened'
  readonly uid: string
  readonly subtask: number
  readonly parallelism: number
  readonly maxParallelism: number
}

/** `fired` is told before the callback, which may register the same timer again. */
export interface TimerChanged {
  readonly what: 'registered' | 'deleted' | 'fired'
  readonly kind: TimerKind
  readonly uid: string
  readonly subtask: number
  /** Its canonical bytes, one a character. */
  readonly key: string
  readonly atMs: number
}

export type TimerKind = 'event' | 'processing'
