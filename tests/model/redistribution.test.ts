/** I9 for every change of parallelism: a key group and a split have one owner before and after. */
import { expect, test } from 'vitest'
import { splitsToRead } from '../../engine/job/source-coordinator.ts'
import { keyGroupRange, subtaskOfKeyGroup } from '../../engine/stream/keys.ts'
import { figures } from '../share.ts'

test('each key group is written, routed to and restored by one subtask, at any parallelism', () => {
  let checked = 0
  for (const groups of [1, 2, 3, 5, 7, 16, 127, 128]) {
    for (let parallelism = 1; parallelism <= groups; parallelism += 1) {
      const owners = Array.from({ length: groups }, (): number[] => [])
      for (let subtask = 0; subtask < parallelism; subtask += 1) {
        const { first, last } = keyGroupRange(subtask, groups, parallelism)
        for (let group = first; group <= last; group += 1) owners[group]!.push(subtask)
      }
      const routed = owners.map((_, group) => [subtaskOfKeyGroup(group, groups, parallelism)])
      expect(owners, `${groups} key groups over ${parallelism}`).toEqual(routed)
      checked += groups
    }
  }
  figures('model of key groups', { checked })
})

test('each split is read by one, from where its reader was, whichever have ended', () => {
  let checked = 0
  for (let count = 0; count <= 5; count += 1) {
    const known = Array.from({ length: count }, (_, index) => ({
      id: `s${index}`,
      index,
      start: 0,
    }))
    // Of each split: never read, under way, or ended.
    for (let code = 0; code < 3 ** count; code += 1) {
      const stages = known.map((_, index) => Math.floor(code / 3 ** index) % 3)
      const states = known
        .filter((_, index) => stages[index] !== 0)
        .map(({ id, index }) => {
          const finished = stages[index] === 2
          return { id, position: index + 10, finished, watermarkMs: index }
        })
      const dealt = splitsToRead([...known].reverse(), states)
      expect(dealt.map(({ id }) => id).sort()).toEqual(known.map(({ id }) => id))
      for (const { index, position, finished } of dealt) {
        expect(position).toBe(stages[index] === 0 ? undefined : index + 10)
        expect(finished).toBe(stages[index] === 2)
      }
      const active = dealt.findIndex(({ finished }) => finished)
      const rest = active === -1 ? [] : dealt.slice(active)
      expect(rest.every(({ finished }) => finished)).toBe(true)
      checked += 1
    }
  }
  figures('model of splits', { checked })
})
