/** Pictures of real runs: whatever a schedule does, it is seen. */
import { expect, test } from 'vitest'
import { pictureOf } from '../../cli/chaos/picture.ts'
import { simulateSchedule } from '../../engine/chaos/simulate-schedule.ts'
import { timelineOf } from '../../engine/chaos/timeline/timeline.ts'
import { describeAction } from '../../engine/faults/schedule.ts'
import type { Fault } from '../../engine/faults/schedule.ts'
import { shapes } from '../simulation/shapes.ts'

const at = (point: Fault['point'], nth: number, action: Fault['action']): Fault => ({
  point,
  nth,
  action,
})

interface Seen {
  readonly shape: string
  readonly faults: readonly Fault[]
  readonly words: readonly string[]
}

const seen: Readonly<Record<string, Seen>> = {
  'nothing happens': {
    shape: 'union',
    faults: [],
    words: ['no fault', '1.1 is complete', 'life 1 finishes'],
  },
  'killed between decision and commit': {
    shape: 'diamond',
    faults: [at('coordinator.written', 3, { type: 'crash' })],
    words: ['complete, not committed', 'verified and restored', 'publishes'],
  },
  'power lost, then a disk that fails': {
    shape: 'timers',
    faults: [
      at('disk.manifest.link', 2, { type: 'power-loss' }),
      at('disk.state.sync', 6, { type: 'errno', errno: 'EIO' }),
    ],
    words: ['loses power', 'is declined', 'is aborted: FILE_IO'],
  },
  'a second start, and another parallelism': {
    shape: 'broadcast',
    faults: [
      at('commit.begin', 1, { type: 'fence', takeOver: true }),
      at('snapshot.cut', 40, { type: 'rescale', parallelism: 3 }),
    ],
    words: ['is started a second time', 'at parallelism 3', 'alignment'],
  },
}

for (const [name, { shape, faults, words }] of Object.entries(seen)) {
  test(name, async () => {
    const { job } = shapes.find((one) => one.name === shape)!
    const schedule = { seed: 1, parallelism: 2, faults }
    const run = { job: shape, ...(await simulateSchedule({ job, parameters: {}, schedule })) }
    expect(run.fired).toHaveLength(faults.length)
    const { terminal, svg } = pictureOf(run)
    const flat = (text: string): string => text.replaceAll(/\s+/g, ' ')
    for (const one of words) {
      expect(flat(terminal)).toContain(one)
      expect(flat(svg.replaceAll(/<[^>]*>/g, ' '))).toContain(one)
    }
    for (const { action } of faults) expect(svg).toContain(`→ ${describeAction(action)}`)
    const { rows } = timelineOf(run)
    const marks = rows.flatMap((row) => (row.type === 'step' ? [...row.cells.values()] : [])).flat()
    expect(marks.filter(({ kind }) => kind === 'fault')).toHaveLength(faults.length)
    expect(rows.filter(({ type }) => type === 'end')).toHaveLength(run.lives.length)
    // A page, not a scroll: what did not matter is folded.
    expect(terminal.split('\n').length).toBeLessThan(90)
    expect(pictureOf(run)).toEqual({ terminal, svg })
  })
}
