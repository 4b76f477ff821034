/**
 * A file sink that is renamed, moved or removed between two starts: real markers and staged files,
 * on a disk that loses power, through the recovery of a work folder.
 */
import { expect, test } from 'vitest'
import { systemClock } from '../../engine/base/clock.ts'
import type { Doors } from '../../engine/base/doors.ts'
import {
  makeDirectories,
  readWholeFile,
  writeDurably,
  type Files,
} from '../../engine/base/files.ts'
import { silentLogger } from '../../engine/base/logger.ts'
import { seededRandom } from '../../engine/base/random.ts'
import { checkpointIdOf } from '../../engine/checkpoint/layout.ts'
import type { CheckpointContent } from '../../engine/checkpoint/work-folder.ts'
import { openWorkFolder, type WorkFolderOptions } from '../../engine/checkpoint/work-folder.ts'
import type { JobGraph } from '../../engine/graph/job-graph.ts'
import { DEFAULT_SETTINGS } from '../../engine/graph/stream-graph.ts'
import { memoryDisk, settles } from '../../engine/simulation/memory-files.ts'
import { FileCommitter } from './file-committer.ts'
import { stagingFolder } from './staging.ts'

interface Life extends Partial<WorkFolderOptions> {
  /** Undefined: the job has no sink. */
  readonly uid?: string
  readonly directory?: string
  readonly root?: string
  /** The power goes after the checkpoint is written and before it is published. */
  readonly unpublished?: boolean
  readonly checkpoints?: number
}

/** One life: it writes and publishes a number a checkpoint. Gives the numbers so far. */
async function live(files: Files, seed: number, life: Life): Promise<number> {
  const { uid, directory = '/out', root = '/job', unpublished = false, ...options } = life
  const random = seededRandom(seed)
  const doors: Doors = { clock: systemClock, random, files, logger: silentLogger }
  const opened = await openWorkFolder({
    root,
    job: 'numbers',
    doors,
    graph: graphOf(uid, directory),
    planHash: 'plan',
    parameters: {},
    options: {
      ...{ fresh: false, takeOver: false, fork: false, hasSupervisor: false },
      ...{ dropState: [], renameUid: {} },
      ...options,
    },
    settings: { ...DEFAULT_SETTINGS.checkpointing, retain: 1 },
    processes: {
      pid: 7,
      parentPid: 6,
      inspect: () => Promise.resolve({ type: 'alive', startTime: 'now' }),
      kill: () => undefined,
    },
    takeLock: () => Promise.resolve({ release: () => Promise.resolve() }),
  })
  const { folder } = opened
  let position = folder.restored?.counters['position'] ?? 0
  for (let counter = 1; counter <= (life.checkpoints ?? 1); counter += 1) {
    position += 1
    const checkpointId = checkpointIdOf(folder.epoch, counter)
    const sinks: CheckpointContent['sinks'][number][] = []
    if (uid !== undefined) {
      const staged = `${position}-${checkpointId}`
      await stage(files, stagingFolder(directory, uid), staged, String(position))
      const effect = { staged, target: `${staged}.txt`, bytes: String(position).length }
      const born = { uid, bornAt: checkpointId, subtask: 0, sequence: 0, effect }
      sinks.push({ uid, kind: 'file', committables: [born] })
    }
    const manifest = await folder.write({
      ...{ checkpointId, final: false, drained: false, counters: { position } },
      ...{ operators: [], sources: [], sinks },
    })
    if (unpublished) return position
    await folder.commit(manifest)
  }
  await folder.release()
  return position
}

function graphOf(uid: string | undefined, directory: string): JobGraph {
  const sink = {
    kind: 'file',
    createCommitter: (context: ConstructorParameters<typeof FileCommitter>[1]) =>
      new FileCommitter(directory, context),
  }
  const node = { uid, states: [], keys: [], parameters: {}, runtime: { type: 'sink', sink } }
  const chain = uid === undefined ? [] : [node]
  return { vertices: [{ maxParallelism: 128, chain }] } as unknown as JobGraph
}

async function stage(files: Files, folder: string, name: string, text: string): Promise<void> {
  await makeDirectories(files, folder)
  const path = `${folder}/${name}`
  const bytes = new TextEncoder().encode(text)
  await writeDurably(files, path, bytes, { replace: false, temporary: `${path}.tmp` })
}

async function published(files: Files, directory = '/out'): Promise<readonly number[]> {
  const numbers: number[] = []
  for (const name of await files.list(directory)) {
    if (name === '_millrace') continue
    numbers.push(
      Number(new TextDecoder().decode(await readWholeFile(files, `${directory}/${name}`))),
    )
  }
  return numbers.sort((left, right) => left - right)
}

const RENAME = { uid: 'new', renameUid: { old: 'new' } }

test('a sink is renamed with all published: with the flag, and without one', async () => {
  for (const life of [RENAME, { uid: 'new' }]) {
    const files = memoryDisk(1).files()
    await live(files, 1, { uid: 'old' })
    expect(await live(files, 2, life)).toBe(2)
    expect(await live(files, 3, life)).toBe(3)
    expect(await live(files, 4, { uid: 'new' })).toBe(4)
    expect(await published(files)).toEqual([1, 2, 3, 4])
  }
})

test('what is pending is published under the old name, then the new one goes on', async () => {
  const disk = memoryDisk(1)
  await live(disk.files(), 1, { uid: 'old', unpublished: true })
  disk.crash()
  const files = disk.files()
  await expect(live(files, 2, { uid: 'new' })).rejects.toMatchObject({
    code: 'STATE_UID_MISSING',
    hint: expect.stringMatching(/--rename-uid old=NEW.*--drop-state old/s) as string,
  })
  expect(await live(files, 2, RENAME)).toBe(2)
  expect(await published(files)).toEqual([1, 2])
})

test('output that is lost knowingly is lost, and the rest goes on', async () => {
  const disk = memoryDisk(1)
  await live(disk.files(), 1, { uid: 'old', unpublished: true })
  disk.crash()
  const files = disk.files()
  expect(await live(files, 2, { uid: 'new', dropState: ['old'] })).toBe(2)
  expect(await published(files)).toEqual([2])
})

test('wherever the power goes while a sink is renamed, each number is published once', async () => {
  const outcomes = new Set<string>()
  for (let round = 0, isOver = false; !isOver; round += 1) {
    const disk = memoryDisk(round)
    await live(disk.files(), 1, { uid: 'old', unpublished: round % 2 === 0 })
    disk.crash()
    const dies = disk.operations + 3 * Math.floor(round / 2)
    disk.fault = ({ index }) => (index === dies ? 'power-loss' : undefined)
    isOver = await settles(live(disk.files(), 2, RENAME))
    disk.fault = undefined
    disk.powerLoss()
    // The same command again; or first the job as it was, and then the rename once more.
    const back = round % 3 === 0 ? await live(disk.files(), 3, { uid: 'old' }).catch(String) : '-'
    const last = await live(disk.files(), 4, RENAME)
    expect(await published(disk.files()), `round ${round}`).toEqual(
      Array.from({ length: last }, (_, index) => index + 1),
    )
    outcomes.add(`${back} ${last}`)
  }
  // It went back before the checkpoint of the renamed sink, and after it.
  expect([...outcomes]).toEqual(expect.arrayContaining(['- 2', '2 3', '- 3', '3 4']))
})

test('an older checkpoint is behind its target, under the old name too', async () => {
  const files = memoryDisk(1).files()
  await live(files, 1, { uid: 'old' })
  await copyTree(files, '/job', '/older')
  await live(files, 2, RENAME)
  await expect(live(files, 3, { uid: 'old', root: '/older' })).rejects.toMatchObject({
    code: 'SINK_AHEAD',
  })
  // And back to the old name, in the folder that has gone on.
  expect(await live(files, 4, { uid: 'old', renameUid: { new: 'old' } })).toBe(3)
  expect(await live(files, 5, { uid: 'old' })).toBe(4)
  expect(await published(files)).toEqual([1, 2, 3, 4])
})

test('a sink may move, and may go, when its output is published; else both are refused', async () => {
  for (const unpublished of [false, true]) {
    const disk = memoryDisk(1)
    await live(disk.files(), 1, { uid: 'old', unpublished })
    disk.crash()
    const files = disk.files()
    await copyTree(files, '/job', '/second')
    const moved = { uid: 'old', directory: '/elsewhere' }
    if (unpublished) {
      await expect(live(files, 2, moved)).rejects.toMatchObject({
        code: 'SINK_MOVED',
        message: expect.stringContaining('"/out/_millrace/old.json"') as string,
      })
      await expect(live(files, 2, {})).rejects.toMatchObject({ code: 'STATE_UID_MISSING' })
      // The hints: lose it knowingly, or run the job once as it was.
      expect(await live(files, 2, { ...moved, root: '/second', dropState: ['old'] })).toBe(2)
      expect(await published(files, '/elsewhere')).toEqual([2])
      expect(await live(files, 3, { uid: 'old' })).toBe(2)
      expect(await live(files, 4, { ...RENAME, directory: '/third' })).toBe(3)
      expect(await published(files, '/third')).toEqual([3])
    } else {
      expect(await live(files, 2, moved)).toBe(2)
      expect(await published(files, '/elsewhere')).toEqual([2])
      expect(await live(files, 2, { root: '/second' })).toBe(2)
    }
  }
})

test('markers that hand over to each other are none', async () => {
  const files = memoryDisk(1).files()
  await live(files, 1, { uid: 'old' })
  const marker = JSON.parse(
    new TextDecoder().decode(await readWholeFile(files, '/out/_millrace/old.json')),
  ) as object
  for (const [name, handedTo] of [
    ['old', 'new'],
    ['new', 'old'],
  ]) {
    const bytes = new TextEncoder().encode(JSON.stringify({ ...marker, handedTo }))
    const path = `/out/_millrace/${name}.json`
    await writeDurably(files, path, bytes, { replace: true, temporary: '/t' })
  }
  await expect(live(files, 2, { uid: 'old' })).rejects.toMatchObject({ code: 'SINK_FOREIGN' })
})

async function copyTree(files: Files, from: string, to: string): Promise<void> {
  await makeDirectories(files, to)
  for (const name of await files.list(from)) {
    const [source, target] = [`${from}/${name}`, `${to}/${name}`]
    const bytes = await readWholeFile(files, source).catch(() => undefined)
    if (bytes === undefined) await copyTree(files, source, target)
    else await writeDurably(files, target, bytes, { replace: true, temporary: `${target}.tmp` })
  }
}
