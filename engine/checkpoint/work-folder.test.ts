import { expect, test } from 'vitest'
import type { Doors } from '../base/doors.ts'
import { systemClock } from '../base/clock.ts'
import { StreamError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import { exists, makeDirectories, readWholeFile, writeDurably } from '../base/files.ts'
import { silentLogger } from '../base/logger.ts'
import { seededRandom, systemRandom, type Random } from '../base/random.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import { DEFAULT_SETTINGS } from '../graph/stream-graph.ts'
import type { Committer, TargetMarker } from '../operator/sink.ts'
import { memoryDisk, settles, type MemoryDisk } from '../simulation/memory-files.ts'
import { checkpointIdOf } from './layout.ts'
import type { SinkState } from './snapshot.ts'
import { openWorkFolder, type OpenedWorkFolder, type WorkFolderOptions } from './work-folder.ts'

/**
 * A job in small: a source of 1, 2, 3 …, one number a checkpoint, and a sink that publishes each
 * as a file. All on a disk that loses power; the folder, its recovery and its commits are real.
 */
const MARKER = '/out/_millrace/lake.json'

class FileCommitter implements Committer {
  readonly #files: Files

  constructor(files: Files) {
    this.#files = files
  }

  async readMarker(): Promise<TargetMarker | undefined> {
    if (!(await exists(this.#files, MARKER))) return undefined
    return JSON.parse(text(await readWholeFile(this.#files, MARKER))) as TargetMarker
  }

  async commit(...[committables, marker]: Parameters<Committer['commit']>): Promise<void> {
    await makeDirectories(this.#files, '/out/_millrace')
    for (const { effect } of committables) await this.#publish(effect as string)
    if (committables.length > 0) await this.#files.syncDirectory('/out')
    const bytes = new TextEncoder().encode(JSON.stringify(marker))
    await writeDurably(this.#files, MARKER, bytes, { replace: true, temporary: `${MARKER}.tmp` })
    for (const { effect } of committables) await this.#files.unlink(`/staging/${effect as string}`)
  }

  async #publish(name: string): Promise<void> {
    try {
      await this.#files.link(`/staging/${name}`, `/out/${name}`)
    } catch (error) {
      const { code } = error as { code: string }
      if (code === 'ENOENT') throw new StreamError('STAGED_FILE_MISSING', name)
      if (code !== 'EEXIST') throw error
    }
  }

  sweep(): Promise<void> {
    return Promise.resolve()
  }

  stagedFiles(committables: Parameters<Committer['stagedFiles']>[0]): readonly string[] {
    return committables.map(({ effect }) => `/staging/${effect as string}`)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

const sink = {
  kind: 'file',
  createCommitter: ({ doors }: { doors: Doors }) => new FileCommitter(doors.files),
}
const node = { uid: 'lake', states: [], keys: [], parameters: {}, runtime: { type: 'sink', sink } }
const graph = { vertices: [{ maxParallelism: 128, chain: [node as object] }] }

function open(
  files: Files,
  random: Random,
  options: Partial<WorkFolderOptions> = {},
  root = '/job',
): Promise<OpenedWorkFolder> {
  const doors: Doors = { clock: systemClock, random, files, logger: silentLogger }
  return openWorkFolder({
    root,
    job: 'numbers',
    doors,
    graph: graph as unknown as JobGraph,
    planHash: 'plan',
    parameters: {},
    options: {
      fresh: false,
      takeOver: false,
      fork: false,
      dropState: [],
      renameUid: {},
      hasSupervisor: false,
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
}

interface LifeOptions extends Partial<WorkFolderOptions> {
  readonly checkpoints: number
  readonly final?: boolean
  readonly savepoint?: string
  readonly root?: string
}

/** One life: some checkpoints, each with the next number; an aborted one now and then. */
async function live(files: Files, random: Random, options: LifeOptions): Promise<string> {
  const { checkpoints, final = false, savepoint, root, ...others } = options
  const opened = await open(files, random, others, root)
  if (opened.type === 'finished') {
    await opened.folder.release()
    return 'finished'
  }
  const { folder } = opened
  await makeDirectories(files, '/staging')
  let position = folder.restored?.counters['position'] ?? 0
  let pending: SinkState['committables'] = []
  for (let counter = 1; counter <= checkpoints; counter += 1) {
    position += 1
    const checkpointId = checkpointIdOf(folder.epoch, counter)
    const name = `${position}-${checkpointId}`
    const staged = new TextEncoder().encode(String(position))
    const temporary = `/staging/${name}.tmp`
    await writeDurably(files, `/staging/${name}`, staged, { replace: false, temporary })
    const born = { uid: 'lake', bornAt: checkpointId, subtask: 0, sequence: 0, effect: name }
    pending = [...pending, born]
    if (counter < checkpoints && random.int(3) === 0) continue // Aborted.
    const manifest = await folder.write({
      checkpointId,
      final: final && counter === checkpoints,
      drained: false,
      counters: { position },
      operators: [],
      sources: [],
      sinks: [{ uid: 'lake', kind: 'file', committables: pending }],
    })
    await folder.commit(manifest)
    pending = []
    if (savepoint !== undefined) await folder.savepoint(manifest, savepoint)
  }
  await folder.release()
  return `at ${position}`
}

async function published(files: Files): Promise<readonly number[]> {
  const numbers: number[] = []
  for (const name of await files.list('/out')) {
    if (name !== '_millrace') numbers.push(Number(text(await readWholeFile(files, `/out/${name}`))))
  }
  return numbers.sort((left, right) => left - right)
}

function upTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}

test('every number is published once, wherever the power goes in each of six lives', async () => {
  const seed = systemRandom.int(2 ** 32)
  for (let round = 0; round < 30; round += 1) {
    const random = seededRandom(seed + round)
    const disk = memoryDisk(seed + round)
    const place = `seed ${seed + round}`
    for (let life = 0; life < 6; life += 1) {
      const dies = disk.operations + random.int(250)
      const fault = random.int(2) === 0 ? 'crash' : 'power-loss'
      disk.fault = ({ index }) => (index === dies ? fault : undefined)
      await settles(live(disk.files(), random, { checkpoints: 1 + random.int(4) }))
      disk.fault = undefined
      // After a crash alone, the next life sees what was never made durable.
      if (fault === 'crash') disk.crash()
      else disk.powerLoss()
    }
    const end = await live(disk.files(), random, { checkpoints: 1, final: true })
    const numbers = await published(disk.files())
    expect(end, place).toBe(`at ${numbers.length}`)
    expect(numbers, place).toEqual(upTo(numbers.length))
    expect(await live(disk.files(), random, { checkpoints: 1 }), place).toBe('finished')
    expect((await disk.files().list('/job/manifests')).length, place).toBe(1)
  }
})

test('a finished job whose last commit was cut short still makes it', async () => {
  const seen = new Set<string>()
  for (let at = 0; at < 150; at += 4) {
    const disk = memoryDisk(at)
    const random = seededRandom(at)
    await live(disk.files(), random, { checkpoints: 2 })
    const dies = disk.operations + at
    disk.fault = ({ index }) => (index === dies ? 'power-loss' : undefined)
    await settles(live(disk.files(), random, { checkpoints: 1, final: true }))
    disk.fault = undefined
    disk.powerLoss()
    const end = await live(disk.files(), random, { checkpoints: 1, final: true })
    seen.add(end)
    expect(await published(disk.files())).toEqual([1, 2, 3])
  }
  expect([...seen].sort()).toEqual(['at 3', 'finished'])
})

test('a checkpoint that recovery believed stays, though only the page cache had it', async () => {
  for (let seed = 0; seed < 10; seed += 1) {
    const disk = memoryDisk(seed)
    const random = seededRandom(seed)
    await live(disk.files(), random, { checkpoints: 1 })
    let isLinked = false
    disk.fault = ({ kind, path }) => {
      if (isLinked && path === '/job/manifests') return 'crash'
      isLinked ||= kind === 'link' && path.startsWith('/job/manifests/')
      return undefined
    }
    await settles(live(disk.files(), random, { checkpoints: 1 }))
    // Dies again as soon as 2 is published.
    disk.fault = ({ kind, path }) =>
      kind === 'unlink' && path.startsWith('/staging/') ? 'power-loss' : undefined
    await settles(open(disk.files(), random))
    disk.fault = undefined
    expect(await published(disk.files())).toEqual([1, 2])
    expect(await live(disk.files(), random, { checkpoints: 1 })).toBe('at 3')
    expect(await published(disk.files())).toEqual([1, 2, 3])
  }
})

async function twoLives(): Promise<{ disk: MemoryDisk; files: Files; random: Random }> {
  const disk = memoryDisk(1)
  const random = seededRandom(1)
  const files = disk.files()
  await live(files, random, { checkpoints: 1, savepoint: '/saved' })
  await live(files, random, { checkpoints: 1 })
  return { disk, files, random }
}

test('an older savepoint in another folder is refused: its target is ahead', async () => {
  const { files, random } = await twoLives()
  const older = { checkpoints: 1, from: '/saved', root: '/other' }
  await expect(live(files, random, older)).rejects.toMatchObject({ code: 'SINK_AHEAD' })
  expect(await published(files)).toEqual([1, 2])
  // A fork may, and publishes what it reads again twice; then it goes on by itself.
  expect(await live(files, random, { ...older, fork: true })).toBe('at 2')
  expect(await published(files)).toEqual([1, 2, 2])
  expect(await live(files, random, { ...older, fork: true })).toBe('at 3')
  expect(await published(files)).toEqual([1, 2, 2, 3])
  await expect(live(files, random, { checkpoints: 1 })).rejects.toMatchObject({
    code: 'SINK_FOREIGN',
  })
})

test('a savepoint goes on in another folder, and the same command resumes there', async () => {
  const { disk, random } = await twoLives()
  const files = disk.files()
  await live(files, random, { checkpoints: 1, savepoint: '/latest' })
  const moved = { checkpoints: 1, from: '/latest', root: '/other' }
  expect(await live(files, random, moved)).toBe('at 4')
  expect(await live(files, random, moved)).toBe('at 5')
  expect(await published(files)).toEqual([1, 2, 3, 4, 5])
  await expect(live(files, random, { checkpoints: 1 })).rejects.toMatchObject({
    code: 'SINK_AHEAD',
  })
})

test('a renamed job takes its folder along, wherever the power goes', async () => {
  const renamed = { checkpoints: 1, root: '/new', rootWas: '/job', jobWas: 'numbers' }
  for (let dies = 0, isOver = false; !isOver; dies += 1) {
    const disk = memoryDisk(dies)
    const random = seededRandom(dies)
    await live(disk.files(), random, { checkpoints: 1 })
    const first = disk.operations + 2 * dies
    disk.fault = ({ index }) => (index === first ? 'power-loss' : undefined)
    isOver = await settles(live(disk.files(), random, renamed))
    disk.fault = undefined
    disk.powerLoss()
    const end = await live(disk.files(), random, renamed)
    expect(await published(disk.files()), `at ${first}`).toEqual(upTo(Number(end.slice(3))))
    expect(await disk.files().list('/')).not.toContain('job')
  }
})

test('--job-was that names no folder is refused, and takes the place of a start without it', async () => {
  const { files, random } = await twoLives()
  const was = (name: string): object => ({ root: '/new', rootWas: `/${name}`, jobWas: name })
  const lost = { checkpoints: 1, ...was('jbo') }
  await expect(live(files, random, lost)).rejects.toMatchObject({
    code: 'CHECKPOINT_NOT_FOUND',
    hint: 'Did you mean --job-was job?',
  })
  // The first thing that a person tries, refused by the target: it leaves a folder behind.
  const renamed = { checkpoints: 1, ...was('job'), jobWas: 'older' }
  await expect(live(files, random, { checkpoints: 1, root: '/new' })).rejects.toMatchObject({
    code: 'SINK_FOREIGN',
  })
  expect(await live(files, random, renamed)).toBe('at 3')
  // The starts of the old name are forgotten in time, the flag is right none the less.
  for (let at = 4; at < 9; at += 1) expect(await live(files, random, renamed)).toBe(`at ${at}`)
  expect(await published(files)).toEqual(upTo(8))
  expect(await files.list('/')).toContain('new.1')
  const later = { checkpoints: 1, root: '/new', rootWas: '/number', jobWas: 'number' }
  await expect(live(files, random, later)).rejects.toMatchObject({ code: 'USAGE' })
  // One that has gone on by itself is not pushed away.
  await makeDirectories(files, '/job/epochs')
  const other = { ...renamed, jobWas: 'other' }
  await expect(live(files, random, other)).rejects.toMatchObject({ code: 'WORK_DIR_FOREIGN' })
})

test('a fresh start that is refused at its target has moved nothing; another sets the folder aside', async () => {
  const { files, random } = await twoLives()
  await expect(live(files, random, { checkpoints: 1, fresh: true })).rejects.toMatchObject({
    code: 'SINK_FOREIGN',
  })
  expect(await files.list('/')).not.toContain('job.1')
  expect(await live(files, random, { checkpoints: 1 })).toBe('at 3')
  await files.unlink(MARKER)
  const unreadable = { check: () => Promise.reject(new Error('no right to read')) }
  const source = { uid: 'lines', runtime: { type: 'source', source: unreadable } }
  graph.vertices[0]!.chain.push(source)
  await expect(live(files, random, { checkpoints: 1, fresh: true })).rejects.toMatchObject({
    message: 'no right to read',
    place: { operator: 'lines' },
  })
  graph.vertices[0]!.chain.pop()
  expect(await files.list('/')).not.toContain('job.1')
  expect(await live(files, random, { checkpoints: 1, fresh: true })).toBe('at 1')
  expect(await files.list('/job.1/manifests')).toHaveLength(1)
})

test('damage is found before anything is changed', async () => {
  const { files, random } = await twoLives()
  const [name] = await files.list('/job/manifests')
  const path = `/job/manifests/${name}`
  const bytes = await readWholeFile(files, path)
  bytes[40]! ^= 1
  await writeDurably(files, path, bytes, { replace: true, temporary: '/t' })
  const epochs = await files.list('/job/epochs')
  await expect(live(files, random, { checkpoints: 1 })).rejects.toMatchObject({
    code: 'CHECKPOINT_DAMAGED',
  })
  expect(await files.list('/job/epochs')).toEqual(epochs)
})

test('a start that cannot tell what was dropped before drops nothing: it is refused', async () => {
  const damages: readonly (readonly [string, (text: string) => string])[] = [
    ['a letter', (text) => text.replace('"dropped":["lake"]', '"dropped":["lakf"]')],
    ['a field', (text) => text.replace('"dropped"', '"droppex"')],
    ['the end', (text) => text.slice(0, 40)],
    ['its hash', (text) => text.replace('sha256', 'sha257')],
  ]
  for (const [what, damage] of [['nothing', (text: string) => text] as const, ...damages]) {
    const disk = memoryDisk(1)
    const random = seededRandom(1)
    const first = await open(disk.files(), random, { dropState: ['lake'] })
    const checkpointId = checkpointIdOf(first.folder.epoch, 1)
    const born = { uid: 'lake', bornAt: checkpointId, subtask: 0, sequence: 0, effect: 'x' }
    await first.folder.write({
      ...{ checkpointId, final: false, drained: false, counters: {}, operators: [], sources: [] },
      sinks: [{ uid: 'lake', kind: 'file', committables: [born] }],
    })
    disk.crash()
    const files = disk.files()
    for (const folder of ['/out', '/staging']) await makeDirectories(files, folder)
    await writeDurably(files, '/staging/x', Uint8Array.of(49), { replace: false, temporary: '/t' })
    const record = '/job/epochs/00000001.json'
    const bytes = new TextEncoder().encode(damage(text(await readWholeFile(files, record))))
    await writeDurably(files, record, bytes, { replace: true, temporary: '/t' })
    // The same command again: what the first start was told to drop has been gathered anew since.
    const second = open(files, random, { dropState: ['lake'] })
    if (what === 'nothing') {
      expect((await second).folder.restored?.sinks[0]?.committables).toEqual([born])
      continue
    }
    const refusal = await second.catch((error: unknown) => error)
    expect(refusal, what).toMatchObject({ code: 'CHECKPOINT_DAMAGED' })
    expect((refusal as Error).message, what).toContain(record)
  }
})
