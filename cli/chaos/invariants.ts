import { invariants, type InvariantId } from '../../engine/chaos/violation.ts'

interface Reading {
  /** Which runs can show that it is broken. */
  readonly judged: 'all modes' | 'simulation' | 'simulation, closely looked at'
  /** Who is to blame, as far as one can say, and what to look at. */
  readonly broken: string
}

const ENGINE =
  'A bug of Millrace, or of a source or sink of your own: no job does this. Report it with its bundle.'

/** What people do about an invariant that is broken. */
const readings: Readonly<Record<InvariantId, Reading>> = {
  I1: {
    judged: 'all modes',
    broken:
      'The job goes by more than its records and its state, or a sink loses or doubles. If I2 is broken too, look for what is remembered in a variable.',
  },
  I2: {
    judged: 'simulation, closely looked at',
    broken:
      'Most likely the job remembers something that is not in its state: a variable, a file or a service of its own. Declare it as state.',
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
      'A function that throws when records are read again, or waits for something that comes once; or a bug of Millrace.',
  },
  I12: {
    judged: 'all modes',
    broken:
      'A source or sink of your own that catches an error and says nothing; or a bug of Millrace.',
  },
  I13: {
    judged: 'simulation, closely looked at',
    broken:
      'The job asks a clock, chance or the world outside: two runs of it are not one. Take the time and the values of its records.',
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
    'By these a run is judged. `millrace chaos explain I2` shows one.',
    '',
    '| invariant | must hold | judged in | when it is broken |',
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n')
}
