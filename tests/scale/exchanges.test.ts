import { expect } from 'vitest'
import { test } from '../cli/process.ts'
import { RECORDS, userOf } from './jobs/exchanges.ts'
import { rowsOf, Run } from './scale.ts'

interface Row {
  readonly bucket: number
  readonly end: unknown
  readonly users: number
  readonly amount: number
}

test('three exchanges give the same rows at parallelism 1, 2, 4 and 8', async ({ project }) => {
  for (const parallelism of [1, 2, 4, 8]) {
    const directory = project.path(`rows-${parallelism}`)
    const workDir = `work-${parallelism}`
    const job = { job: 'exchanges.ts', parallelism, workDir, set: { directory } }
    await new Run(project, job).summary()
    const rows = rowsOf<Row>(directory).map(
      ({ bucket, end, users, amount }) =>
        `${new Date(end as number).getTime()} ${bucket} ${users} ${amount}`,
    )
    expect({ parallelism, rows: rows.sort() }).toEqual({ parallelism, rows: expected() })
  }
})

/** The same, by hand. */
function expected(): readonly string[] {
  const users = new Map<string, Set<string>>()
  const amounts = new Map<string, number>()
  for (let at = 0; at < RECORDS; at += 1) {
    const user = userOf(at)
    const row = `${at - (at % 10_000) + 10_000} ${user % 10}`
    if (!users.has(row)) users.set(row, new Set())
    users.get(row)!.add(`${user} ${at - (at % 1_000)}`)
    amounts.set(row, (amounts.get(row) ?? 0) + (at % 97) * 2)
  }
  return [...users].map(([row, all]) => `${row} ${all.size} ${amounts.get(row)}`).sort()
}
