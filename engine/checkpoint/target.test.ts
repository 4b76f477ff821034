import { expect, test } from 'vitest'
import { decideTarget, ownedUpTo, type TargetFacts } from './target.ts'

const own = { id: 'ours', parent: null, parentCheckpoint: null }
const fork = { id: 'fork', parent: 'ours', parentCheckpoint: 5 }
const facts: TargetFacts = {
  uid: 'lake',
  marker: { lineage: 'ours', instance: 'a', checkpointId: 5 },
  lineage: own,
  restoredId: 5,
  isKnownSink: true,
  hasPending: true,
  knownInstances: new Set(['a', 'b']),
}
const marked = (lineage: string, instance: string, checkpointId: number): Partial<TargetFacts> => ({
  marker: { lineage, instance, checkpointId },
})

test.each<[string, Partial<TargetFacts>, object]>([
  ['all is published', {}, { type: 'commit', after: 5 }],
  ['the last commit is missing', marked('ours', 'b', 4), { type: 'commit', after: 4 }],
  ['it is ahead', marked('ours', 'a', 6), { type: 'refuse', code: 'SINK_AHEAD' }],
  ['it is ahead of an empty folder', { restoredId: 0 }, { type: 'refuse', code: 'SINK_AHEAD' }],
  ['a copy went on', marked('ours', 'z', 5), { type: 'refuse', code: 'SINK_FOREIGN' }],
  ['another job', marked('theirs', 'a', 1), { type: 'refuse', code: 'SINK_FOREIGN' }],
  ['another that never published', marked('theirs', 'z', 0), { type: 'commit', after: 0 }],
  ['the mark is gone', { marker: undefined }, { type: 'refuse', code: 'SINK_FOREIGN' }],
  [
    'the mark is gone, nothing is pending',
    { marker: undefined, hasPending: false },
    { type: 'commit', after: 0 },
  ],
  ['a new sink', { marker: undefined, isKnownSink: false }, { type: 'commit', after: 0 }],
  ['a fork', { lineage: fork }, { type: 'adopt', after: 5, overlap: false }],
  [
    'a fork, its last commit missing',
    { lineage: fork, ...marked('ours', 'z', 4) },
    { type: 'adopt', after: 4, overlap: false },
  ],
  [
    'a fork, the parent went on',
    { lineage: fork, ...marked('ours', 'z', 9) },
    { type: 'adopt', after: 5, overlap: true },
  ],
  ['a fork to a new target', { lineage: fork, marker: undefined }, { type: 'commit', after: 0 }],
  ['a fork at its second start', { lineage: fork, ...marked('fork', 'b', 5) }, { after: 5 }],
  [
    'the parent came back after the fork went on',
    { lineage: fork, restoredId: 8 },
    { type: 'refuse', code: 'SINK_FOREIGN' },
  ],
  ['a fork, another job', { lineage: fork, ...marked('theirs', 'a', 1) }, { type: 'refuse' }],
])('a target: %s', (_, changes, decision) => {
  expect(decideTarget({ ...facts, ...changes })).toMatchObject(decision)
})

test('a running life finds out that another has taken its target', () => {
  const mark = { lineage: 'ours', instance: 'a', checkpointId: 4 }
  expect(ownedUpTo('lake', mark, { ...mark, checkpointId: 5 })).toBe(4)
  expect(() => ownedUpTo('lake', { ...mark, instance: 'b' }, mark)).toThrow(/taken over/)
  expect(() => ownedUpTo('lake', undefined, mark)).toThrow(/lost the mark/)
})
