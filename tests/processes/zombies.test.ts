/**
 * Engines that are stopped in the middle of anything, replaced, and woken: one writer, each row
 * once. A stopped process holds its lock, so it is killed, waited for, or has lost its target.
 */
import { existsSync } from 'node:fs'
import { describe, expect } from 'vitest'
import { seededRandom, type Random } from '../../engine/base/random.ts'
import {
  counting,
  ENDLESS,
  enginePid,
  expectExact,
  isAlive,
  RECORDS,
  REST,
  rows,
  test,
  until,
  type Project,
  type Started,
} from '../cli/process.ts'
import { figures, firstSeed, share } from '../share.ts'
import { send, sleep } from './running.ts'

const RUN = ['run', 'job.ts', ...ENDLESS]

type Scene = (project: Project, random: Random) => Promise<string>

/** Each gives a word for the figures; what it promises it checks itself. */
const SCENES: Readonly<Record<string, Scene>> = {
  'taken over': takenOver,
  'woken while another waits': wokenWhileAnotherWaits,
  'set aside by --fresh': setAsideByFresh,
  'target taken by a fork': targetTakenByFork,
}

const seed = firstSeed()
const scenes = Object.entries(SCENES)
const each = share(1, 25)

describe('zombies', () => {
  for (const [number, [name, scene]] of scenes.entries()) {
    test(`${name}: one writer, each row once`, async ({ project }) => {
      const startedMs = performance.now()
      const words: Record<string, number> = {}
      for (let turn = 0; turn < each; turn += 1) {
        const random = seededRandom(seed * 7_919 + number * 1_009 + turn)
        const word = await scene(project, random).catch((error: unknown) => {
          throw new Error(`seed ${seed}, turn ${turn} of "${name}"`, { cause: error })
        })
        words[word] = (words[word] ?? 0) + 1
        project.clear()
      }
      const seconds = Math.round((performance.now() - startedMs) / 1_000)
      figures(`zombies: ${name}`, {
        turns: each,
        firstSeed: seed,
        ...words,
        duplicates: 0,
        seconds,
      })
    }, 3_000_000)
  }
})

/** Stops the engine, or its parent too, at a random moment: while it starts, runs or commits. */
async function stopSomewhere(project: Project, random: Random): Promise<[Started, number]> {
  project.write('job.ts', counting())
  const first = project.start(RUN)
  const owner = project.path('.millrace/counting/owner.json')
  await until('an owner', () => existsSync(owner))
  if (random.int(4) > 0) await first.saw(/ runs in /)
  await sleep(random.int(500))
  const engine = enginePid(project)
  send(engine, 'SIGSTOP')
  if (random.int(2) === 0) first.child.kill('SIGSTOP')
  return [first, engine]
}

async function wake(first: Started, engine: number): Promise<void> {
  first.child.kill('SIGCONT')
  if (isAlive(engine)) send(engine, 'SIGCONT')
  await sleep(0)
}

async function takenOver(project: Project, random: Random): Promise<string> {
  const [first, engine] = await stopSomewhere(project, random)
  const second = project.start(['run', 'job.ts', '--take-over', ...REST])
  await sleep(random.int(600))
  // If it still is there it dies on the way, by the other's hand.
  await wake(first, engine)
  const ended = await second.ended
  expect(ended.exitCode, ended.stderr).toBe(0)
  await first.ended
  expect(isAlive(engine)).toBe(false)
  expectExact(project, RECORDS)
  return first.child.signalCode === 'SIGKILL' ? 'killed' : 'endedBefore'
}

async function wokenWhileAnotherWaits(project: Project, random: Random): Promise<string> {
  const [first, engine] = await stopSomewhere(project, random)
  first.child.kill('SIGKILL')
  const second = project.start(['run', 'job.ts', ...REST])
  await sleep(random.int(1_000))
  send(engine, 'SIGCONT')
  const ended = await second.ended
  expect(ended.exitCode, ended.stderr).toBe(0)
  await first.ended
  expect(isAlive(engine)).toBe(false)
  expectExact(project, RECORDS)
  return 'waitedFor'
}

async function setAsideByFresh(project: Project, random: Random): Promise<string> {
  const [first, engine] = await stopSomewhere(project, random)
  const anew = ['run', 'job.ts', '--fresh', '--take-over', '--set', 'out=./out2', ...REST]
  const second = project.start(anew)
  await sleep(random.int(600))
  await wake(first, engine)
  const ended = await second.ended
  expect(ended.exitCode, ended.stderr).toBe(0)
  await first.ended
  expect(isAlive(engine)).toBe(false)
  expectOnce(project, 'out')
  expectExact(project, RECORDS, 'out2')
  return 'killed'
}

/**
 * It had a savepoint taken; the fork goes on from there with the same output. What the first
 * published after the savepoint and before the fork came is there twice, and the fork says so.
 */
async function targetTakenByFork(project: Project, random: Random): Promise<string> {
  // No checkpoint but those that are asked for: the savepoint is the last.
  const rare = { env: 'env.checkpointing({ everyMs: 600_000 })' }
  project.write('job.ts', counting(rare))
  const first = project.start(RUN)
  await first.saw(/ runs in /)
  await sleep(random.int(300))
  const saving = project.run(['savepoint', 'counting', '--to', './saved'])
  await until('a savepoint', () => existsSync(project.path('saved/manifest.json')))
  await sleep(random.int(30))
  const engine = enginePid(project)
  send(engine, 'SIGSTOP')
  const args = ['--from', './saved', '--fork', '--work-dir', './w2']
  const second = project.start(['run', 'job.ts', ...args, ...REST])
  if (random.int(2) === 0) await second.saw(/ runs in /)
  await sleep(random.int(300))
  send(engine, 'SIGCONT')
  // Asked for its last checkpoint it finds that its target is another's.
  first.child.kill('SIGTERM')
  const ended = await second.ended
  const zombie = await first.ended
  await saving
  expect(zombie.stderr).not.toMatch(/error (BUG|ASSERTION_FAILED)/)
  expect(ended.exitCode, `${ended.stderr}\n${zombie.stderr}`).toBe(0)
  if (/takes over the target of its parent.* overlap=true/.test(ended.stderr)) {
    const found = new Set(rows(project.path('out')).map((row) => JSON.stringify(row)))
    expect(found.size).toBe(RECORDS)
    return 'declaredOverlap'
  }
  expectExact(project, RECORDS)
  return zombie.exitCode === 143 ? 'stoppedFirst' : 'refusedByTarget'
}

/** What was written, however far, has no row twice. */
function expectOnce(project: Project, folder: string): void {
  const found = rows(project.path(folder)).map((row) => JSON.stringify(row))
  expect(new Set(found).size).toBe(found.length)
}
