import type { FaultSchedule } from '../../engine/faults/schedule.ts'
import type { LoadedSubject } from './subject.ts'
import { faultKinds } from '../../engine/chaos/actions.ts'
import { randomSchedule, type RandomScheduleOptions } from '../../engine/chaos/random-schedule.ts'
import { rareSchedules } from '../../engine/chaos/rare-schedules.ts'
import { describeAction } from '../../engine/faults/schedule.ts'

/** How one schedule of a search is told from all others of it. */
export interface ScheduleName {
  /** For people. */
  readonly words: string
  /** A part of the name of its bundle. */
  readonly slug: string
}

const names = new WeakMap<FaultSchedule, ScheduleName>()

/** Of a schedule that this file made, or `faultsNamed` was asked about; else by its seed. */
export function nameOf(schedule: FaultSchedule): ScheduleName {
  return names.get(schedule) ?? seedName(schedule)
}

function seedName({ seed }: FaultSchedule): ScheduleName {
  return { words: `seed ${seed}`, slug: `seed-${seed}` }
}

/** A search that is large enough begins with schedules that are led to rare states. */
const LED_FROM = 100

export interface ByChance {
  readonly total: number
  readonly schedules: Iterable<FaultSchedule>
}

/** Schedules by chance, one a seed; before many of them, one for each rare state. */
export function byChance(
  loaded: LoadedSubject,
  options: RandomScheduleOptions,
  { seed, count }: { readonly seed: number; readonly count: number },
): ByChance {
  const led = count >= LED_FROM ? ledTo(loaded, options, seed) : []
  function* schedules(): Generator<FaultSchedule> {
    yield* led
    for (let index = 0; index < count; index += 1) yield randomSchedule(seed + index, options)
  }
  return { total: led.length + count, schedules: schedules() }
}

/** To the states that chance seldom comes to; only with the kinds of faults that are wanted. */
function ledTo(
  { subject, graph, parallelism }: LoadedSubject,
  { kinds }: RandomScheduleOptions,
  seed: number,
): readonly FaultSchedule[] {
  const { timeoutMs } = { ...graph.settings.checkpointing, ...subject.checkpointing }
  const wanted = new Set<string>(kinds.flatMap((kind) => faultKinds[kind]))
  return Object.entries(rareSchedules({ timeoutMs }))
    .filter(([, faults]) => faults.every(({ action }) => wanted.has(action.type)))
    .map(([state, faults]) => {
      const schedule = { seed, parallelism, faults }
      names.set(schedule, { words: `led to ${state}`, slug: `led-${state}` })
      return schedule
    })
}

/** Schedules of an exhaustive search, named after their faults. */
export async function* faultsNamed(
  schedules: Iterable<FaultSchedule> | AsyncIterable<FaultSchedule>,
): AsyncGenerator<FaultSchedule> {
  for await (const schedule of schedules) {
    const { words } = seedName(schedule)
    names.set(schedule, { words, slug: schedule.faults.map(slugOf).join('-then-') })
    yield schedule
  }
}

function slugOf({ point, nth, action }: FaultSchedule['faults'][number]): string {
  return `${point}-${nth}-${describeAction(action).replaceAll(/[^\w-]+/g, '-')}`
}
