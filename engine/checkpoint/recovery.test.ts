import { expect, test } from 'vitest'
import { checkpointIdOf } from './layout.ts'
import type { Lineage } from './manifest.ts'
import { decideRecovery, type RecoveryDecision, type RecoveryFacts } from './recovery.ts'
import { sampleManifest } from './testing/manifests.ts'

const ours: Lineage = { id: 'ours', parent: null, parentCheckpoint: null }
const at = (epoch: number, counter: number, changes: object = {}) =>
  sampleManifest({ lineage: ours, checkpointId: checkpointIdOf(epoch, counter), ...changes })
const epoch = (lineage: Lineage, job = 'visits') => ({
  epoch: 4,
  instance: 'x',
  pid: 1,
  job,
  lineage,
})
const forkOf = (parentCheckpoint: number, id = 'fork'): Lineage => ({
  id,
  parent: 'ours',
  parentCheckpoint,
})
const begun = { id: 'new', parent: null, parentCheckpoint: null }

function decide(changes: Partial<RecoveryFacts>): RecoveryDecision {
  return decideRecovery({
    job: 'visits',
    latest: undefined,
    lastEpoch: undefined,
    from: undefined,
    fork: false,
    newLineage: 'new',
    ...changes,
  })
}

test('an empty folder starts fresh, and a life that completed nothing leaves its lineage', () => {
  expect(decide({})).toEqual({ type: 'start-fresh', lineage: begun })
  expect(decide({ lastEpoch: epoch(ours) })).toEqual({ type: 'start-fresh', lineage: ours })
  const lost = forkOf(checkpointIdOf(1, 1))
  expect(decide({ lastEpoch: epoch(lost) })).toEqual({ type: 'start-fresh', lineage: begun })
})

test('the latest checkpoint of the folder is resumed, in its lineage', () => {
  const latest = at(2, 7)
  expect(decide({ latest, lastEpoch: epoch(ours) })).toEqual({
    type: 'restore-and-recommit',
    manifest: latest,
    origin: 'work-folder',
    lineage: ours,
  })
})

test('a final checkpoint is finished, also one that was drained', () => {
  for (const end of [{ final: true }, { final: true, drained: true }]) {
    const latest = at(2, 7, end)
    expect(decide({ latest })).toEqual({ type: 'finished', manifest: latest, lineage: ours })
  }
})

test('a savepoint counts only while the folder has no later checkpoint of its own', () => {
  const from = at(2, 7)
  const restored = (latest: RecoveryFacts['latest']): unknown => {
    const decision = decide({ from, latest })
    return decision.type === 'restore-and-recommit' ? decision.origin : decision.type
  }
  expect(restored(undefined)).toBe('savepoint')
  expect(restored(at(2, 6))).toBe('savepoint')
  expect(restored(at(2, 7))).toBe('work-folder')
  expect(restored(at(3, 1))).toBe('work-folder')
  expect(restored(at(3, 1, { final: true }))).toBe('finished')
  expect(restored(at(3, 1, { lineage: forkOf(from.checkpointId) }))).toBe('work-folder')
  expect(restored(at(9, 1, { lineage: begun }))).toBe('refuse')
})

test('a savepoint whose input had ended is refused', () => {
  for (const end of [{ drained: true }, { final: true }]) {
    expect(decide({ from: at(2, 7, end) })).toMatchObject({
      type: 'refuse',
      code: 'SAVEPOINT_DRAINED',
      message: 'the savepoint of checkpoint 2.7 was taken after the input had ended',
    })
  }
})

test('a fork begins one lineage, however often its start is repeated', () => {
  const from = at(2, 7)
  const fork = forkOf(from.checkpointId, 'new')
  const lineageOf = (changes: Partial<RecoveryFacts>): unknown => {
    const decision = decide({ fork: true, ...changes })
    return decision.type === 'refuse' ? decision.code : decision.lineage
  }
  expect(lineageOf({ from })).toEqual(fork)
  expect(lineageOf({ latest: from })).toEqual(fork)
  const begunFork = forkOf(from.checkpointId, 'begun')
  const lastEpoch = epoch(begunFork)
  expect(lineageOf({ from, lastEpoch })).toEqual(begunFork)
  expect(lineageOf({ latest: from, lastEpoch })).toEqual(begunFork)
  expect(lineageOf({ latest: from, lastEpoch, fork: false })).toEqual(begunFork)
  expect(lineageOf({ from, latest: at(5, 1, { lineage: begunFork }) })).toEqual(begunFork)
})

test('the folder or savepoint of another job is refused', () => {
  const refusals: readonly (readonly [Partial<RecoveryFacts>, RegExp])[] = [
    [{ latest: at(1, 1, { job: 'clicks' }) }, /belongs to job "clicks", this is job "visits"/],
    [{ lastEpoch: epoch(ours, 'clicks') }, /belongs to job "clicks"/],
    [{ from: at(1, 1, { job: 'clicks' }) }, /savepoint is of job "clicks"/],
  ]
  for (const [facts, message] of refusals) {
    const decision = decide(facts)
    expect(decision).toMatchObject({ type: 'refuse', code: 'WORK_DIR_FOREIGN' })
    expect(decision.type === 'refuse' && decision.message).toMatch(message)
  }
  const from = at(1, 1, { job: 'clicks' })
  expect(decide({ from, jobWas: 'clicks' })).toMatchObject({ origin: 'savepoint' })
  expect(decide({ latest: from, jobWas: 'clicks' })).toMatchObject({ origin: 'work-folder' })
  expect(decide({ latest: at(1, 1), jobWas: 'clicks' })).toMatchObject({ origin: 'work-folder' })
  expect(decide({ latest: from, jobWas: 'other' })).toMatchObject({ code: 'WORK_DIR_FOREIGN' })
  expect(decide({ from, fork: true })).toMatchObject({ origin: 'savepoint' })
})
