import type { Fault, FaultAction } from '../faults/schedule.ts'
import type { TraceEvent } from '../faults/trace.ts'
import { actionsAt } from './actions.ts'
import { isFaultPoint } from '../faults/points.ts'

/** What could be done there instead that is easier to think about; the simplest first. */
export function simplerActions(point: Fault['point'], action: FaultAction): readonly FaultAction[] {
  const possible = point === 'any' ? undefined : new Set(actionsAt(point).map(({ type }) => type))
  return simpler(action).filter(({ type }) => possible?.has(type) ?? true)
}

const CRASH: FaultAction = { type: 'crash' }
const FAILURES: readonly FaultAction[] = [{ type: 'throw' }, { type: 'errno', errno: 'EIO' }]

function simpler(action: FaultAction): readonly FaultAction[] {
  switch (action.type) {
    case 'throw':
    case 'duplicate':
    case 'drop':
      return []
    case 'crash':
      return FAILURES
    case 'power-loss':
      return [...FAILURES, CRASH]
    case 'torn':
      return [...FAILURES, CRASH, { type: 'power-loss' }]
    case 'errno':
      if (action.done === true) return [{ type: 'errno', errno: action.errno }]
      return action.errno === 'EIO' ? [] : [{ type: 'errno', errno: 'EIO' }]
    case 'delay':
    case 'pause':
      return smaller(action.ms, TIMES_MS).map((ms) => ({ ...action, ms }))
    case 'clock': {
      const sign = Math.sign(action.ms)
      return smaller(Math.abs(action.ms), TIMES_MS).map((ms) => ({ ...action, ms: sign * ms }))
    }
    case 'fence':
      return action.takeOver ? [...FAILURES, CRASH, { ...action, takeOver: false }] : [CRASH]
    case 'rescale':
      return [
        ...FAILURES,
        CRASH,
        ...smaller(action.parallelism, SMALL).map((parallelism) => ({ ...action, parallelism })),
      ]
    case 'ask':
      return REQUESTS.slice(0, REQUESTS.indexOf(action.request)).map((request) => ({
        ...action,
        request,
      }))
    default:
      return action satisfies never
  }
}

const TIMES_MS = [1, 20, 100, 1_000, 60_000] as const
const SMALL = [1, 2, 3, 4] as const
const REQUESTS = ['savepoint', 'stop', 'stop-with-savepoint'] as const

function smaller(value: number, known: readonly number[]): readonly number[] {
  return known.filter((one) => one < value)
}

/** The same stroke earlier, and said with less: the simplest first. */
export function simplerPlaces(fault: Fault): readonly Fault[] {
  const { where, life, ...anywhere } = fault
  const anyLife = where === undefined ? anywhere : { ...anywhere, where }
  const found: Fault[] = []
  for (const nth of earlier(fault.nth)) {
    if (life !== undefined) found.push({ ...anyLife, nth })
    found.push({ ...fault, nth })
  }
  if (life !== undefined) {
    found.push(anyLife)
    for (let before = 1; before < life; before += 1) found.push({ ...fault, life: before })
  }
  if (where !== undefined) found.push(life === undefined ? anywhere : { ...anywhere, life })
  return found
}

/** A few of the numbers below. */
function earlier(nth: number): readonly number[] {
  const near = [1, 2, 3, Math.floor(nth / 4), Math.floor(nth / 2), nth - 1]
  const below = near.filter((one) => one >= 1 && one < nth)
  return [...new Set(below)].sort((left, right) => left - right)
}

/** The steps at which a fault at `any` point may have struck, each by its name. */
export function namedPlaces(fault: Fault, trace: readonly TraceEvent[]): readonly Fault[] {
  if (fault.point !== 'any') return []
  const counts = new Map<string, number>()
  const named: Fault[] = []
  const wanted = JSON.stringify(fault.action)
  for (const { life, point, fault: struck } of trace) {
    if (!isFaultPoint(point)) continue
    const key = `${life} ${point}`
    const nth = (counts.get(key) ?? 0) + 1
    counts.set(key, nth)
    if (JSON.stringify(struck) === wanted) named.push({ point, nth, life, action: fault.action })
  }
  return named
}
