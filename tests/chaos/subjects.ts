import type { Subject } from '../../engine/chaos/subject.ts'
import type { ChaosShape } from './shape.ts'

/** A shape as a campaign takes it. */
export function subjectOf(shape: ChaosShape): Subject {
  const { name, job, parameters, order } = shape
  const prepare = shape.prepare?.bind(shape)
  return {
    ...{ name, job, parameters },
    ...(prepare === undefined ? {} : { prepare }),
    ...(order === undefined ? {} : { orders: order }),
  }
}
