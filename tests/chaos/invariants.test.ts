/**
 * The invariants: an honest run breaks none, and each has a bug of its own that it finds. A bug is
 * put into the world of a run (a disk that lies, a lock that nobody holds), into the job, or into
 * what is known of the run.
 */
import { beforeAll, expect, test } from 'vitest'
import type { Doors } from '../../engine/base/doors.ts'
import type { Files } from '../../engine/base/files.ts'
import type { Logger } from '../../engine/base/logger.ts'
import { examine, type ExamineOptions } from '../../engine/chaos/examine.ts'
import { faultKinds, type FaultKind } from '../../engine/chaos/actions.ts'
import { randomSchedule } from '../../engine/chaos/random-schedule.ts'
import { judge, type RunFacts } from '../../engine/chaos/invariants/index.ts'
import type { ScheduleRun } from '../../engine/chaos/schedule-run.ts'
import { simulateSchedule } from '../../engine/chaos/simulate-schedule.ts'
import { goldenRun, publishedBy, type Golden, type Subject } from '../../engine/chaos/subject.ts'
import type { InvariantId } from '../../engine/chaos/violation.ts'
import { decodeManifest, encodeManifest } from '../../engine/checkpoint/manifest-codec.ts'
import type { Fault } from '../../engine/faults/schedule.ts'
import type { MemoryDisk } from '../../engine/simulation/memory-files.ts'
import { SimulatedProcesses } from '../../engine/simulation/simulated-processes.ts'
import { BlockBuilder } from '../../engine/state/cell-run.ts'
import { TimerLine } from '../../engine/state/keyed-timers.ts'
import { firstSeed, share } from '../share.ts'
import { shapes } from '../simulation/shapes.ts'
import { forgetful, tiny } from './tiny-subject.ts'

let golden: Golden

beforeAll(async () => {
  golden = await goldenRun(tiny, 2)
})

const crash = (point: Fault['point'], nth: number): Fault => ({
  point,
  nth,
  action: { type: 'crash' },
})

async function broken(
  faults: readonly Fault[],
  options: ExamineOptions,
  subject: Subject = tiny,
  expected = golden,
): Promise<readonly InvariantId[]> {
  const schedule = { seed: 1, parallelism: 2, faults }
  const { violations } = await examine(subject, expected, schedule, options)
  return [...new Set(violations.map(({ invariant }) => invariant))]
}

/** Files of which some calls are made otherwise. */
function world(change: (files: Files) => Partial<Files>): ExamineOptions {
  const doors = (given: Doors): Doors => ({
    ...given,
    files: { ...given.files, ...change(given.files) },
  })
  return { depth: 'quick', world: { doors } }
}

test('an honest run breaks none, looked at closely', async () => {
  const faults = [crash('coordinator.written', 2), crash('snapshot.cut', 9)]
  expect(await broken(faults, { depth: 'full' })).toEqual([])
})

for (const { name, job } of shapes) {
  test(`an honest run of ${name} breaks none`, async () => {
    const subject: Subject = { name, job, parameters: {} }
    const expected = await goldenRun(subject, 2)
    const kinds = Object.keys(faultKinds) as FaultKind[]
    for (let seed = firstSeed(); seed < firstSeed() + share(1, 40); seed += 1) {
      const options = { golden: expected, kinds, parallelismMax: 4, faultsMax: 3 }
      const schedule = randomSchedule(seed, options)
      const { violations } = await examine(subject, expected, schedule)
      expect(violations, JSON.stringify(schedule)).toEqual([])
    }
  })
}

test('I1: what is counted in a variable is forgotten by a crash', async () => {
  const expected = await goldenRun(forgetful, 2)
  const found = await broken(
    [crash('coordinator.committed', 1)],
    { depth: 'quick' },
    forgetful,
    expected,
  )
  expect(found).toEqual(['I1'])
})

test('I2: an older checkpoint that is kept has another position than its state', async () => {
  const { facts, run } = await lookedAt([crash('coordinator.committed', 4)])
  expect(await judgedBy(facts, run)).toEqual([])
  const [end] = facts.close!.ends
  await moveOn(end!.disk, '/work/manifests')
  expect(await judgedBy(facts, run)).toEqual(['I2'])
})

test('I3: output is linked when it is staged', async () => {
  const tooEarly = world((files) => ({
    async syncDirectory(path) {
      await files.syncDirectory(path)
      if (!path.includes('.staging/')) return
      for (const name of await files.list(path)) {
        if (!name.startsWith('probe-')) await linked(files, `${path}/${name}`, `/out/${name}.jsonl`)
      }
    },
  }))
  expect(await broken([], tooEarly)).toContain('I3')
})

test('I4: a checkpoint is committed before its name is durable', async () => {
  const hasty = world((files) => ({
    syncDirectory: (path) =>
      path.endsWith('/manifests') ? Promise.resolve() : files.syncDirectory(path),
  }))
  expect(await broken([], hasty)).toEqual(['I4'])
})

test('I5: a life takes the epoch of the one before', async () => {
  const forgetsEpochs = world((files) => ({
    list: (path) => (path.endsWith('/epochs') ? Promise.resolve([]) : files.list(path)),
    async link(existing, path) {
      if (path.includes('/epochs/')) await files.unlink(path).catch(() => undefined)
      await files.link(existing, path)
    },
  }))
  expect(await broken([crash('coordinator.write', 1)], forgetsEpochs)).toContain('I5')
})

test('I6: files of state are not durable when their checkpoint is', async () => {
  const lies = world((files) => ({
    syncDirectory: (path) =>
      path.endsWith('/state') ? Promise.resolve() : files.syncDirectory(path),
  }))
  expect(await broken([], lies)).toEqual(['I6'])
})

/** A sync that fails is tried again on the same descriptor, and the second one is believed. */
const stubborn = world((files) => ({
  async open(path, mode) {
    const handle = await files.open(path, mode)
    const sync = handle.sync.bind(handle)
    handle.sync = () => sync().catch(sync)
    return handle
  },
}))

test('I6: state whose sync failed is synced again', async () => {
  const fault: Fault = { point: 'disk.state.sync', nth: 2, action: { type: 'errno', errno: 'EIO' } }
  expect(await broken([fault], { ...stubborn, depth: 'full' })).toEqual(['I6', 'I12'])
  expect(await broken([fault], { depth: 'full' })).toEqual([])
})

test('I1: output whose sync failed is synced again', async () => {
  const faults: Fault[] = [
    { point: 'disk.staged.sync', nth: 2, action: { type: 'errno', errno: 'EIO' } },
    { point: 'disk.staged.unlink', nth: 3, action: { type: 'power-loss' } },
  ]
  expect(await broken(faults, stubborn)).toContain('I1')
  expect(await broken(faults, { depth: 'full' })).toEqual([])
})

test('I7: a lock that two hold at a time', async () => {
  const noLock = { depth: 'quick', world: { processes: new Lockless() } } as const
  const found = new Set<InvariantId>()
  // Which of the two is first is chance. In most orders the slower one still changes something.
  for (const nth of [1, 2, 3]) {
    const action = { type: 'fence', takeOver: false } as const
    const twin: Fault = { point: 'snapshot.cut', nth, action }
    for (const invariant of await broken([twin], noLock)) found.add(invariant)
  }
  expect(found).toContain('I7')
})

test('I8: a watermark goes back', async () => {
  const { facts, run } = await lookedAt([])
  const at = run.trace.findLastIndex(({ point }) => point === 'task.watermark')
  const trace = run.trace.with(at, {
    ...run.trace[at]!,
    place: { ...run.trace[at]!.place, ms: 1 },
  })
  const { close, ...quick } = facts
  expect(close).toBeDefined()
  expect(await judgedBy(quick, { ...run, trace })).toEqual(['I8'])
})

const restart = [crash('coordinator.committed', 4), crash('coordinator.committed', 5)]

test('I8: a timer that has fired is in the next checkpoint', async () => {
  const found = await planted(
    TimerLine.prototype,
    'encode',
    (encode, [timer, cells]: Parameters<TimerLine['encode']>) => {
      const { isRegistered } = timer
      timer.isRegistered = true
      encode(timer, cells)
      timer.isRegistered = isRegistered
    },
    () => broken(restart, { depth: 'quick' }),
  )
  // What fires too often finds nothing to send: the output is as it should be.
  expect(found).toEqual(['I8'])
})

test('I8: a timer is registered again by its firing', async () => {
  let calls = 0
  const found = await planted(
    TimerLine.prototype,
    'remove',
    (remove, [timer]: Parameters<TimerLine['remove']>, line) => {
      calls += 1
      remove(timer)
      if (calls % 7 === 0) line.register(timer.atMs)
    },
    () => broken([], { depth: 'quick' }),
  )
  expect(found).toEqual(['I8'])
})

test('I8: a timer does not come back from a checkpoint', async () => {
  let calls = 0
  const found = await planted(
    TimerLine.prototype,
    'restore',
    (restore, given: Parameters<TimerLine['restore']>) => {
      calls += 1
      if (calls !== 1) restore(...given)
    },
    () => broken(restart, { depth: 'quick' }),
  )
  expect(found).toContain('I8')
})

test('I9: a subtask says that it has key groups of another', async () => {
  const { facts, run } = await lookedAt([])
  const files = run.history.stateFiles
  const [path, bytes] = [...files].find(([name]) => /-0-\d+-\d+$/.test(name))!
  const text = Buffer.from(bytes).toString('latin1')
  expect(text).toContain('"last":63')
  files.set(path, Buffer.from(text.replace('"last":63', '"last":64'), 'latin1'))
  expect(await judgedBy(facts, run)).toEqual(['I9'])
})

test('I9: keys are kept in the key group beside their own', async () => {
  const found = await planted(
    BlockBuilder.prototype,
    'startGroup',
    (startGroup, [keyGroup]: [number]) => {
      startGroup(keyGroup + 1)
    },
    () => broken([], { depth: 'quick' }),
  )
  expect(found).toEqual(['I9'])
})

test('I10: a temporary name is left behind', async () => {
  const untidy = world((files) => ({
    unlink: (path) => (path.endsWith('.tmp') ? Promise.resolve() : files.unlink(path)),
  }))
  expect(await broken([], untidy)).toEqual(['I10'])
})

test('I10: a file is not closed', async () => {
  const leaky = world((files) => ({
    async open(path, mode) {
      const handle = await files.open(path, mode)
      if (path.includes('/manifests/')) handle.close = () => Promise.resolve()
      return handle
    },
  }))
  expect(await broken([], leaky)).toEqual(['I10'])
})

test('I11: a manifest is never written', async () => {
  const stuck = world((files) => ({
    link: (existing, path) =>
      path.includes('/manifests/') ? new Promise(() => undefined) : files.link(existing, path),
  }))
  expect(await broken([], stuck)).toContain('I11')
})

test('I12: a failed sync is passed over', async () => {
  const deaf = world((files) => ({
    async open(path, mode) {
      const handle = await files.open(path, mode)
      const sync = handle.sync.bind(handle)
      handle.sync = () => sync().catch(() => undefined)
      return handle
    },
  }))
  const fault: Fault = {
    point: 'disk.staged.sync',
    nth: 2,
    action: { type: 'errno', errno: 'EIO' },
  }
  const twin: Fault = { point: 'task.open', nth: 1, action: { type: 'fence', takeOver: false } }
  for (const faults of [[fault], [twin, fault]]) {
    expect(await broken(faults, deaf)).toEqual(['I12'])
    expect(await broken(faults, { depth: 'quick' })).toEqual([])
  }
})

test('I12: the log says that a manifest was not written, and not why', async () => {
  const mute = (given: Doors): Doors => {
    const warn: Logger['warn'] = (fields, message) => {
      given.logger.warn({ ...fields, cause: undefined }, message)
    }
    return { ...given, logger: { ...given.logger, warn } }
  }
  const action = { type: 'errno', errno: 'ENOSPC' } as const
  const faults: Fault[] = [{ point: 'disk.manifest.sync', nth: 1, action }]
  expect(await broken(faults, { depth: 'quick', world: { doors: mute } })).toEqual(['I12'])
  expect(await broken(faults, { depth: 'quick' })).toEqual([])
})

test('I13: a run depends on what was before it', async () => {
  let calls = 0
  const doors = (given: Doors): Doors => {
    calls += 1
    const lateMs = calls
    const { clock } = given
    const late = Object.create(clock) as Doors['clock']
    late.timer = (ms, callback) => clock.timer(ms + lateMs, callback)
    for (const name of ['nowMs', 'monotonicMs', 'sleep', 'immediate'] as const) {
      Object.assign(late, { [name]: (clock[name] as () => unknown).bind(clock) })
    }
    return { ...given, clock: late }
  }
  expect(await broken([], { depth: 'full', world: { doors } })).toEqual(['I13'])
})

/** Runs with a method of the engine made wrong; `right` is what it is otherwise. */
async function planted<T extends object, A extends readonly unknown[], R>(
  prototype: T,
  method: keyof T,
  wrong: (right: (...given: A) => void, given: A, self: T) => void,
  run: () => Promise<R>,
): Promise<R> {
  const original = prototype[method] as (...given: A) => void
  const changed = function (this: T, ...given: A): void {
    wrong(original.bind(this), given, this)
  }
  Object.assign(prototype, { [method]: changed })
  try {
    return await run()
  } finally {
    Object.assign(prototype, { [method]: original })
  }
}

class Lockless extends SimulatedProcesses {
  override start(onKill: () => void): ReturnType<SimulatedProcesses['start']> {
    const takeLock = () => Promise.resolve({ release: () => Promise.resolve() })
    return { ...super.start(onKill), takeLock }
  }
}

async function linked(files: Files, from: string, to: string): Promise<void> {
  await files.link(from, to).catch(() => undefined)
}

async function lookedAt(
  faults: readonly Fault[],
): Promise<{ readonly facts: Omit<RunFacts, 'run'>; readonly run: ScheduleRun }> {
  const ends: NonNullable<RunFacts['close']>['ends'][number][] = []
  const schedule = { seed: 1, parallelism: 2, faults }
  const run = await simulateSchedule({
    ...tiny,
    schedule,
    onLifeEnd: (disk, life) => {
      ends.push({ life, disk: disk.clone() })
      return Promise.resolve()
    },
  })
  const published = await publishedBy(run)
  return { facts: { subject: tiny, golden, published, close: { again: run, ends } }, run }
}

async function judgedBy(
  facts: Omit<RunFacts, 'run'>,
  run: ScheduleRun,
): Promise<readonly InvariantId[]> {
  const violations = await judge({ ...facts, run })
  return [...new Set(violations.map(({ invariant }) => invariant))]
}

/** The oldest checkpoint says that its source has read one record more. */
async function moveOn(disk: MemoryDisk, folder: string): Promise<void> {
  const path = `${folder}/${disk.names(folder)[0]!}`
  const manifest = decodeManifest(disk.peek(path)!, path)
  const [source] = manifest.sources
  const [split, ...others] = source!.splits
  const moved = { ...split!, position: (split!.position as number) + 1 }
  const sources = [{ ...source!, splits: [moved, ...others] }]
  const files = disk.files()
  const handle = await files.open(path, 'truncate')
  await handle.write(encodeManifest({ ...manifest, sources }))
  await handle.sync()
  await handle.close()
}
