import type { FaultPointName } from '../faults/points.ts'
import type {
  Fault,
  FaultAction,
  FaultActionType,
  FaultSchedule,
  RecordFlow,
} from '../faults/schedule.ts'
import { faultPointNames } from '../faults/points.ts'
import { errnos } from '../faults/schedule.ts'
import { actionsAt } from './actions.ts'
import { CheckedJson, invalid } from './checked-json.ts'

/**
 * A schedule as it stands in a file. Throws CHAOS_SCHEDULE_INVALID with the place of what is wrong;
 * for a point or an action that there is not, with the nearest that there is.
 */
export function parseSchedule(value: unknown, place = 'the schedule'): FaultSchedule {
  const at = new CheckedJson(value, place).only('seed', 'parallelism', 'faults', 'flow')
  return {
    seed: at.field('seed').wholeNumber(0),
    parallelism: at.field('parallelism').wholeNumber(1),
    faults: at.field('faults').list().map(faultAt),
    ...at.optional('flow', flowAt),
  }
}

function flowAt(at: CheckedJson): RecordFlow {
  at.only('batchRecords', 'pollMs', 'uneven')
  return {
    ...at.optional('batchRecords', (count) => count.wholeNumber(1)),
    ...at.optional('pollMs', (ms) => ms.wholeNumber(0)),
    ...(at.optional('uneven', (flag) => flag.flag())['uneven'] === true ? { uneven: true } : {}),
  }
}

/** One fault, as `parseSchedule` takes it. */
export function parseFault(value: unknown, place: string): Fault {
  return faultAt(new CheckedJson(value, place))
}

function faultAt(at: CheckedJson): Fault {
  at.only('point', 'where', 'nth', 'life', 'action')
  const point = at.field('point').oneOf<FaultPointName | 'any'>(['any', ...faultPointNames])
  return {
    point,
    ...at.optional('where', (where) => ({
      ...where.only('uid', 'subtask').optional('uid', (uid) => uid.text()),
      ...where.optional('subtask', (subtask) => subtask.wholeNumber(0)),
    })),
    nth: at.field('nth').wholeNumber(1),
    ...at.optional('life', (life) => life.wholeNumber(1)),
    action: fitting(point, actionAt(at.field('action')), at.place),
  }
}

const actionTypes = [
  ...(['crash', 'power-loss', 'throw', 'errno', 'torn', 'delay', 'drop', 'duplicate'] as const),
  ...(['pause', 'clock', 'fence', 'rescale', 'ask'] as const),
] satisfies readonly FaultActionType[]

function actionAt(at: CheckedJson): FaultAction {
  const type = at.field('type').oneOf<FaultActionType>(actionTypes)
  switch (type) {
    case 'crash':
    case 'power-loss':
    case 'throw':
    case 'drop':
    case 'duplicate':
      at.only('type')
      return { type }
    case 'errno':
      at.only('type', 'errno', 'done')
      return {
        type,
        errno: at.field('errno').oneOf(errnos),
        ...at.optional('done', (done) => done.flag()),
      }
    case 'torn':
      at.only('type', 'bytes')
      return { type, bytes: at.field('bytes').wholeNumber(0) }
    case 'delay':
    case 'pause':
      at.only('type', 'ms')
      return { type, ms: at.field('ms').wholeNumber(0) }
    case 'clock':
      at.only('type', 'ms')
      return { type, ms: at.field('ms').wholeNumber(Number.MIN_SAFE_INTEGER) }
    case 'fence':
      at.only('type', 'takeOver')
      return { type, takeOver: at.field('takeOver').flag() }
    case 'rescale':
      at.only('type', 'parallelism')
      return { type, parallelism: at.field('parallelism').wholeNumber(1) }
    case 'ask':
      at.only('type', 'request')
      return { type, request: at.field('request').oneOf(requests) }
    default:
      return type satisfies never
  }
}

const requests = ['savepoint', 'stop', 'stop-with-savepoint'] as const

/** Only a message can be lost or doubled, and only a write can be torn: elsewhere it does nothing. */
const PARTICULAR: ReadonlySet<FaultActionType> = new Set(['drop', 'duplicate', 'torn'])

function fitting(point: FaultPointName | 'any', action: FaultAction, place: string): FaultAction {
  const { type } = action
  if (point === 'any' || !PARTICULAR.has(type)) return action
  const types = [...new Set(actionsAt(point).map((one) => one.type))]
  if (types.includes(type)) return action
  throw invalid(
    `${place} has the action "${type}", which does nothing at "${point}"`,
    `What can be done there: ${types.join(', ')}.`,
  )
}
