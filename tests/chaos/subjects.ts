import type { Subject } from '../../engine/chaos/subject.ts'
import { chaosShapes } from './shapes.ts'
import type { ChaosShape } from './shape.ts'

const WORKERS_MAX = 3

/** A shape as a campaign takes it: one on one worker, the next on two, whose rings lag. */
export function subjectOf(shape: ChaosShape): Subject {
  const { name, job, parameters, order } = shape
  const workers = 1 + (chaosShapes.indexOf(shape) % WORKERS_MAX)
  const prepare = shape.prepare?.bind(shape)
  return {
    ...{ name, job, parameters, workers },
    ...(prepare === undefined ? {} : { prepare }),
    ...(order === undefined ? {} : { orders: order }),
  }
}
