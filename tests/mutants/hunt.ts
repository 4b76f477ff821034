/**
 * Hunts for what is wrong with the engine that it is bundled with: schedules of faults by chance,
 * over jobs of all shapes in turn, until an invariant is broken; then the schedule is shrunk.
 * Prints one line of JSON. Called by the tests with: first seed, most schedules, most tries of
 * shrinking.
 */
import { faultKinds, type FaultKind } from '../../engine/chaos/actions.ts'
import { examine, type Examined } from '../../engine/chaos/examine.ts'
import { randomSchedule } from '../../engine/chaos/random-schedule.ts'
import { firstDifference } from '../../engine/chaos/row-difference.ts'
import { shrink } from '../../engine/chaos/shrink.ts'
import { goldenRun, type Golden, type Subject } from '../../engine/chaos/subject.ts'
import { describeFault, type FaultSchedule } from '../../engine/faults/schedule.ts'
import type { ChaosShape } from '../chaos/shape.ts'
import { chaosShapes } from '../chaos/shapes.ts'
import { subjectOf } from '../chaos/subjects.ts'

export interface Hunt {
  readonly found: boolean
  readonly schedules: number
  /** Of the processor, until it was found; shrinking comes after it. */
  readonly ms: number
  readonly shape?: string
  readonly violation?: string
  /** Of the shrunk schedule. */
  readonly faults?: readonly string[]
  readonly tried?: number
}

const PARALLELISM = 2
const KINDS = Object.keys(faultKinds) as FaultKind[]

interface Prey {
  readonly subject: Subject
  readonly golden: Golden
  readonly examined: Examined
}

/** What a fault-free run already shows is a find too. */
interface Plain {
  readonly shape: string
  readonly error: string
}

const goldens = new Map<string, Golden>()

async function main(firstSeed: number, schedulesMax: number, shrinkMax: number): Promise<Hunt> {
  const ms = (): number => Math.round(process.cpuUsage().user / 1_000)
  for (let index = 0; index < schedulesMax; index += 1) {
    const shape = chaosShapes[index % chaosShapes.length]!
    const found = await tryOne(shape, firstSeed + index)
    if (found === undefined) continue
    const schedules = index + 1
    if ('error' in found) {
      return { found: true, schedules, ms: ms(), shape: found.shape, violation: found.error }
    }
    const { subject, golden, examined } = found
    const foundMs = ms()
    const [violation] = examined.violations
    const shrunk = await shrink(subject, golden, examined, { budget: shrinkMax })
    return {
      found: true,
      schedules,
      ms: foundMs,
      shape: subject.name,
      violation: `${violation!.invariant}: ${violation!.what}`,
      faults: shrunk.schedule.faults.map(describeFault),
      tried: shrunk.tried,
    }
  }
  return { found: false, schedules: schedulesMax, ms: ms() }
}

async function tryOne(shape: ChaosShape, seed: number): Promise<Prey | Plain | undefined> {
  const subject = subjectOf(shape)
  const { name } = subject
  let golden = goldens.get(name)
  try {
    golden ??= await goldenRun(subject, PARALLELISM)
  } catch (error) {
    return { shape: name, error: `without a fault: ${String(error)}` }
  }
  // What the broken engine publishes without a fault is nothing to go by.
  const difference = firstDifference(all(shape.expected), all(golden.published))
  if (difference !== undefined) return { shape: name, error: `without a fault: ${difference}` }
  goldens.set(name, golden)
  const schedule: FaultSchedule = randomSchedule(seed, {
    golden,
    kinds: KINDS,
    parallelismMax: 4,
    faultsMax: 3,
  })
  const examined = await examine(subject, golden, schedule)
  return examined.violations.length === 0 ? undefined : { subject, golden, examined }
}

/** Of all sinks, without the folder that a row of a partition begins with. */
function all(rows: Readonly<Record<string, readonly string[]>>): readonly string[] {
  return Object.values(rows).flatMap((texts) => texts.map((row) => row.slice(row.indexOf('{'))))
}

const [firstSeed, schedulesMax, shrinkMax] = process.argv.slice(2).map(Number)
// Of a broken engine nothing is sure: what nobody awaits is a find like any other.
process.on('unhandledRejection', (error) => {
  const hunt = { found: true, schedules: -1, ms: 0, violation: `unhandled: ${String(error)}` }
  process.stdout.write(`${JSON.stringify(hunt)}\n`, () => process.exit(0))
})
const hunt = await main(firstSeed!, schedulesMax!, shrinkMax!)
process.stdout.write(`${JSON.stringify(hunt)}\n`, () => process.exit(0))
