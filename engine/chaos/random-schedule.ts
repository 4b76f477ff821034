import type { Random } from '../base/random.ts'
import type { FaultPointName } from '../faults/points.ts'
import type { ChaosMode, FaultKind } from './actions.ts'
import type { Fault, FaultAction, FaultSchedule } from './schedule.ts'
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
}

/** A schedule by chance: the same seed gives the same. Points count alike, however often reached. */
export function randomSchedule(seed: number, options: RandomScheduleOptions): FaultSchedule {
  const random = seededRandom(seed)
  const points = [...options.golden.reached.keys()]
  const count = 1 + random.int(options.faultsMax)
  const faults: Fault[] = []
  while (faults.length < count) {
    const point = points[random.int(points.length)]!
    const action = anActionAt(point, options, random)
    if (action === undefined) continue
    faults.push({ point, ...aPlace(point, options.golden, random), action })
  }
  return { seed, parallelism: 1 + random.int(options.parallelismMax), faults }
}

function anActionAt(
  point: FaultPointName,
  { kinds, parallelismMax, mode }: RandomScheduleOptions,
  random: Random,
): FaultAction | undefined {
  const allowed = new Set<string>(kinds.flatMap((kind) => faultKinds[kind]))
  const actions = actionsAt(point, mode).filter(({ type }) => allowed.has(type))
  // The kinds count alike, not their variants.
  const types = [...new Set(actions.map(({ type }) => type))]
  if (types.length === 0) return undefined
  const type = types[random.int(types.length)]!
  const variants = actions.filter((action) => action.type === type)
  return varied(variants[random.int(variants.length)]!, parallelismMax, random)
}

function varied(action: FaultAction, parallelismMax: number, random: Random): FaultAction {
  switch (action.type) {
    case 'rescale':
      return { ...action, parallelism: 1 + random.int(parallelismMax) }
    case 'delay':
      return { ...action, ms: DELAYS_MS[random.int(DELAYS_MS.length)]! }
    case 'torn':
      return { ...action, bytes: random.int(TORN_MAX) }
    default:
      return action
  }
}

const DELAYS_MS = [1, 20, 100, 1_000] as const
const TORN_MAX = 2_000

/** In half of all cases one of the first times, in the others any time of a run; or in recovery. */
function aPlace(
  point: FaultPointName,
  { reached }: Golden,
  random: Random,
): Pick<Fault, 'nth' | 'life'> {
  const often = reached.get(point)!
  const nth = 1 + random.int(random.int(2) === 0 ? Math.min(often, 3) : often)
  const life = random.int(4)
  return life === 0 ? { nth } : { nth, life: life === 3 ? 1 : life }
}
