/**
 * Checkpoints of a job with every kind of state, damaged in every way: a start either refuses,
 * naming the file, before its first record, or restores exactly what was written. `fsck` finds all
 * damage, and nothing where there is none.
 */
import { expect, test } from 'vitest'
import { StreamError } from '../../engine/base/errors.ts'
import { readWholeFile, type Files } from '../../engine/base/files.ts'
import { seededRandom } from '../../engine/base/random.ts'
import { auditFolder, isSound, type FolderAudit } from '../../engine/checkpoint/fsck.ts'
import { parseManifestName } from '../../engine/checkpoint/layout.ts'
import { decodeManifest } from '../../engine/checkpoint/manifest-codec.ts'
import { manifestFiles, type CheckpointManifest } from '../../engine/checkpoint/manifest.ts'
import { copySavepoint } from '../../engine/checkpoint/savepoint.ts'
import { MemoryDisk } from '../../engine/simulation/memory-files.ts'
import { figures, firstSeed, share } from '../share.ts'
import { committersOf, live, planOf, publishedIn, recover, WORK, type Scene } from './disk-life.ts'
import { MUTATIONS, swap, write } from './mutations.ts'
import { everything, everythingLines } from './power-jobs.ts'

const JOB = { job: everything, parallelism: 2 }
const SCENE: Scene = { ...JOB, seed: 1, plan: planOf(JOB) }
const RESTART: Scene = { ...SCENE, seed: 2 }
const SAVEPOINT = '/saved'
/** A soak does all of it: an hour is no sign of a fault. */
const WHOLE_MS = 3_600_000

/** A folder as it was at one moment, and what a start there restores. */
interface Fixture {
  readonly name: string
  readonly disk: MemoryDisk
  /** The work folder, or a savepoint. */
  readonly folder: string
  readonly scene: Scene
  readonly manifests: readonly { readonly path: string; readonly manifest: CheckpointManifest }[]
  readonly restored: CheckpointManifest
  /** Whether the target holds what the latest checkpoint had to publish. */
  readonly isPublished: boolean
}

const fixtures = await makeFixtures()

/** The moments right before and right after the fifth checkpoint is published, and a savepoint. */
async function makeFixtures(): Promise<readonly Fixture[]> {
  let [pending, published]: (MemoryDisk | undefined)[] = []
  let links = 0
  let isSynced = false
  await live(new MemoryDisk(), {
    ...SCENE,
    before({ kind, path }, disk) {
      if (isSynced) pending ??= disk.clone()
      // Cleaning up begins with a look at what there is, when all is published.
      if (isSynced && kind === 'list' && path === `${WORK}/manifests`) published ??= disk.clone()
      if (kind === 'link' && path.startsWith(`${WORK}/manifests/`)) links += 1
      if (kind === 'syncDirectory' && path === `${WORK}/manifests`) isSynced ||= links === 5
    },
  })
  const saved = pending!.clone()
  const latest = (await manifestsOf(saved.files(), WORK)).at(-1)
  const committers = committersOf(saved, SCENE)
  await copySavepoint({
    files: saved.files(),
    root: WORK,
    manifest: latest!.manifest,
    unpublished: latest!.manifest.sinks,
    stagedFiles: ({ uid, committables }) => committers.get(uid)!.stagedFiles(committables),
    target: SAVEPOINT,
  })
  return [
    await fixture('before it is published', pending!, RESTART, false),
    await fixture('after it was published', published!, RESTART, true),
    await fixture('a savepoint', saved, { ...RESTART, workDir: '/other', from: SAVEPOINT }, false),
  ]
}

async function fixture(
  name: string,
  disk: MemoryDisk,
  scene: Scene,
  isPublished: boolean,
): Promise<Fixture> {
  const folder = scene.from ?? WORK
  const { folder: opened } = await recover(disk.clone(), scene)
  const manifests = await manifestsOf(disk.files(), folder)
  return { name, disk, folder, scene, manifests, restored: opened.restored!, isPublished }
}

/** Oldest first. */
async function manifestsOf(files: Files, folder: string): Promise<Fixture['manifests']> {
  const found = []
  for (const name of folder === WORK ? await files.list(`${WORK}/manifests`) : ['manifest.json']) {
    if (name.endsWith('.tmp')) continue
    const path = folder === WORK ? `${WORK}/manifests/${name}` : `${folder}/${name}`
    found.push({ path, manifest: decodeManifest(await readWholeFile(files, path), path) })
  }
  return found
}

/** Bytes by path; undefined: no file there. */
type Contents = ReadonlyMap<string, Uint8Array | undefined>

async function contentsOf(files: Files, paths: readonly string[]): Promise<Contents> {
  const contents = new Map<string, Uint8Array | undefined>()
  for (const path of paths) {
    const bytes = await readWholeFile(files, path).catch(() => undefined)
    contents.set(path, bytes)
  }
  return contents
}

/** Files that a manifest names, as the disk has them. */
function namedBy({ folder }: Fixture, manifest: CheckpointManifest): readonly string[] {
  return manifestFiles(manifest).map(({ path }) => `${folder}/${path}`)
}

function victimsOf(fixture: Fixture) {
  const manifests = fixture.manifests.map(({ path }) => path)
  const named = new Set(fixture.manifests.flatMap(({ manifest }) => namedBy(fixture, manifest)))
  return { manifests, named: [...named] }
}

/** What has become of a folder, told from its bytes alone. */
interface Truth {
  /** Damage that every check of all checkpoints must name, and no other. */
  readonly broken: readonly string[]
  /** The latest manifest, when it is not there and the target knows that it was. */
  readonly missing: readonly string[]
  /** Names one of which a start must give as its reason; none: it must restore `restored`. */
  readonly reasons: readonly string[]
  readonly restored: CheckpointManifest
}

async function truthOf(fixture: Fixture, original: Contents, disk: MemoryDisk): Promise<Truth> {
  const files = disk.files()
  const victims = victimsOf(fixture)
  const now = await contentsOf(files, [...victims.manifests, ...victims.named])
  const isSame = (path: string): boolean => {
    const [was, is] = [original.get(path), now.get(path)]
    return was !== undefined && is !== undefined && Buffer.compare(was, is) === 0
  }
  const present = await presentManifests(fixture, files)
  const brokenBy = new Map<string, readonly string[]>()
  for (const path of present) {
    const known = fixture.manifests.find((one) => one.path === path)
    const isWhole = known !== undefined && isSame(path)
    const missing = isWhole ? namedBy(fixture, known.manifest).filter((file) => !isSame(file)) : []
    brokenBy.set(path, isWhole ? missing : [path])
  }
  const latest = fixture.manifests.at(-1)!
  const last = present.at(-1)
  const reasons = last === undefined ? [] : brokenBy.get(last)!
  const fallen = fixture.manifests.find(({ path }) => path === last)?.manifest
  const isGone = last !== latest.path && reasons.length === 0
  return {
    broken: [...new Set([...brokenBy.values()].flat())],
    missing: fixture.isPublished && !present.includes(latest.path) ? [latest.path] : [],
    reasons: isGone && (fixture.isPublished || last === undefined) ? [latest.path] : reasons,
    restored: isGone && fallen !== undefined ? fallen : fixture.restored,
  }
}

async function presentManifests({ folder }: Fixture, files: Files): Promise<readonly string[]> {
  if (folder !== WORK) {
    return (await files.list(folder)).includes('manifest.json') ? [`${folder}/manifest.json`] : []
  }
  const names = await files.list(`${WORK}/manifests`)
  return names
    .filter((name) => parseManifestName(name) !== undefined)
    .map((name) => `${WORK}/manifests/${name}`)
}

/** Does what it is told, and holds start and fsck against the truth. */
async function judge(
  fixture: Fixture,
  original: Contents,
  mutate: (files: Files) => Promise<void>,
  isWhole: boolean,
): Promise<'detected' | 'harmless'> {
  const disk = fixture.disk.clone()
  await mutate(disk.files())
  const truth = await truthOf(fixture, original, disk)
  await checkFsck(fixture, disk, truth)
  const before = await publishedIn(disk, '/lines')
  const started = disk.clone()
  try {
    const { folder } = await recover(started, fixture.scene)
    expect(truth.reasons, 'restored in silence').toEqual([])
    expect({ ...folder.restored, staged: [] }).toEqual({ ...truth.restored, staged: [] })
  } catch (error) {
    if (!(error instanceof StreamError)) throw error
    expect(truth.reasons, error.message).not.toEqual([])
    const text = `${error.message} ${error.hint ?? ''}`
    const isNamed = truth.reasons.some((path) => text.includes(path.replace(`${WORK}/`, '')))
    const isNone = error.code === 'CHECKPOINT_NOT_FOUND' && text.includes(fixture.folder)
    expect(isNamed || isNone, `${text} names none of ${truth.reasons.join()}`).toBe(true)
    expect(await publishedIn(started, '/lines'), 'something was published').toEqual(before)
    return 'detected'
  }
  if (isWhole) {
    const { disk: ended } = await live(disk, fixture.scene)
    expect(await publishedIn(ended, '/lines')).toEqual(everythingLines)
  }
  return 'harmless'
}

async function checkFsck(fixture: Fixture, disk: MemoryDisk, truth: Truth): Promise<void> {
  const { folder } = fixture
  const committers = committersOf(disk, SCENE)
  let audit: FolderAudit
  try {
    audit = await auditFolder({ files: disk.files(), folder, committers })
  } catch (error) {
    if (!(error instanceof StreamError) || error.code !== 'CHECKPOINT_NOT_FOUND') throw error
    expect(await presentManifests(fixture, disk.files())).toEqual([])
    return
  }
  const findings = [...audit.findings, ...audit.checkpoints.flatMap((one) => one.findings)]
  const damaged = findings.filter(({ level }) => level === 'damage').map(({ file }) => file)
  // That a manifest is gone is told by the target alone.
  const expected = new Set([...truth.broken, ...truth.missing])
  expect([...new Set(damaged)].sort(), 'fsck').toEqual([...expected].sort())
  expect(isSound(audit)).toBe(expected.size === 0)
}

test('what the fixtures hold: chains of deltas, every kind of state, what is to be published', async () => {
  for (const { name, disk, folder, manifests, restored } of fixtures) {
    const committers = committersOf(disk, SCENE)
    const audit = await auditFolder({ files: disk.files(), folder, deep: true, committers })
    expect(isSound(audit), JSON.stringify(audit)).toBe(true)
    const chains = restored.operators.flatMap(({ subtasks }) => subtasks.map((one) => one.chain))
    expect(Math.max(...chains.map((chain) => chain.length)), name).toBeGreaterThan(2)
    const { contents } = audit.checkpoints[0]!
    for (const count of Object.values(contents!)) expect(count, name).toBeGreaterThan(0)
    expect(manifests.length).toBeGreaterThan(folder === WORK ? 1 : 0)
    expect(manifests.at(-1)!.manifest.staged.length > 0).toBe(folder !== WORK)
  }
})

for (const fixture of fixtures) {
  test(
    `${fixture.name}: every file, every way`,
    async () => {
      const victims = victimsOf(fixture)
      const all = [...victims.manifests, ...victims.named]
      const original = await contentsOf(fixture.disk.files(), all)
      const counts = { detected: 0, harmless: 0 }
      const random = seededRandom(firstSeed())
      const wholePercent = share(4, 100)
      for (const [what, mutate] of everyWay(all)) {
        const isWhole = random.int(100) < wholePercent
        const outcome = await judge(fixture, original, mutate, isWhole).catch((error: unknown) => {
          throw new Error(`${fixture.name}: ${what}`, { cause: error })
        })
        counts[outcome] += 1
      }
      figures('corruption: every file, every way', { moment: fixture.name, ...counts })
      expect(counts.detected).toBeGreaterThan(counts.harmless)
    },
    WHOLE_MS,
  )
}

type Change = readonly [what: string, mutate: (files: Files) => Promise<void>]

/** Missing, empty, cut, longer, changed, a folder, another's content, swapped; and files more. */
function* everyWay(paths: readonly string[]): Generator<Change> {
  for (const path of paths) {
    const changed = (change: (bytes: Uint8Array) => Uint8Array) => async (files: Files) =>
      write(files, path, change((await readWholeFile(files, path)).slice()))
    yield [`${path} is missing`, (files) => files.unlink(path)]
    yield [`${path} is empty`, changed(() => new Uint8Array(0))]
    yield [`${path} is cut`, changed((bytes) => bytes.slice(0, -1))]
    yield [`${path} is longer`, changed((bytes) => Uint8Array.of(...bytes, 10))]
    yield [`${path} begins otherwise`, changed((bytes) => bytes.fill(bytes[0]! ^ 1, 0, 1))]
    yield [
      `${path} is a folder`,
      async (files) => {
        await files.unlink(path)
        await files.mkdir(path)
      },
    ]
    for (const other of paths) {
      if (other <= path) continue
      yield [`${path} and ${other} are swapped`, (files) => swap(files, path, other)]
    }
    yield [
      `beside ${path} there is another`,
      (files) => write(files, `${path}x`, new Uint8Array(9)),
    ]
  }
}

test(
  'thousands of mutations, by chance',
  async () => {
    const runs = share(1_200, 10_000)
    const wholePercent = share(5, 20)
    const first = firstSeed()
    const counts: Record<string, number> = {
      detected: 0,
      harmless: 0,
      'harmless and run to the end': 0,
    }
    const names = Object.keys(MUTATIONS)
    const originals = new Map<Fixture, Contents>()
    for (const fixture of fixtures) {
      const { manifests, named } = victimsOf(fixture)
      originals.set(fixture, await contentsOf(fixture.disk.files(), [...manifests, ...named]))
    }
    for (let seed = first; seed < first + runs; seed += 1) {
      const random = seededRandom(seed)
      const fixture = fixtures[random.int(fixtures.length)]!
      const victims = victimsOf(fixture)
      const latest = fixture.manifests.at(-1)!
      // Mostly what a start reads.
      const paths =
        random.int(5) > 0
          ? [latest.path, ...namedBy(fixture, latest.manifest)]
          : [...victims.manifests, ...victims.named]
      const path = paths[random.int(paths.length)]!
      const name = names[random.int(names.length)]!
      const isWhole = random.int(100) < wholePercent
      const mutate = (files: Files) => MUTATIONS[name]!({ files, random, victims, path })
      const outcome = await judge(fixture, originals.get(fixture)!, mutate, isWhole).catch(
        (error: unknown) => {
          throw new Error(`seed ${seed}, ${fixture.name}: ${name}, ${path}`, { cause: error })
        },
      )
      counts[outcome]! += 1
      if (outcome === 'harmless' && isWhole) counts['harmless and run to the end']! += 1
    }
    figures('corruption: mutations by chance', { mutations: runs, seed: first, ...counts })
    expect(counts['detected']).toBeGreaterThan(runs / 2)
  },
  WHOLE_MS,
)
