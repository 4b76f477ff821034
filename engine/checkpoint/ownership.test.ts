import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import { systemFiles } from '../base/files.ts'
import { silentLogger } from '../base/logger.ts'
import { workLayout } from './layout.ts'
import {
  acquireOwnership,
  decideOwnership,
  readOwnerRecord,
  type OwnershipFacts,
  type OwnershipOptions,
} from './ownership.ts'
import { systemProcesses } from './processes.ts'

/** Real processes and the real lock: nothing here is pretended. */
let root: string
let child: ChildProcess | undefined

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ownership-'))
})

afterEach(() => {
  child?.kill('SIGKILL')
  child = undefined
  rmSync(root, { recursive: true })
})

function options(changes: Partial<OwnershipOptions> = {}): OwnershipOptions {
  return {
    layout: workLayout(root),
    job: 'visits',
    files: systemFiles,
    clock: systemClock,
    logger: silentLogger,
    takeOver: false,
    hasSupervisor: false,
    ...changes,
  }
}

/** A process that holds the lock of the folder, recorded as its owner. */
async function otherOwner(parent: object | null = null): Promise<ChildProcess> {
  const program = `
    const { ClassicLevel } = require('classic-level')
    new ClassicLevel(${JSON.stringify(join(root, 'owner'))}).open().then(() => console.log('held'))
    setInterval(() => {}, 1000)
  `
  child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout!, 'data')
  const state = await systemProcesses.inspect(child.pid!)
  const startTime = state.type === 'gone' ? '' : state.startTime
  const record = { job: 'visits', pid: child.pid, startTime, parent }
  writeFileSync(join(root, 'owner.json'), JSON.stringify(record))
  return child
}

test('a folder is held by one, named to the next, and free after release', async () => {
  const first = await acquireOwnership(options())
  await expect(acquireOwnership(options())).rejects.toMatchObject({
    code: 'WORK_DIR_BUSY',
    message: `"${root}" is in use by process ${process.pid}`,
  })
  await expect(acquireOwnership(options({ takeOver: true }))).rejects.toMatchObject({
    code: 'WORK_DIR_BUSY', // It never kills itself (O2).
  })
  await first.release()
  const second = await acquireOwnership(options({ hasSupervisor: true }))
  const record = await readOwnerRecord(systemFiles, workLayout(root))
  expect(record).toMatchObject({ job: 'visits', pid: process.pid, parent: { pid: process.ppid } })
  await second.release()
})

test('who has given the folder back is not taken for its next owner, and never killed', async () => {
  await (await acquireOwnership(options())).release()
  expect(await readOwnerRecord(systemFiles, workLayout(root))).toBeUndefined()
})

test('a stopped owner still holds the folder, and can be killed to take it over', async () => {
  const owner = await otherOwner()
  owner.kill('SIGSTOP')
  await expect(acquireOwnership(options())).rejects.toMatchObject({ code: 'WORK_DIR_BUSY' })
  const exited = once(owner, 'exit')
  const ownership = await acquireOwnership(options({ takeOver: true }))
  expect(await exited).toEqual([null, 'SIGKILL'])
  await ownership.release()
})

test('a dying owner is waited for: its supervisor is gone', async () => {
  const owner = await otherOwner({ pid: 2 ** 22 + 1, startTime: 'long ago' })
  const taken = acquireOwnership(options())
  setTimeout(() => owner.kill('SIGKILL'), 100)
  await (await taken).release()
})

test('a process that only has the number of the recorded one is not killed', async () => {
  const owner = await otherOwner()
  const record = { job: 'visits', pid: owner.pid, startTime: 'another', parent: null }
  writeFileSync(join(root, 'owner.json'), JSON.stringify(record))
  let nowMs = 0
  const clock = { ...systemClock, monotonicMs: () => (nowMs += 4_000) }
  const taking = acquireOwnership(options({ takeOver: true, clock }))
  await expect(taking).rejects.toMatchObject({ code: 'WORK_DIR_BUSY' })
  expect(owner.exitCode ?? owner.signalCode).toBeNull()
})

const held: OwnershipFacts = {
  record: { job: 'visits', pid: 10, startTime: 'a', parent: { pid: 9, startTime: 'b' } },
  owner: 'alive',
  parent: 'alive',
  takeOver: false,
  hasKilled: false,
  self: [20, 19],
  isLate: false,
}

test.each<[Partial<OwnershipFacts>, ReturnType<typeof decideOwnership>]>([
  [{}, { type: 'busy' }],
  [{ owner: 'gone' }, { type: 'wait' }],
  [{ owner: 'dying', takeOver: true }, { type: 'wait' }],
  [{ parent: 'gone' }, { type: 'wait' }],
  [{ parent: 'gone', isLate: true }, { type: 'busy' }],
  [{ record: undefined, owner: 'gone' }, { type: 'wait' }],
  [{ takeOver: true }, { type: 'kill', pids: [9, 10] }],
  [
    { takeOver: true, parent: 'gone' },
    { type: 'kill', pids: [10] },
  ],
  [
    { takeOver: true, self: [20, 9] },
    { type: 'kill', pids: [10] },
  ],
  [{ takeOver: true, self: [20, 10] }, { type: 'busy' }],
  [{ takeOver: true, hasKilled: true }, { type: 'wait' }],
])('a held folder with %o: %o', (changes, decision) => {
  expect(decideOwnership({ ...held, ...changes })).toEqual(decision)
})
