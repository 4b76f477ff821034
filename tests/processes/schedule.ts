import { seededRandom, type Random } from '../../engine/base/random.ts'

/** What happens to one life of a job. A schedule is plain data: a seed only makes it. */
export type ProcessFault =
  /** SIGKILL. A parent that is left alone starts its engine again, so it follows a moment later. */
  | {
      readonly type: 'kill'
      readonly who: Victim
      readonly moment: Moment
      readonly thenMs: number
    }
  /** SIGSTOP, SIGCONT `forMs` later, SIGKILL `thenMs` after that. */
  | {
      readonly type: 'stop'
      readonly who: Victim
      readonly moment: Moment
      readonly forMs: number
      readonly thenMs: number
    }
  /** A stopped engine whose parent is killed: it keeps the lock, so the next life takes over. */
  | { readonly type: 'orphan'; readonly moment: Moment }
  /** The small file system below work folder or output is full until the life says so. */
  | {
      readonly type: 'full'
      readonly what: 'work' | 'out'
      readonly moment: Moment
      readonly thenMs: number
    }
  /** The nth call of each thread fails; if the life outlives that it is killed. */
  | {
      readonly type: 'errno'
      readonly call: InjectedCall
      readonly error: 'EIO' | 'ENOSPC'
      readonly nth: number
      readonly moment: Moment
      readonly thenMs: number
    }

export type Victim = 'parent' | 'engine' | 'both'
export type InjectedCall = keyof typeof INJECTED_CALLS

/** System calls by what they do. */
export const INJECTED_CALLS = {
  fsync: 'fsync,fdatasync',
  link: 'link,linkat',
  rename: 'rename,renameat,renameat2',
  write: 'pwrite64,pwritev',
  mkdir: 'mkdir,mkdirat',
} as const

/** So long after the start, after records flow, or after a checkpoint of this life. */
export interface Moment {
  readonly after: 'start' | 'flow' | 'checkpoint'
  readonly ms: number
}

export interface Life {
  readonly parallelism: number
  readonly fault: ProcessFault
}

export interface Schedule {
  readonly seed: number
  readonly job: string
  readonly lives: readonly Life[]
  /** The last life has no fault, or loses its engine once and goes on by itself. */
  readonly last: { readonly parallelism: number; readonly killEngineAfterMs: number | undefined }
}

/** Kinds of faults that this machine can do. */
export interface Injectors {
  readonly full: boolean
  readonly errno: boolean
}

const LIVES_MAX = 3
const PARALLELISM_MAX = 4

export function scheduleOf(seed: number, jobs: readonly string[], can: Injectors): Schedule {
  // Seeds that follow each other begin alike: the first numbers are thrown away.
  const random = seededRandom(Math.imul(seed, 0x9e3779b1))
  for (let skipped = 0; skipped < 4; skipped += 1) random.next()
  const job = jobs[seed % jobs.length]!
  const lives = Array.from({ length: 1 + random.int(LIVES_MAX) }, () => ({
    parallelism: 1 + random.int(PARALLELISM_MAX),
    fault: faultOf(random, can),
  }))
  return {
    seed,
    job,
    lives,
    last: {
      parallelism: 1 + random.int(PARALLELISM_MAX),
      killEngineAfterMs: random.int(4) === 0 ? random.int(400) : undefined,
    },
  }
}

function faultOf(random: Random, can: Injectors): ProcessFault {
  const moment = momentOf(random)
  const thenMs = random.int(500)
  const kinds: readonly ProcessFault['type'][] = [
    'kill',
    'kill',
    'stop',
    'orphan',
    ...(can.full ? (['full', 'full'] as const) : []),
    ...(can.errno ? (['errno', 'errno'] as const) : []),
  ]
  const type = pick(random, kinds)
  switch (type) {
    case 'kill':
      return { type, who: victimOf(random), moment, thenMs }
    case 'stop':
      return { type, who: victimOf(random), moment, forMs: 30 + random.int(400), thenMs }
    case 'orphan':
      return { type, moment: { after: 'checkpoint', ms: random.int(400) } }
    case 'full': {
      const what = pick(random, ['work', 'out'] as const)
      return { type, what, moment, thenMs }
    }
    case 'errno': {
      const call = pick(random, Object.keys(INJECTED_CALLS) as InjectedCall[])
      const error = pick(random, ['EIO', 'ENOSPC'] as const)
      return { type, call, error, nth: 1 + random.int(4), moment, thenMs }
    }
    default:
      return type satisfies never
  }
}

function momentOf(random: Random): Moment {
  switch (random.int(5)) {
    case 0:
      return { after: 'start', ms: random.int(700) }
    case 1:
      return { after: 'flow', ms: random.int(300) }
    default:
      return { after: 'checkpoint', ms: random.int(400) }
  }
}

function victimOf(random: Random): Victim {
  return pick(random, ['parent', 'engine', 'both'] as const)
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.int(from.length)]!
}
