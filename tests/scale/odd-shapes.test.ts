import { expect } from 'vitest'
import { test } from '../cli/process.ts'
import { EXPLODED, LARGE_CHARACTERS, RECORDS } from './jobs/odd-shapes.ts'
import { rowsOf, Run } from './scale.ts'

test.for([1, 4])(
  'empty and few splits, a record of 5 MB, one that becomes 10,000: exact at parallelism %i',
  async (parallelism, { project }) => {
    const set = { directory: project.path('rows') }
    await new Run(project, { job: 'odd-shapes.ts', parallelism, set }).summary()
    const rows = rowsOf<{ kind: string; n: number; size: number }>(project.path('rows'))
    const pieces = rows.filter(({ kind }) => kind === 'piece')
    const upTo = Array.from({ length: RECORDS * EXPLODED }, (_, index) => index + 1)
    expect(pieces.map(({ n }) => n).sort((a, b) => a - b)).toEqual(upTo)
    const others = rows.filter(({ kind }) => kind !== 'piece')
    expect(others.sort((a, b) => (a.kind < b.kind ? -1 : 1))).toEqual(
      [10, LARGE_CHARACTERS, 10].map((size, index) => ({ kind: `large-${index}`, n: 1, size })),
    )
  },
)
