/**
 * The coordinator's invariants, over tables of events and over random orders of them. Events that
 * the world answers with (acknowledgements, written, committed) are drawn from what was asked for.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { CheckpointSettings } from '../graph/stream-graph.ts'
import type { CheckpointId } from '../stream/elements.ts'
import {
  coordinate,
  startCoordinator,
  type CoordinatorEffect,
  type CoordinatorEvent,
  type CoordinatorState,
} from './coordinator.ts'
import { checkpointIdOf } from './layout.ts'
import type { SubtaskSnapshot } from './snapshot.ts'

const settings: CheckpointSettings = {
  everyMs: 100,
  timeoutMs: 1_000,
  minPauseMs: 0,
  retain: 1,
  tolerableFailures: 1,
}
const SUBTASKS = ['0:0', '0:1', '1:0']
const id = (counter: number): CheckpointId => checkpointIdOf(3, counter)

function snapshot(checkpointId: CheckpointId, subtask: string): SubtaskSnapshot {
  const [vertex, index] = subtask.split(':').map(Number)
  return {
    checkpointId,
    vertex: vertex!,
    subtask: index!,
    operators: {},
    splits: {},
    committables: [],
    recordsRead: 0,
    recordsWritten: 0,
    recordsMalformed: 0,
    recordsLate: 0,
    alignmentMs: 0,
    syncMs: 0,
    bytesWritten: 0,
  }
}

class Driver {
  state: CoordinatorState
  nowMs = 0

  constructor(changed: Partial<CheckpointSettings> = {}, isStarted = true) {
    this.state = startCoordinator({ ...settings, ...changed }, 3, SUBTASKS)
    if (isStarted) this.state = coordinate(this.state, { type: 'started' }, 0).state
  }

  on(event: CoordinatorEvent): readonly CoordinatorEffect[] {
    this.nowMs += 1
    const step = coordinate(this.state, event, this.nowMs)
    this.state = step.state
    return step.effects
  }

  acknowledgeAll(checkpointId: CheckpointId): readonly CoordinatorEffect[] {
    return SUBTASKS.flatMap((subtask) =>
      this.on({ type: 'acknowledged', snapshot: snapshot(checkpointId, subtask) }),
    )
  }

  endAll(): readonly CoordinatorEffect[] {
    return SUBTASKS.flatMap((name) => {
      const [vertex, subtask] = name.split(':').map(Number)
      return this.on({ type: 'subtask-ended', vertex: vertex!, subtask: subtask! })
    })
  }
}

const types = (effects: readonly CoordinatorEffect[]) => effects.map((effect) => effect.type)

test('a checkpoint is written when every subtask has acknowledged, then committed, then confirmed', () => {
  const driver = new Driver({}, false)
  expect(types(driver.on({ type: 'started' }))).toEqual(['set-timer'])
  expect(types(driver.on({ type: 'timer' }))).toEqual(['trigger', 'set-expiry', 'set-timer'])
  expect(types(driver.acknowledgeAll(id(1)))).toEqual(['write'])
  expect(driver.on({ type: 'written', checkpointId: id(1) })).toEqual([
    { type: 'commit', checkpointId: id(1) },
  ])
  expect(driver.on({ type: 'committed', checkpointId: id(1) })).toEqual([
    { type: 'confirm', checkpointId: id(1) },
  ])
})

test('what is asked for before records flow waits until they do', () => {
  const stopped = new Driver({}, false)
  expect(stopped.on({ type: 'stop-requested', request: 1 })).toEqual([])
  expect(stopped.on({ type: 'started' })).toContainEqual({
    type: 'trigger',
    checkpointId: id(1),
    stop: true,
  })
  const drained = new Driver({}, false)
  expect(drained.on({ type: 'drain-requested' })).toEqual([])
  expect(types(drained.on({ type: 'started' }))).toEqual(['set-timer', 'drain-sources'])
  const asked = new Driver({}, false)
  expect(asked.on({ type: 'savepoint-requested', request: 1 })).toEqual([])
  expect(types(asked.on({ type: 'started' }))).toContain('trigger')
})

test('a late, doubled or foreign acknowledgement is ignored', () => {
  const driver = new Driver()
  driver.on({ type: 'timer' })
  driver.on({ type: 'acknowledged', snapshot: snapshot(id(1), '0:0') })
  expect(driver.on({ type: 'acknowledged', snapshot: snapshot(id(1), '0:0') })).toEqual([])
  expect(driver.on({ type: 'acknowledged', snapshot: snapshot(id(1), '9:9') })).toEqual([])
  expect(driver.on({ type: 'acknowledged', snapshot: snapshot(id(7), '0:1') })).toEqual([])
  expect(driver.state.pending?.acknowledged.size).toBe(1)
})

test('an expired checkpoint counts as failed; one more than tolerable fails the job', () => {
  const driver = new Driver()
  driver.on({ type: 'timer' })
  expect(types(driver.on({ type: 'expired', checkpointId: id(1) }))).toEqual(['aborted'])
  driver.on({ type: 'timer' })
  const effects = driver.on({ type: 'expired', checkpointId: id(2) })
  expect(types(effects)).toEqual(['aborted', 'fail'])
})

test('a checkpoint that is being written no longer expires', () => {
  const driver = new Driver()
  driver.on({ type: 'timer' })
  driver.acknowledgeAll(id(1))
  expect(driver.on({ type: 'expired', checkpointId: id(1) })).toEqual([])
  expect(types(driver.on({ type: 'written', checkpointId: id(1) }))).toEqual(['commit'])
})

test('with three checkpoints uncommitted no new one is triggered, until one is committed', () => {
  const driver = new Driver()
  for (let counter = 1; counter <= 3; counter += 1) {
    driver.on({ type: 'timer' })
    driver.acknowledgeAll(id(counter))
    driver.on({ type: 'written', checkpointId: id(counter) })
  }
  expect(driver.on({ type: 'timer' })).toEqual([])
  expect(types(driver.on({ type: 'committed', checkpointId: id(1) }))).toContain('trigger')
})

test('the minimum pause is kept between the end of one and the trigger of the next', () => {
  const driver = new Driver({ minPauseMs: 50 })
  driver.on({ type: 'timer' })
  driver.acknowledgeAll(id(1))
  driver.on({ type: 'written', checkpointId: id(1) })
  const effects = driver.on({ type: 'timer' })
  expect(types(effects)).toEqual(['set-timer'])
  driver.nowMs += 50
  expect(types(driver.on({ type: 'timer' }))).toContain('trigger')
})

test('when all input has ended a final checkpoint is taken, after the one under way', () => {
  const driver = new Driver()
  driver.on({ type: 'timer' })
  expect(driver.endAll()).toEqual([])
  driver.acknowledgeAll(id(1))
  const effects = driver.on({ type: 'written', checkpointId: id(1) })
  expect(types(effects)).toEqual(['commit', 'trigger', 'set-expiry', 'set-timer'])
  const [write] = driver.acknowledgeAll(id(2))
  expect(write).toMatchObject({ type: 'write', final: true, drained: false })
  driver.on({ type: 'committed', checkpointId: id(1) })
  driver.on({ type: 'written', checkpointId: id(2) })
  expect(driver.on({ type: 'committed', checkpointId: id(2) }).at(-1)).toEqual({
    type: 'over',
    checkpointId: id(2),
    status: 'finished',
  })
})

test('a stop is carried by a checkpoint of its own, and its savepoint with it', () => {
  const driver = new Driver()
  expect(types(driver.on({ type: 'stop-requested', request: 5 }))).toContain('trigger')
  driver.acknowledgeAll(id(1))
  driver.on({ type: 'written', checkpointId: id(1) })
  expect(types(driver.on({ type: 'committed', checkpointId: id(1) }))).toEqual([
    'confirm',
    'savepoint',
    'over',
  ])
})

test('a drain ends the sources, and its savepoint is the final checkpoint', () => {
  const driver = new Driver()
  expect(types(driver.on({ type: 'drain-requested', request: 1 }))).toEqual(['drain-sources'])
  driver.endAll()
  const [write] = driver.acknowledgeAll(id(1))
  expect(write).toMatchObject({ final: true, drained: true })
})

test('a manifest in doubt fails the job at once', () => {
  const driver = new Driver()
  driver.on({ type: 'timer' })
  driver.acknowledgeAll(id(1))
  const error = { code: 'CHECKPOINT_IN_DOUBT', message: 'link failed' } as const
  expect(driver.on({ type: 'write-failed', checkpointId: id(1), error })).toEqual([
    { type: 'fail', error },
  ])
})

test('in any order of events: one under way, ids increase, commit only what is written', () => {
  const choice = fc.array(fc.tuple(fc.nat(9), fc.nat(9)), { maxLength: 80 })
  fc.assert(fc.property(choice, (choices) => replay(choices)))
})

/** Draws each event from those that the world can give, and checks C1 to C3 and C5 on the way. */
function replay(choices: readonly (readonly [number, number])[]): void {
  const driver = new Driver({ tolerableFailures: 1_000 })
  const triggered: CheckpointId[] = []
  const written = new Set<CheckpointId>()
  const committed: CheckpointId[] = []
  let writing: CheckpointId | undefined
  const commits: CheckpointId[] = []
  for (const [kind, detail] of choices) {
    const effects = driver.on(draw(kind, detail))
    for (const effect of effects) {
      if (effect.type === 'trigger') {
        expect(effect.checkpointId).toBeGreaterThan(triggered.at(-1) ?? 0)
        triggered.push(effect.checkpointId)
        expect(driver.state.uncommitted.length).toBeLessThan(3)
      }
      if (effect.type === 'write') {
        expect(writing).toBeUndefined()
        expect(effect.snapshots.length).toBe(SUBTASKS.length)
        writing = effect.checkpointId
      }
      if (effect.type === 'commit') {
        expect(written.has(effect.checkpointId)).toBe(true)
        expect(effect.checkpointId).toBeGreaterThan(committed.at(-1) ?? 0)
        committed.push(effect.checkpointId)
        commits.push(effect.checkpointId)
      }
    }
  }

  function draw(kind: number, detail: number): CoordinatorEvent {
    const last = triggered.at(-1) ?? id(1)
    const subtask = SUBTASKS[detail % SUBTASKS.length]!
    if (kind === 1 && detail > 7) return { type: 'expired', checkpointId: last }
    if (kind === 2 && writing !== undefined) {
      const checkpointId = writing
      writing = undefined
      written.add(checkpointId)
      return { type: 'written', checkpointId }
    }
    if (kind === 3 && commits.length > 0) {
      return { type: 'committed', checkpointId: commits.shift()! }
    }
    if (kind === 4 && detail > 7) return { type: 'savepoint-requested', request: detail }
    if (kind === 5 && detail === 9) {
      const [vertex, index] = subtask.split(':').map(Number)
      return { type: 'subtask-ended', vertex: vertex!, subtask: index! }
    }
    if (kind === 6 && detail === 9) return { type: 'stop-requested' }
    if (kind > 6) return { type: 'acknowledged', snapshot: snapshot(last, subtask) }
    return { type: 'timer' }
  }
}
