/** Schedules that once broke an invariant: each holds now. */
import { expect, test } from 'vitest'
import { examine } from '../../engine/chaos/examine.ts'
import { goldenRun, type Subject } from '../../engine/chaos/subject.ts'
import { describeFault, FIRST_COME, type Fault } from '../../engine/faults/schedule.ts'
import { shapes } from '../simulation/shapes.ts'

interface Regression {
  readonly what: string
  readonly shape: string
  readonly seed: number
  readonly parallelism: number
  readonly faults: readonly Fault[]
}

const regressions: readonly Regression[] = [
  {
    what: 'a job whose workers fail to close, when all is committed, comes to its end',
    shape: 'union',
    seed: 24,
    parallelism: 2,
    faults: [{ point: 'master.close', nth: 1, action: { type: 'throw' } }],
  },
  {
    what: 'a task that fails when the last checkpoint is committed is told of, and changes nothing',
    shape: 'timers',
    seed: 1,
    parallelism: 1,
    faults: [{ point: 'sink.confirm', nth: 5, action: { type: 'throw' } }],
  },
  {
    what: 'a state file that fails late, for a checkpoint that is over, is told of',
    shape: 'broadcast',
    seed: 18,
    parallelism: 2,
    faults: [
      { point: 'disk.state.link', nth: 4, life: 2, action: { type: 'errno', errno: 'EIO' } },
      { point: 'disk.marker.folder', nth: 2, action: { type: 'crash' } },
    ],
  },
  {
    what: 'a job that ends waits for the files that it still writes',
    shape: 'broadcast',
    seed: 12,
    parallelism: 3,
    faults: [],
  },
  {
    what: 'a call that fails by itself, and was to fail though done, fails as it was told to',
    shape: 'union',
    seed: 1,
    parallelism: 2,
    faults: [
      { point: 'disk.staged.read', nth: 1, action: { type: 'errno', errno: 'EIO', done: true } },
    ],
  },
  {
    what: 'what a manifest held that the power took is thrown away, and that is right',
    shape: 'diamond',
    seed: FIRST_COME,
    parallelism: 2,
    faults: [
      { point: 'disk.manifest.link', nth: 2, action: { type: 'errno', errno: 'EIO', done: true } },
      { point: 'recover.own', nth: 1, life: 2, action: { type: 'power-loss' } },
    ],
  },
  {
    what: 'a process that fails tells why, also when another one goes on in its place',
    shape: 'diamond',
    seed: 1,
    parallelism: 2,
    faults: [
      { point: 'sink.write', nth: 1, action: { type: 'fence', takeOver: false } },
      { point: 'sink.write', nth: 2, action: { type: 'throw' } },
    ],
  },
  {
    what: 'a process that is killed by one that takes over has no time to tell what had failed',
    shape: 'diamond',
    seed: 2,
    parallelism: 2,
    faults: [
      { point: 'sink.write', nth: 1, action: { type: 'fence', takeOver: true } },
      { point: 'sink.write', nth: 2, action: { type: 'throw' } },
    ],
  },
  {
    what: 'the temporary file of a start that was cut short goes with the next one',
    shape: 'diamond',
    seed: 1,
    parallelism: 2,
    faults: [
      { point: 'disk.epoch.link', nth: 1, action: { type: 'errno', errno: 'EIO', done: true } },
    ],
  },
]

for (const { what, shape, seed, parallelism, faults } of regressions) {
  test(`${what} (${faults.map(describeFault).join(', ')})`, async () => {
    const { job } = shapes.find(({ name }) => name === shape)!
    const subject: Subject = { name: shape, job, parameters: {} }
    const golden = await goldenRun(subject, parallelism)
    const { run, violations } = await examine(subject, golden, { seed, parallelism, faults })
    expect(run.fired).toEqual(faults.map((_, index) => index))
    expect(violations).toEqual([])
  })
}
