import type { Add } from './window-fold.ts'
import type { OperatorContext } from '../../engine/operator/operator.ts'
import type { RecordBatch } from '../../engine/stream/record-batch.ts'
import type { SchemaData } from '../../engine/stream/schema.ts'
import type { StateDescriptor, ValueState } from '../../engine/state/state.ts'
import type { WindowParts } from './window-operator.ts'
import { WindowOperator } from './window-operator.ts'

interface Session {
  start: number
  /** Exclusive: one gap after the last record. */
  end: number
  /** The latest time at which a timer was set for it. */
  timerMs: number
  accumulator: unknown
}

/** Keyed state: the sessions of a key that are not late, in order of their starts. */
export function sessionState(accumulator: SchemaData): Extract<StateDescriptor, { type: 'value' }> {
  const fields = [
    { name: 'start', schema: { kind: 'timestamp' } },
    { name: 'end', schema: { kind: 'timestamp' } },
    { name: 'timerMs', schema: { kind: 'timestamp' } },
    { name: 'accumulator', schema: accumulator },
  ] as const
  const value: SchemaData = { kind: 'list', item: { kind: 'struct', fields } }
  return { type: 'value', name: 'sessions', value }
}

/**
 * Sessions: records of a key without a gap between them. A record may join two sessions to one.
 * Beside W1–W4:
 *
 * E1. Sessions of a key do not touch: [start, end] of one and of another have no moment in common.
 * E2. A session that has not fired has a timer at or before its end − 1. A record that extends it
 *     sets none: the timer, when it fires too early, is set anew.
 * E3. A session that has fired has a timer at the moment it becomes late, unless it is gone then.
 */
export class SessionWindowOperator extends WindowOperator {
  readonly #gapMs: number
  readonly #latenessMs: number
  #state!: ValueState<Session[], Session[] | undefined>
  #add!: Add

  constructor(parts: WindowParts, gapMs: number) {
    super(parts)
    this.#gapMs = gapMs
    this.#latenessMs = parts.allowedLatenessMs
  }

  protected override openState(context: OperatorContext): void {
    this.#state = context.keyed.value(sessionState(this.fold.accumulator))
  }

  protected override startBatch(batch: RecordBatch): void {
    this.#add = this.fold.bind(batch)
  }

  protected override add(ms: number, index: number): boolean {
    const sessions = this.#state.value() ?? []
    // The sessions that the record touches: sessions[from .. to).
    let from = 0
    while (from < sessions.length && sessions[from]!.end < ms) from += 1
    let to = from
    while (to < sessions.length && sessions[to]!.start <= ms + this.#gapMs) to += 1
    const start = to > from ? Math.min(ms, sessions[from]!.start) : ms
    const end = Math.max(ms + this.#gapMs, to > from ? sessions[to - 1]!.end : -Infinity)
    if (end - 1 + this.#latenessMs <= this.watermarkMs) return false

    const session = this.#join(sessions, from, to)
    session.start = start
    session.end = end
    session.accumulator = this.#add(session.accumulator, index)
    this.#settle(session)
    this.#state.update(sessions)
    return true
  }

  protected override onTimer(atMs: number): void {
    const sessions = this.#state.value()
    if (sessions === undefined) return
    const { timers, keyed } = this.context
    const left: Session[] = []
    let isChanged = false
    for (const session of sessions) {
      const lastMs = session.end - 1
      if (lastMs === atMs) {
        this.fold.emit(session.accumulator, keyed.currentKey, session.start, session.end)
        if (this.#latenessMs > 0) timers.registerEventTimeTimer(atMs + this.#latenessMs)
      } else if (lastMs > atMs && session.timerMs === atMs) {
        timers.registerEventTimeTimer(lastMs)
        session.timerMs = lastMs
        isChanged = true
      }
      if (lastMs + this.#latenessMs > atMs) left.push(session)
    }
    if (left.length === 0) this.#state.clear()
    else if (isChanged || left.length < sessions.length) this.#state.update(left)
  }

  /** Makes one session of sessions[from .. to), in their place; a new one where there is none. */
  #join(sessions: Session[], from: number, to: number): Session {
    if (from === to) {
      const session = { start: 0, end: 0, timerMs: -Infinity, accumulator: undefined }
      sessions.splice(from, 0, session)
      return session
    }
    const session = sessions[from]!
    for (let index = from + 1; index < to; index += 1) {
      const other = sessions[index]!
      session.accumulator = this.fold.merge(session.accumulator, other.accumulator)
      session.timerMs = Math.max(session.timerMs, other.timerMs)
    }
    sessions.splice(from + 1, to - from - 1)
    return session
  }

  /** Sees to E2 and E3 for a session that has got a record. */
  #settle(session: Session): void {
    const lastMs = session.end - 1
    const { timers, keyed } = this.context
    if (lastMs > this.watermarkMs) {
      if (session.timerMs > this.watermarkMs) return
      timers.registerEventTimeTimer(lastMs)
      session.timerMs = lastMs
    } else {
      this.fold.emit(session.accumulator, keyed.currentKey, session.start, session.end)
      timers.registerEventTimeTimer(lastMs + this.#latenessMs)
    }
  }
}
