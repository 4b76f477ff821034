import { isMainThread } from 'node:worker_threads'
import type { Timer } from '../base/clock.ts'
import type { Doors } from '../base/doors.ts'
import { StreamError } from '../base/errors.ts'
import { continueLater, systemProcesses } from '../checkpoint/processes.ts'
import { probedFiles } from '../faults/probed-files.ts'
import { readSchedule, RealLife, type SharedLife } from '../faults/real-life.ts'
import { movableClock, RealProbe } from '../faults/real-probe.ts'

/**
 * Runs that are broken on purpose, in real processes and threads: the faults that MILLRACE_CHAOS
 * names strike there too. Without that variable nothing of this does anything.
 *
 * - MILLRACE_CHAOS: path of a schedule
 * - MILLRACE_CHAOS_DIR: folder of the journals, one a life
 * - MILLRACE_CHAOS_CRASH=life: a crash ends the life, not the process
 * - MILLRACE_CHAOS_FORCE=1: also where NODE_ENV is production
 */
export interface BrokenLife {
  readonly doors: Doors
  /** What its worker threads need to join it. */
  readonly shared: SharedLife
  /** Where the process goes on: the life has crashed and has to be ended. Returns what stops it. */
  onCrash(callback: (error: StreamError) => void): () => void
}

const LOOK_EVERY_MS = 5

/** In the main thread, once for each life; its workers join it. Undefined: a run as any other. */
export function brokenLife(
  doors: Doors,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): BrokenLife | undefined {
  const path = environment['MILLRACE_CHAOS']
  if (path === undefined || path === '') return undefined
  if (environment['NODE_ENV'] === 'production' && environment['MILLRACE_CHAOS_FORCE'] !== '1') {
    throw new StreamError('CHAOS_UNFIT', 'MILLRACE_CHAOS is set where NODE_ENV is production', {
      hint: 'It breaks the job on purpose. Unset it; MILLRACE_CHAOS_FORCE=1 lets it be.',
    })
  }
  const folder = environment['MILLRACE_CHAOS_DIR']
  if (folder === undefined || folder === '') {
    throw new StreamError('CHAOS_UNFIT', 'MILLRACE_CHAOS is set and MILLRACE_CHAOS_DIR is not', {
      hint: 'Name a folder for the journals, one for each run.',
    })
  }
  const crash = environment['MILLRACE_CHAOS_CRASH'] === 'life' ? 'life' : 'process'
  const life = RealLife.begin(readSchedule(path), folder, crash, doors.clock)
  return {
    shared: life.shared,
    doors: brokenDoors(doors, life),
    onCrash(callback) {
      let timer: Timer | undefined
      const look = (): void => {
        if (!life.hasCrashed) timer = doors.clock.timer(LOOK_EVERY_MS, look)
        else
          callback(
            new StreamError('FAULT_INJECTED', 'the life has crashed, as it was told', {
              hint: 'A schedule of faults did it: run the job without one.',
            }),
          )
      }
      if (crash === 'life') look()
      return () => timer?.cancel()
    },
  }
}

/** In a worker thread: the doors of the life that its main thread has begun. */
export function joinBrokenLife(doors: Doors, shared: SharedLife): Doors {
  return brokenDoors(doors, RealLife.join(shared, doors.clock))
}

function brokenDoors(doors: Doors, life: RealLife): Doors {
  const clock = movableClock(doors.clock, life)
  const faults = new RealProbe(life, {
    isMain: isMainThread,
    clock,
    kill: (pid) => {
      systemProcesses.kill(pid)
    },
    standStill: (ms) => {
      continueLater(process.pid, ms)
      process.kill(process.pid, 'SIGSTOP')
    },
  })
  return { ...doors, clock, files: probedFiles(doors.files, faults), faults }
}
