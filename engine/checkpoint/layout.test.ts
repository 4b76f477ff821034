import { expect, test } from 'vitest'
import {
  checkpointIdOf,
  counterOf,
  EPOCH_MAX,
  epochOf,
  formatCheckpointId,
  manifestName,
  parseManifestName,
  parseStateFileName,
  stateFileName,
  uidHash,
} from './layout.ts'

test('an id of a later life is above every id of an earlier one', () => {
  expect(checkpointIdOf(2, 0)).toBeGreaterThan(checkpointIdOf(1, 2 ** 32 - 1))
  expect(Number.isSafeInteger(checkpointIdOf(EPOCH_MAX, 2 ** 32 - 1))).toBe(true)
  const id = checkpointIdOf(7, 41)
  expect([epochOf(id), counterOf(id), formatCheckpointId(id)]).toEqual([7, 41, '7.41'])
})

test('a state file is named after its uid, subtask, checkpoint and sequence', () => {
  const id = checkpointIdOf(3, 9)
  const name = stateFileName(uidHash('count/é\0'), 12, id, 4)
  expect(parseStateFileName(name)).toEqual({
    uidHash: uidHash('count/é\0'),
    subtask: 12,
    checkpointId: id,
    sequence: 4,
    isTemporary: false,
  })
  expect(parseStateFileName(`${name}.tmp`)?.isTemporary).toBe(true)
  for (const foreign of ['', 'notes.txt', `${name}.bak`, `x${name}`]) {
    expect(parseStateFileName(foreign)).toBeUndefined()
  }
})

test('manifests sort by name as by id', () => {
  const ids = [checkpointIdOf(1, 9), checkpointIdOf(1, 10), checkpointIdOf(11, 1), 0]
  const byName = ids.map(manifestName).sort()
  expect(byName.map(parseManifestName)).toEqual([...ids].sort((left, right) => left - right))
  expect(parseManifestName(`${manifestName(1)}.tmp`)).toBeUndefined()
})
