/**
 * Of several starts on one work folder at the same instant one owns it: warm processes race for the
 * lock itself, and whole `millrace run`s for their job. Beside the twenty of tests/cli.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { seededRandom } from '../../engine/base/random.ts'
import {
  counting,
  ENDLESS,
  expectExact,
  RECORDS,
  REST,
  test as projectTest,
} from '../cli/process.ts'
import { figures, firstSeed, share } from '../share.ts'
import { buildProgram, Contender } from './contenders.ts'
import type { Started } from '../millrace.ts'
import { sleep } from './running.ts'

const seed = firstSeed()

test('of two or three processes that start at once one owns the folder, also after a kill and a take-over', async () => {
  const startedMs = performance.now()
  const races = share(24, 440)
  const root = mkdtempSync(join(tmpdir(), 'millrace-races-'))
  const program = await buildProgram('contender.ts', join(root, 'program'))
  const crew = [0, 1, 2, 3].map(() => new Contender(program))
  const counts = { races, wins: 0, losses: 0, afterKill: 0, takeOvers: 0 }
  try {
    for (let race = 0; race < races; race += 1) {
      const random = seededRandom(seed * 100_003 + race)
      await oneRace(
        crew,
        join(root, 'work'),
        (bound) => random.int(bound),
        counts,
        `seed ${seed}, race ${race}`,
      )
    }
    // Every win began an epoch: no number was given twice.
    expect(readdirSync(join(root, 'work', 'epochs'))).toHaveLength(counts.wins)
    const seconds = Math.round((performance.now() - startedMs) / 1_000)
    figures('double starts of warm processes', { ...counts, twoWriters: 0, seconds })
  } finally {
    for (const contender of crew) contender.kill()
    rmSync(root, { recursive: true, force: true })
  }
}, 1_200_000)

interface Counts {
  wins: number
  losses: number
  afterKill: number
  takeOvers: number
}

async function oneRace(
  crew: readonly Contender[],
  root: string,
  dice: (bound: number) => number,
  counts: Counts,
  said: string,
): Promise<void> {
  for (const contender of crew) await contender.ready()
  const kind = (['plain', 'plain', 'dying', 'take-over'] as const)[dice(4)]!
  const now = (): number => performance.timeOrigin + performance.now()
  const [holder, ...others] = crew
  const contenders = others.slice(0, 2 + dice(2))

  if (kind !== 'plain') {
    const held = await holder!.race({ root, atMs: 0, takeOver: false })
    expect(held, said).toMatchObject({ type: 'won' })
    counts.wins += 1
  }
  const atMs = now() + 5
  const results = contenders.map((contender, number) =>
    contender.race({
      root,
      // Up to 2 ms apart, in steps of 10 µs.
      atMs: atMs + dice(200) / 100,
      takeOver: kind === 'take-over' && number === 0,
    }),
  )
  if (kind === 'dying') {
    while (now() < atMs - 1 + dice(300) / 100);
    holder!.kill()
    counts.afterKill += 1
  }
  if (kind === 'take-over') counts.takeOvers += 1

  const ended = await Promise.all(results)
  const won = ended.filter((result) => result !== 'died' && result.type === 'won')
  const lost = ended.filter((result) => result !== 'died' && result.type === 'lost')
  counts.wins += won.length
  counts.losses += lost.length
  const all = `${said}, ${kind}: ${JSON.stringify(ended)}`
  expect(
    lost.every((result) => result.code === 'WORK_DIR_BUSY'),
    all,
  ).toBe(true)
  // Who looks before the holder is dead may lose against it, all of them; never do two win.
  expect(won.length, all).toBeLessThanOrEqual(1)
  if (kind !== 'dying') expect(won, all).toHaveLength(1)
  expect(won.length + lost.length, all).toBe(contenders.length)

  if (kind !== 'plain') await holder!.gone()
  for (const [number, result] of ended.entries()) {
    if (result === 'died' || result.type !== 'won') continue
    // Left to die with the folder, or gone on with its life.
    if (dice(3) === 0) contenders[number]!.kill()
    else await contenders[number]!.release()
  }
}

projectTest(
  'of two or three runs at once one goes on, also while one dies and with --take-over; the output is exact',
  async ({ project }) => {
    const startedMs = performance.now()
    const races = share(2, 60)
    const counts = { races, losers: 0, takeOvers: 0, threeStarts: 0 }
    project.write('job.ts', counting())
    const random = seededRandom(seed)
    for (let race = 0; race < races; race += 1) {
      const takeOver = race % 3 === 1
      const starts = 2 + random.int(2)
      if (starts === 3) counts.threeStarts += 1
      const holder = takeOver ? project.start(['run', 'job.ts', ...ENDLESS]) : undefined
      await holder?.saw(/ runs in /)
      const runs: Started[] = []
      for (let start = 0; start < starts; start += 1) {
        const flags = takeOver && start === 0 ? ['--take-over'] : []
        runs.push(project.start(['run', 'job.ts', ...ENDLESS, ...flags]))
        if (random.int(2) === 0) await sleep(random.int(40))
      }
      const winner = await oneGoesOn(runs, counts, `seed ${seed}, race ${race}`)
      if (takeOver) counts.takeOvers += 1
      if (holder !== undefined) {
        expect((await holder.ended).stderr).not.toMatch(/error/)
        expect(holder.child.signalCode).toBe('SIGKILL')
      }
      // The next race begins while this one dies.
      winner.child.kill('SIGKILL')
    }
    const last = await project.run(['run', 'job.ts', ...REST])
    expect(last.exitCode).toBe(0)
    expectExact(project, RECORDS)
    const seconds = Math.round((performance.now() - startedMs) / 1_000)
    figures('double starts of whole runs', { ...counts, missing: 0, duplicates: 0, seconds })
  },
  3_000_000,
)

/** All but one end with WORK_DIR_BUSY, and that one runs. */
async function oneGoesOn(
  runs: readonly Started[],
  counts: { losers: number },
  said: string,
): Promise<Started> {
  const ended = new Set<Started>()
  for (const run of runs) void run.ended.then(() => ended.add(run))
  while (ended.size < runs.length - 1) {
    await Promise.race(runs.filter((run) => !ended.has(run)).map((run) => run.ended))
    await sleep(0)
  }
  const winner = runs.find((run) => !ended.has(run))
  if (winner === undefined) throw new Error(`${said}: none of ${runs.length} goes on`)
  await winner.saw(/ runs in /)
  expect(winner.child.exitCode, said).toBe(null)
  for (const loser of ended) {
    const { exitCode, stderr } = await loser.ended
    expect(exitCode, `${said}\n${stderr}`).toBe(4)
    expect(stderr, said).toMatch(/error WORK_DIR_BUSY: /)
    counts.losers += 1
  }
  return winner
}
