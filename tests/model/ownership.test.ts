/**
 * Who may publish: several processes at one folder and one target, stopped, woken, killed, taken
 * over and forked from at any moment. The decisions are those of production.
 *
 * I7  nobody publishes or marks in a target that another life has claimed since he looked at its
 *     marker; nobody is killed but who has the folder; each record is published once, in order,
 *     unless a fork was told that what its parent went on to publish will be there twice
 */
import { expect, test } from 'vitest'
import { figures } from '../share.ts'
import { explore, type Explored } from './explore.ts'
import { OWNERSHIP, ownershipMachine, type Cast, type OwnershipRules } from './ownership-steps.ts'

const TWO: Cast = {
  names: ['first', 'again', 'other'],
  takesOver: undefined,
  parents: 'ended',
  stops: 1,
  crashes: 1,
}
const TAKEN_OVER: Cast = { ...TWO, takesOver: 'other' }
const THREE: Cast = { ...TWO, names: ['first', 'other', 'third'], takesOver: 'third', crashes: 0 }
const FORK: Cast = { ...TWO, names: ['first', 'fork'] }

const search = (cast: Cast, rules: Partial<OwnershipRules> = {}): Explored =>
  explore(ownershipMachine({ ...OWNERSHIP, ...rules }, cast))

test.each([
  ['a second start, while the supervisor starts the first again', TWO],
  ['a take-over', TAKEN_OVER],
  ['a take-over while two hand the folder on', THREE],
  ['a fork of a job that has ended', FORK],
] as const)('one writer at a time: %s', (what, cast) => {
  const { states, transitions, depth, wrong } = search(cast)
  figures(`model of ownership: ${what}`, { states, transitions, depth })
  expect(wrong).toBeUndefined()
})

const { decideOwnership, decideTarget } = OWNERSHIP

const MUTANTS: readonly (readonly [string, Cast, Partial<OwnershipRules>])[] = [
  ['the lock is lost while its holder is stopped', TWO, { locksOutlastStops: false }],
  ['a call is still under way when the lock is free', TWO, { locksOutlastCalls: false }],
  ['the record still names who has given the folder back', THREE, { clearsRecord: false }],
  [
    'a take-over leaves the supervisor alive',
    TAKEN_OVER,
    {
      decideOwnership: (facts) => {
        const decision = decideOwnership(facts)
        return decision.type === 'kill' ? { ...decision, pids: decision.pids.slice(-1) } : decision
      },
    },
  ],
  [
    'a target is taken without a look at its marker',
    FORK,
    { decideTarget: (facts) => decideTarget({ ...facts, marker: undefined }) },
  ],
  [
    'a commit does not look whose the target is now',
    { ...FORK, parents: 'at-work' },
    { ownedUpTo: (_uid, marker) => marker?.checkpointId ?? 0 },
  ],
]

test.each(MUTANTS)('found: %s', (name, cast, rules) => {
  const { wrong, states } = search(cast, rules)
  expect(wrong, `${states} states, and nothing found`).toBeDefined()
  figures(`mutant of ownership: ${name}`, {
    found: wrong!.message,
    steps: wrong!.trace.length,
    states,
  })
})

/** A target of files cannot compare and set: these are the two holes, and the shortest way there. */
test('what a fork is not safe from: a commit of its parent that was under way', () => {
  const living = search({ ...FORK, parents: 'at-work' })
  expect(living.wrong?.message).toMatch(/publishes in a target that another has claimed/)
  expect(living.wrong?.trace.slice(-6)).toEqual([
    'starts fork',
    'knocks fork',
    'opens fork',
    'publishes fork',
    'marks fork',
    'publishes first',
  ])
  const dead = search({ ...FORK, parents: 'dead' })
  expect(dead.wrong?.message).toMatch(/is published after/)
  expect(dead.wrong?.trace).toContain('dies first')
})
