import { expect } from 'vitest'
import { counting, ENDLESS, lastLine, rows, startChecked, type Project } from './process.ts'

export const RUN = ['run', 'job.ts', '--json', '--parallelism', '2']

/** Runs the job for a while and stops it with a savepoint in `./saved`; gives what it had read. */
export async function stoppedAt(project: Project, script = counting()): Promise<number> {
  project.write('job.ts', script)
  const run = await startChecked(project, [...RUN, ...ENDLESS])
  const stop = await project.run(['stop', 'counting', '--savepoint', './saved', '--json'])
  expect(stop.stderr).toBe('')
  expect(stop.exitCode).toBe(0)
  expect(lastLine(stop)).toEqual({ savepoint: project.path('saved') })
  const ended = await run.ended
  expect(ended.exitCode).toBe(0)
  const line = lastLine(ended)
  expect(line).toMatchObject({ status: 'stopped', savepoint: project.path('saved') })
  expect(rows(project.path('out'))).toHaveLength(line['recordsIn'] as number)
  return line['recordsIn'] as number
}

/** Counts by hand, with one state of the given declaration. */
export function byHand(
  uid: string,
  state = 'valueState(int32(), { default: 0 })',
  name = 'n',
): string {
  return `
    .process('${uid}', {
      emits: Count,
      state: { ${name}: ${state} },
      onRecord(record, { key, state, emit }) {
        const n = Number(state.${name}.value() ?? 0) + 1
        state.${name}.update(${state.includes('utf8') ? 'String(n)' : 'n'})
        emit({ key, n })
      },
    })`
}
