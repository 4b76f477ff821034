import type { Random } from '../base/random.ts'
import type { FaultPointName } from '../faults/points.ts'
import type {
  Fault,
  FaultAction,
  FaultActionType,
  FaultSchedule,
  RecordFlow,
} from '../faults/schedule.ts'
import type { ChaosMode, FaultKind } from './actions.ts'
import type { Golden } from './subject.ts'
import { seededRandom } from '../base/random.ts'
import { actionsAt, faultKinds } from './actions.ts'

export interface RandomScheduleOptions {
  readonly golden: Golden
  readonly kinds: readonly FaultKind[]
  readonly parallelismMax: number
  readonly faultsMax: number
  /** Where it is to run; in simulation when left out. */
  readonly mode?: ChaosMode
  /**
   * How often each point is reached before the first checkpoint is complete. Where it is given,
   * most faults come later, when there is something to go back to.
   */
  readonly early?: ReadonlyMap<FaultPointName, number>
}

/**
 * A schedule by chance: the same seed gives the same. In some the faults have nothing to do with
 * each other; in most the second meets what the first has left behind, as in most failures that
 * matter: the patterns below. Points count alike, however often reached.
 */
export function randomSchedule(seed: number, options: RandomScheduleOptions): FaultSchedule {
  const random = seededRandom(seed)
  const drawing = new Drawing(options, random)
  const drawn = PATTERNS[random.int(PATTERNS.length)]!(drawing)
  const faults = drawn.filter((fault) => fault !== undefined).slice(0, options.faultsMax)
  const count = 1 + random.int(options.faultsMax)
  while (faults.length < count) {
    const fault = drawing.fault(drawing.place(), ANYTHING)
    if (fault !== undefined) faults.push(fault)
  }
  const schedule = { seed, parallelism: 1 + random.int(options.parallelismMax), faults }
  const mode = options.mode ?? 'sim'
  if (mode !== 'sim' || seed % FLOW_EVERY !== 0) return schedule
  return { ...schedule, flow: flowOf(random) }
}

/** One schedule in so many has its records flow otherwise. */
const FLOW_EVERY = 4

function flowOf(random: Random): RecordFlow {
  const batchRecords = BATCHES[random.int(BATCHES.length)]!
  const pollMs = POLLS_MS[random.int(POLLS_MS.length)]
  return {
    ...(random.int(3) === 0 ? {} : { batchRecords }),
    ...(pollMs === undefined ? {} : { pollMs }),
    ...(random.int(2) === 0 ? {} : { uneven: true }),
  }
}

const BATCHES = [3, 7, 20, 64] as const
const POLLS_MS = [undefined, 1, 5] as const

/** What a pattern gives may be undone by the kinds of faults that are wanted. */
type Pattern = (drawing: Drawing) => readonly (Fault | undefined)[]

const anything: Pattern = () => []

/** A life ends, mostly near the decision, and the next one ends soon after its start. */
const recovery: Pattern = (drawing) => [
  drawing.fault({ ...drawing.moment(DECISION), life: 1 }, ENDS),
  drawing.fault({ ...drawing.moment(), nth: drawing.upTo(2), life: 2 }, ENDS),
]

/** Two lives end, each somewhere in its course: what was restored is restored once more. */
const lives: Pattern = (drawing) => {
  const first = { ...drawing.anyMoment(), life: 1 }
  return [
    drawing.fault(first, ENDS),
    drawing.fault({ ...drawing.momentBehind(first), life: 2 }, ENDS),
  ]
}

/** A call of the disk fails, and is passed over or not; some checkpoints later the life ends. */
const disk: Pattern = (drawing) => {
  const first = drawing.anyMoment(DURABLE)
  return [drawing.fault(first, FAILS), drawing.fault(drawing.momentAfter(first, 4), ENDS)]
}

/** One input gets its barrier much later than the others; the life ends soon after. */
const apart: Pattern = (drawing) => {
  const first = drawing.anyMoment(TRIGGER)
  return [drawing.fault(first, LATE), drawing.fault(drawing.momentAfter(first, 3), ENDS)]
}

/** In one checkpoint a step fails, is lost or is late, and another one too. */
const checkpoint: Pattern = (drawing) => {
  const first = drawing.moment(PROTOCOL)
  return [
    drawing.fault(first, GOES_ON),
    drawing.fault(drawing.momentAfter(first, 1, PROTOCOL), GOES_ON),
  ]
}

/** A step is late, or fails, and the life ends while others have gone on. */
const overtaken: Pattern = (drawing) => {
  const first = drawing.moment(DECISION)
  return [
    drawing.fault(first, GOES_ON),
    drawing.fault(drawing.momentAfter(first, 3, PROTOCOL), ENDS),
  ]
}

const PATTERNS: readonly Pattern[] = [
  anything,
  recovery,
  lives,
  disk,
  disk,
  checkpoint,
  overtaken,
  apart,
]

const ENDS: readonly FaultActionType[] = ['crash', 'power-loss', 'rescale', 'torn']
const FAILS: readonly FaultActionType[] = ['errno']
const LATE: readonly FaultActionType[] = ['delay']
const GOES_ON: readonly FaultActionType[] = ['errno', 'throw', 'delay', 'drop', 'duplicate']
const ANYTHING: readonly FaultActionType[] = Object.values(faultKinds).flat()

/** Where it is decided what is visible, and made so. */
const DECISION = /^(?:commit|coordinator|disk\.(?:manifest|publish|marker|staged))\./
/** Where something is made durable. */
const DURABLE =
  /^disk\.(?:state|staged|manifest|publish|marker)\.(?:write|sync|link|rename|folder)$/
/** Where an input learns of a checkpoint. */
const TRIGGER = /^source\.trigger$/
/** The steps of a checkpoint. */
const PROTOCOL = /^(?:align|barrier|snapshot|coordinator|sink|commit|disk\.(?!input|owner|epoch))/

type Place = Pick<Fault, 'nth' | 'life'> & { readonly point: FaultPointName }

/** Draws faults for one job. */
class Drawing {
  readonly #options: RandomScheduleOptions
  readonly #random: Random
  readonly #points: readonly FaultPointName[]

  constructor(options: RandomScheduleOptions, random: Random) {
    this.#options = options
    this.#random = random
    this.#points = [...options.golden.reached.keys()]
  }

  upTo(most: number): number {
    return 1 + this.#random.int(most)
  }

  /** In half of all cases one of the first times, in the others any time of a run. */
  moment(among?: RegExp): Place {
    const point = this.#point(among)
    const often = this.#options.golden.reached.get(point)!
    const most = this.#random.int(2) === 0 ? Math.min(often, 3) : often
    return this.#later(point) ?? { point, nth: this.upTo(most) }
  }

  /** Any time of a run, all alike. */
  anyMoment(among?: RegExp): Place {
    const point = this.#point(among)
    const often = this.#options.golden.reached.get(point)!
    return this.#later(point) ?? { point, nth: this.upTo(often) }
  }

  /** Anywhere in a life that goes on where the one before it was ended. */
  momentBehind(end: Place): Place {
    const { reached } = this.#options.golden
    const left = 1 - (end.nth - 1) / reached.get(end.point)!
    const point = this.#point()
    return { point, nth: this.upTo(Math.max(1, Math.ceil(reached.get(point)! * left))) }
  }

  /** A moment of all lives, of the first, or of the second: in recovery. */
  place(): Place {
    const moment = this.moment()
    const life = this.#random.int(4)
    if (life === 2 && this.#options.early !== undefined) {
      return { point: this.#point(), nth: this.upTo(3), life }
    }
    return life === 0 ? moment : { ...moment, life: life === 3 ? 1 : life }
  }

  /** About as far into the run as the other, or up to so many checkpoints later. */
  momentAfter(other: Place, checkpointsMax: number, among?: RegExp): Place {
    const { reached, checkpoints } = this.#options.golden
    const point = this.#point(among)
    const often = reached.get(point)!
    const from = Math.floor(((other.nth - 1) / reached.get(other.point)!) * often)
    const ahead = Math.min(often - from, Math.ceil((often / (checkpoints + 1)) * checkpointsMax))
    return { point, nth: from + this.upTo(Math.max(1, ahead)) }
  }

  /** Undefined: nothing of this can be done there. The types count alike, not their variants. */
  fault(place: Place, among: readonly FaultActionType[]): Fault | undefined {
    const { kinds, mode } = this.#options
    const allowed = new Set<string>(kinds.flatMap((kind) => faultKinds[kind]))
    const actions = actionsAt(place.point, mode).filter(
      ({ type }) => allowed.has(type) && among.includes(type),
    )
    const types = [...new Set(actions.map(({ type }) => type))]
    if (types.length === 0) return undefined
    const type = types[this.#random.int(types.length)]!
    const variants = actions.filter((action) => action.type === type)
    return { ...place, action: this.#varied(variants[this.#random.int(variants.length)]!) }
  }

  /** Undefined: all times of this point are early, or it is not known which are. */
  #later(point: FaultPointName): Place | undefined {
    const late = this.#timesLate(point)
    if (late === 0 || this.#options.early === undefined) return undefined
    return { point, nth: (this.#options.early.get(point) ?? 0) + this.upTo(late) }
  }

  #timesLate(point: FaultPointName): number {
    const { early, golden } = this.#options
    return golden.reached.get(point)! - (early?.get(point) ?? 0)
  }

  #point(among?: RegExp): FaultPointName {
    const wanted = among === undefined ? [] : this.#points.filter((point) => among.test(point))
    const points = this.#lateOf(wanted.length === 0 ? this.#points : wanted)
    return points[this.#random.int(points.length)]!
  }

  /** In three cases of four those that are reached late, where that is known. */
  #lateOf(points: readonly FaultPointName[]): readonly FaultPointName[] {
    if (this.#options.early === undefined || this.#random.int(4) === 0) return points
    const late = points.filter((point) => this.#timesLate(point) > 0)
    return late.length === 0 ? points : late
  }

  #varied(action: FaultAction): FaultAction {
    switch (action.type) {
      case 'rescale':
        return { ...action, parallelism: this.upTo(this.#options.parallelismMax) }
      case 'delay':
        return { ...action, ms: DELAYS_MS[this.#random.int(DELAYS_MS.length)]! }
      case 'torn':
        return { ...action, bytes: this.#random.int(TORN_MAX) }
      default:
        return action
    }
  }
}

const DELAYS_MS = [1, 20, 100, 1_000] as const
const TORN_MAX = 2_000
