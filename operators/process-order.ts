/** The `order` of a process function: what the plan checks of it and knows about it. */
import type { DeclaredSides } from './keyed-parts.ts'
import type { SideShapes } from './planner.ts'
import type { Order } from './process.ts'
import type { SchemaData } from '../engine/stream/schema.ts'
import { stepError } from './checks.ts'

/** The order that was asked for. `sides` are those that the user declared. */
export function orderOf(given: unknown, uid: string, sides: DeclaredSides): Order {
  if (given === undefined || given === 'arrival') return 'arrival'
  if (given !== 'event-time') {
    throw stepError(
      'OPTION_INVALID',
      `process "${uid}" has the order ${typeof given === 'string' ? `"${given}"` : `of type ${typeof given}`}`,
      "Give order: 'event-time', or 'arrival', which is the default.",
      uid,
    )
  }
  if (!Object.hasOwn(sides, 'late')) return 'event-time'
  throw stepError(
    'OPTION_INVALID',
    `process "${uid}" declares a side output "late", which a step in event-time order has already`,
    'Give the declared one another name: "late" has the records that came behind the watermark.',
    uid,
  )
}

/** In the plan, where it is not the default. */
export function orderJson(order: Order): { readonly order?: 'event-time' } {
  return order === 'event-time' ? { order } : {}
}

/** The side outputs of a step with the one that its order brings. */
export function withLate(
  sides: DeclaredSides,
  order: Order,
  shape: SchemaData | undefined,
): SideShapes {
  return order === 'event-time' ? { ...sides, late: shape } : sides
}
