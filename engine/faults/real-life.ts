import type { Clock } from '../base/clock.ts'
import type { FaultPlace } from './place.ts'
import type { FaultSchedule } from './schedule.ts'
import type { TraceEvent } from './trace.ts'
import { StreamError } from '../base/errors.ts'
import { createJournal, joinJournal, readLines, type Journal } from '../base/journal.ts'
import { FaultPlan, type Strike } from './fault-plan.ts'
import { isFaultPoint } from './points.ts'

/** How a life in this process ends at a crash: by SIGKILL, or alone, when others go on. */
export type CrashMode = 'process' | 'life'

/** All that another thread needs to be part of a life; plain data and shared memory. */
export interface SharedLife {
  readonly schedule: FaultSchedule
  readonly crash: CrashMode
  /** Counted from 1. */
  readonly life: number
  readonly journal: string
  /** When the run began, epoch ms. */
  readonly beganMs: number
  readonly cells: SharedArrayBuffer
}

/** One event as it stands in a journal: the trace's, and the index of the fault that struck. */
export type JournalEvent = TraceEvent & { readonly index?: number }

/** Cells before those of the plan: events so far, 1 when the life has crashed, ms of the clock. */
const STEP = 0
const CRASHED = 1
const CLOCK = 2
const OWN_CELLS = 3

/**
 * One life of a real run under a schedule, seen from one of its threads.
 *
 * J1. A life is a file `life-<n>.jsonl`, made exclusively: two processes never have one number.
 * J2. What was reached and what struck is in the file before anything is done about it, so the next
 *     life knows what has struck, however this one ended.
 */
export class RealLife {
  readonly shared: SharedLife
  readonly #clock: Clock
  readonly #plan: FaultPlan
  readonly #cells: Int32Array
  readonly #journal: Journal

  private constructor(shared: SharedLife, clock: Clock, journal: Journal) {
    const { schedule, life, cells } = shared
    this.shared = shared
    this.#clock = clock
    this.#journal = journal
    this.#cells = new Int32Array(cells, 0, OWN_CELLS)
    this.#plan = new FaultPlan(schedule.faults, planCells(cells))
    this.#plan.joinLife(life)
  }

  /** The next life of the run that writes into `folder`. */
  static begin(schedule: FaultSchedule, folder: string, crash: CrashMode, clock: Clock): RealLife {
    const count = OWN_CELLS + FaultPlan.cells(schedule.faults)
    const cells = new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT)
    const plan = new FaultPlan(schedule.faults, planCells(cells))
    let beganMs = clock.nowMs()
    let step = 0
    for (let life = 1; ; life += 1) {
      const path = journalPath(folder, life)
      const journal = createJournal(path)
      if (journal === undefined) {
        for (const event of readJournal(path)) {
          if (event.point === 'life.begin' && life === 1) beganMs = event.place.ms ?? beganMs
          if (isFaultPoint(event.point)) plan.replay(life, event.point, event.place, event.index)
          step = Math.max(step, event.step)
        }
        continue
      }
      plan.beginLife(life)
      Atomics.store(new Int32Array(cells), STEP, step)
      const shared = { schedule, crash, life, journal: path, beganMs, cells }
      const begun = new RealLife(shared, clock, journal)
      begun.tell('life.begin', life === 1 ? { ms: beganMs } : {})
      return begun
    }
  }

  /** The same life in another thread. */
  static join(shared: SharedLife, clock: Clock): RealLife {
    return new RealLife(shared, clock, joinJournal(shared.journal))
  }

  /** Notes the event; the fault that strikes there, if one does. */
  tell(point: TraceEvent['point'], place: FaultPlace): Strike | undefined {
    const struck = isFaultPoint(point) ? this.#plan.strike(point, place) : undefined
    const event: JournalEvent = {
      step: Atomics.add(this.#cells, STEP, 1) + 1,
      atMs: this.#clock.nowMs() - this.shared.beganMs,
      life: this.shared.life,
      point,
      place,
      ...(struck === undefined ? {} : { fault: struck.action, index: struck.index }),
    }
    this.#journal.append(JSON.stringify(event))
    return struck
  }

  get hasCrashed(): boolean {
    return Atomics.load(this.#cells, CRASHED) === 1
  }

  crashed(): void {
    Atomics.store(this.#cells, CRASHED, 1)
  }

  /** How far the wall clock is off, in all threads. */
  get clockOffMs(): number {
    return Atomics.load(this.#cells, CLOCK)
  }

  moveClock(ms: number): void {
    Atomics.add(this.#cells, CLOCK, ms)
  }
}

function planCells(cells: SharedArrayBuffer): Int32Array {
  return new Int32Array(cells, OWN_CELLS * Int32Array.BYTES_PER_ELEMENT)
}

export function journalPath(folder: string, life: number): string {
  return `${folder}/life-${life}.jsonl`
}

/** Events of one life, in order: threads write between each other. */
export function readJournal(path: string): readonly JournalEvent[] {
  const events = readLines(path).map((line) => JSON.parse(line) as JournalEvent)
  return events.sort((left, right) => left.step - right.step)
}

/** The schedule in a file that whoever starts the run has checked. */
export function readSchedule(path: string): FaultSchedule {
  const schedule: unknown = JSON.parse(readLines(path).join('\n') || 'null')
  if (typeof schedule === 'object' && schedule !== null && 'faults' in schedule) {
    return schedule as FaultSchedule
  }
  throw new StreamError('CHAOS_SCHEDULE_INVALID', `"${path}" holds no schedule of faults`, {
    hint: 'Let "millrace chaos" write it, or leave MILLRACE_CHAOS out.',
  })
}
