/**
 * One job through every order of things: its decisions are the functions of production, what is
 * around them (disk, targets, messages, tasks) is plain data. At every state that can be reached:
 *
 * I1  each record is published once, in order; all that was read at every end
 * I2  what a sink has published and declares is what the sources have read
 * I3  nothing is published that no complete checkpoint names
 * I4  no commit before the decision, no abort after it
 * I5  ids increase over all lives
 * I6  a complete checkpoint can be restored, whatever a loss of power takes away now
 * I9  every key group and every split has one owner, also at another parallelism
 * I11 an end is within reach
 */
import { expect, test } from 'vitest'
import { figures, share } from '../share.ts'
import { PRODUCTION } from './decisions.ts'
import { explore } from './explore.ts'
import { MUTANTS } from './mutants.ts'
import { machineOf } from './steps.ts'
import type { Bounds } from './world.ts'

const ONE_CRASH: Bounds = {
  records: [2, 1],
  reads: 'one',
  timers: 1,
  crashes: 1,
  powerLoss: false,
  faults: 0,
  requests: 0,
  requestTypes: [],
  parallelisms: [2],
  order: 'merged',
}

const REQUESTS = ['stop-requested', 'drain-requested', 'savepoint-requested'] as const

type Search = readonly [what: string, changes: Partial<Bounds>]

const CI: readonly Search[] = [
  ['three checkpoints, a crash', { timers: 2 }],
  ['two checkpoints, two crashes or losses of power', { crashes: 2, powerLoss: true }],
  ['a crash at parallelism 1 and 2', { parallelisms: [1, 2] }],
  ['cuts anywhere', { reads: 'any' }],
  ['a fault at any step', { faults: 1, timers: 0 }],
  ['a stop, a drain or a savepoint', { requests: 1, requestTypes: REQUESTS, timers: 0 }],
  ['acknowledgements and sweeps in any order', { timers: 0, order: 'any-order' }],
]

const SOAK: readonly Search[] = [
  ['three checkpoints, two crashes or losses of power', { timers: 2, crashes: 2, powerLoss: true }],
  ['a crash or a loss of power, and a fault', { faults: 1, powerLoss: true }],
  ['a request between two checkpoints', { requests: 1, requestTypes: REQUESTS }],
  ['two checkpoints and a crash, in any order', { records: [1, 1], order: 'any-order' }],
  ['two crashes at parallelism 1 and 2', { crashes: 2, powerLoss: true, parallelisms: [1, 2] }],
]

const searches = [...CI, ...SOAK].slice(0, share(CI.length, CI.length + SOAK.length))

test.each(searches)(
  'holds: %s',
  (what, changes) => {
    const rules = { decisions: PRODUCTION, bounds: { ...ONE_CRASH, ...changes } }
    const { states, transitions, depth, ends, wrong } = explore(machineOf(rules))
    figures(`model: ${what}`, { states, transitions, depth, ends })
    expect(wrong).toBeUndefined()
  },
  1_800_000,
)

test.each(MUTANTS)('found: $name', ({ name, decisions, bounds }) => {
  const rules = {
    decisions: { ...PRODUCTION, ...decisions },
    bounds: { ...ONE_CRASH, ...bounds },
  }
  const { wrong, states } = explore(machineOf(rules))
  expect(wrong, `${states} states, and nothing found`).toBeDefined()
  figures(`mutant: ${name}`, { found: wrong!.message, steps: wrong!.trace.length, states })
})
