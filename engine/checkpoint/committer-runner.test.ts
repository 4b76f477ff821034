import { expect, test } from 'vitest'
import type { Clock } from '../base/clock.ts'
import { systemClock } from '../base/clock.ts'
import { StreamError } from '../base/errors.ts'
import { silentLogger } from '../base/logger.ts'
import { seededRandom, systemRandom, type Random } from '../base/random.ts'
import type { Committable, Committer, TargetMarker } from '../operator/sink.ts'
import { CommitterRunner } from './committer-runner.ts'
import type { CheckpointManifest } from './manifest.ts'
import { sampleManifest } from './testing/manifests.ts'

/** A target that keeps effects by identity, as linked files are, and can fail at any step. */
class Target {
  readonly published: string[] = []
  marker: TargetMarker | undefined
  commits = 0
  /** Called before each step; throws to fail there. */
  step: () => void = () => undefined

  committer(): Committer {
    return {
      readMarker: async () => {
        this.step()
        return this.marker
      },
      commit: async (committables, marker) => {
        this.commits += 1
        for (const { bornAt, subtask, sequence } of committables) {
          this.step()
          const name = `${bornAt}/${subtask}/${sequence}`
          if (!this.published.includes(name)) this.published.push(name)
        }
        this.step()
        this.marker = marker
        this.step()
      },
      sweep: () => Promise.resolve(),
      stagedFiles: () => [],
      close: () => Promise.resolve(),
    }
  }
}

const lineage = { id: 'ours', parent: null, parentCheckpoint: null }

function patientClock(): Clock & { readonly sleeps: number[] } {
  const sleeps: number[] = []
  const elapsed = (): number => sleeps.reduce((sum, ms) => sum + ms, 0)
  const sleep = async (ms: number): Promise<void> => void sleeps.push(ms)
  return { ...systemClock, monotonicMs: elapsed, sleep, sleeps }
}

function runnerOf(target: Target, instance = 'a', clock = patientClock()): CommitterRunner {
  const committer = target.committer()
  return new CommitterRunner({
    uid: 'lake',
    committer,
    clock,
    logger: silentLogger,
    lineage,
    instance,
  })
}

function item(bornAt: number, subtask = 0, sequence = 0): Committable {
  return { uid: 'lake', bornAt, subtask, sequence, effect: null }
}

function restored(checkpointId: number, committables: readonly Committable[]): CheckpointManifest {
  return sampleManifest({ checkpointId, sinks: [{ uid: 'lake', kind: 'file', committables }] })
}

test('a target is claimed before anything is published', async () => {
  const target = new Target()
  await runnerOf(target).open(undefined, new Set())
  expect(target.marker).toEqual({ lineage: 'ours', instance: 'a', checkpointId: 0 })
  await expect(
    runnerOf(target, 'b')
      .open(undefined, new Set(['a']))
      .then(() => target.marker),
  ).resolves.toMatchObject({ instance: 'b' })
})

test('checkpoints are committed in order, each by birth, subtask and sequence', async () => {
  const target = new Target()
  const runner = runnerOf(target)
  await runner.open(undefined, new Set())
  const first = runner.commit(7, [item(7, 1), item(5, 0, 1), item(7), item(5)])
  const second = runner.commit(8, [item(5), item(8)])
  await runner.commit(9, [])
  await Promise.all([first, second])
  expect(target.published).toEqual(['5/0/0', '5/0/1', '7/0/0', '7/1/0', '8/0/0'])
  expect(target.marker).toMatchObject({ checkpointId: 8 })
})

test('what a transient failure cut short is tried again, with growing pauses', async () => {
  const target = new Target()
  const clock = patientClock()
  const runner = runnerOf(target, 'a', clock)
  await runner.open(undefined, new Set())
  let failures = 3
  target.step = () => {
    failures -= 1
    if (failures === 1) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    if (failures >= 0) throw new StreamError('SINK_COMMIT_FAILED', 'try again')
  }
  await runner.commit(1, [item(1)])
  expect(clock.sleeps).toEqual([20, 40, 80])
  expect(target.published).toEqual(['1/0/0'])
})

test('a commit that never succeeds fails in the end, and so do those after it', async () => {
  const target = new Target()
  const clock = patientClock()
  const runner = runnerOf(target, 'a', clock)
  await runner.open(undefined, new Set())
  target.step = () => {
    throw new StreamError('SINK_COMMIT_FAILED', 'never')
  }
  const first = runner.commit(1, [item(1)])
  const second = runner.commit(2, [item(2)])
  await expect(first).rejects.toMatchObject({ code: 'SINK_COMMIT_FAILED' })
  await expect(second).rejects.toMatchObject({ code: 'SINK_COMMIT_FAILED' })
  expect(Math.max(...clock.sleeps)).toBe(5_000)
  expect(clock.monotonicMs()).toBeLessThanOrEqual(300_000)
})

test('a staged file that is missing is not tried again', async () => {
  const target = new Target()
  const runner = runnerOf(target)
  await runner.open(undefined, new Set())
  const before = target.commits
  target.step = () => {
    if (target.commits > before) throw new StreamError('STAGED_FILE_MISSING', 'x is missing')
  }
  await expect(runner.commit(1, [item(1)])).rejects.toMatchObject({ code: 'STAGED_FILE_MISSING' })
  expect(target.commits).toBe(before + 1)
})

test('a refused target is not touched', async () => {
  const target = new Target()
  target.marker = { lineage: 'theirs', instance: 'z', checkpointId: 3 }
  const opening = runnerOf(target).open(restored(5, [item(5)]), new Set(['a']))
  await expect(opening).rejects.toMatchObject({ code: 'SINK_FOREIGN', place: { operator: 'lake' } })
  expect([target.commits, target.marker.checkpointId]).toEqual([0, 3])
})

test('after another life took the target over, this one publishes nothing more', async () => {
  const target = new Target()
  const runner = runnerOf(target)
  await runner.open(undefined, new Set())
  await runnerOf(target, 'b').open(undefined, new Set(['a']))
  await expect(runner.commit(1, [item(1)])).rejects.toMatchObject({ code: 'SINK_FOREIGN' })
  expect(target.published).toEqual([])
})

/** A job of one sink that dies at random steps, and starts again from its latest checkpoint. */
async function liveAndDie(random: Random): Promise<void> {
  const target = new Target()
  const expected: string[] = []
  const instances = new Set<string>()
  let manifest: CheckpointManifest | undefined
  let id = 0
  for (let life = 0; life < 8; life += 1) {
    let steps = random.int(12)
    target.step = () => {
      steps -= 1
      if (steps === 0) throw new StreamError('SINK_COMMIT_FAILED', 'the response was lost')
      if (steps < -random.int(6)) throw new Error('killed')
    }
    const instance = `life ${life}`
    const runner = runnerOf(target, instance)
    instances.add(instance)
    id += 100 // The next epoch.
    try {
      await runner.open(manifest, instances)
      let declared: Committable[] = []
      for (let round = random.int(4); round > 0; round -= 1) {
        id += 1
        declared.push(item(id, 0), item(id, 1))
        if (random.int(3) === 0) continue // Aborted: declared again by the next one.
        manifest = restored(id, declared)
        expected.push(...declared.map(({ bornAt, subtask }) => `${bornAt}/${subtask}/0`))
        const committed = runner.commit(id, declared)
        declared = [...declared]
        if (random.int(2) === 0) continue
        await committed
        if (random.int(2) === 0) declared = [] // Confirmed; else the confirmation was lost.
      }
      await runner.close()
    } catch (error) {
      if ((error as Error).message !== 'killed') throw error
    }
  }
  target.step = () => undefined
  await runnerOf(target, 'last').open(manifest, instances)
  expect(target.published).toEqual([...new Set(expected)])
}

test('whatever complete checkpoints hold is published once, in order, whenever a life ends', async () => {
  const seed = systemRandom.int(2 ** 32)
  for (let round = 0; round < 300; round += 1) {
    await liveAndDie(seededRandom(seed + round)).catch((error: unknown) => {
      throw new Error(`seed ${seed + round}`, { cause: error })
    })
  }
})

test.each([
  ['ENOTDIR', /folder is needed/],
  ['EACCES', /the right to read and write/],
  ['EROFS', /read-only/],
  ['ELOOP', /Symbolic links/],
  ['ENAMETOOLONG', /shorter path/],
  ['EFBIG', /ulimit -f/],
])('%s fails at once: no waiting mends it', async (code, hint) => {
  const target = new Target()
  const clock = patientClock()
  const runner = runnerOf(target, 'a', clock)
  await runner.open(undefined, new Set())
  target.commits = 0
  target.step = () => {
    const cause = Object.assign(new Error(`${code}: open '/out/x'`), { code })
    throw new StreamError('SINK_COMMIT_FAILED', `files could not be published: ${cause.message}`, {
      cause,
    })
  }
  const committable = { uid: 'lake', bornAt: 1, subtask: 0, sequence: 0, effect: null }
  await expect(runner.commit(1, [committable])).rejects.toMatchObject({
    code: 'FILE_REFUSED',
    message: `files could not be published: ${code}: open '/out/x'`,
    place: { operator: 'lake' },
    consequence: { then: 'fail' },
    hint: expect.stringMatching(hint) as string,
  })
  expect(clock.sleeps).toEqual([])
  target.step = () => {
    throw Object.assign(new Error(code), { code })
  }
  const again = runnerOf(target, 'b', clock).open(undefined, new Set())
  await expect(again).rejects.toMatchObject({ code: 'FILE_REFUSED' })
  expect(clock.sleeps).toEqual([])
})
