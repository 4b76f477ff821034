import { invariants, type InvariantId } from '../../engine/chaos/violation.ts'

interface Reading {
  /** Which runs can show that it is broken. */
  readonly judged: 'all modes' | 'simulation' | 'simulation, in detail'
  /** Who is to blame, as far as one can say, and what to look at. */
  readonly broken: string
}

const ENGINE =
  'A bug in Millrace, or in a source or sink of your own. No job can cause it. Report it with its bundle.'

/** What people do about an invariant that is broken. */
const readings: Readonly<Record<InvariantId, Reading>> = {
  I1: {
    judged: 'all modes',
    broken:
      'The job depends on more than its records and its state, or a sink loses or doubles rows. If I2 is broken too, look for a variable that remembers something.',
  },
  I2: {
    judged: 'simulation, in detail',
    broken:
      'The job probably remembers something outside its state: in a variable, a file or a service of its own. Declare it as state.',
  },
  I3: { judged: 'simulation', broken: ENGINE },
  I4: { judged: 'simulation', broken: ENGINE },
  I5: { judged: 'all modes', broken: ENGINE },
  I6: { judged: 'all modes', broken: ENGINE },
  I7: { judged: 'simulation', broken: ENGINE },
  I8: { judged: 'simulation', broken: ENGINE },
  I9: { judged: 'simulation', broken: ENGINE },
  I10: { judged: 'all modes', broken: ENGINE },
  I11: {
    judged: 'all modes',
    broken:
      'A function throws when records are read a second time, or waits for something that comes only once. Otherwise a bug in Millrace.',
  },
  I12: {
    judged: 'all modes',
    broken:
      'A source or sink of your own catches an error and does not log it. Otherwise a bug in Millrace.',
  },
  I13: {
    judged: 'simulation, in detail',
    broken:
      'The job depends on a clock, on random numbers or on the outside world, so two runs differ. Use the times and values of its records instead.',
  },
}

export const invariantIds = Object.keys(invariants) as readonly InvariantId[]

/** `i2` is I2; undefined for what is no invariant. */
export function invariantOf(text: string): InvariantId | undefined {
  return invariantIds.find((id) => id === text.toUpperCase())
}

export function describeInvariant(id: InvariantId): string {
  const { judged, broken } = readings[id]
  return [
    id,
    `  must hold         ${invariants[id]}`,
    `  judged in         ${judged}`,
    `  when it is broken ${broken}`,
  ].join('\n')
}

/** A line each, for a list. */
export function invariantLines(): readonly string[] {
  return invariantIds.map((id) => `${id.padEnd(4)} ${invariants[id]}`)
}

/** A section of docs/fault-points.md. */
export function invariantsSection(): string {
  const rows = invariantIds.map((id) => {
    const { judged, broken } = readings[id]
    return `| ${id} | ${invariants[id]} | ${judged} | ${broken} |`
  })
  return [
    '## What must hold',
    '',
    'Chaos checks every run against these invariants. `millrace chaos explain I2` shows one.',
    '',
    '| invariant | must hold | judged in | when it is broken |',
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n')
}
