import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import {
  checkpoints,
  counting,
  ENDLESS,
  expectError,
  expectExact,
  RECORDS,
  REST,
  rows,
  startChecked,
  test,
  type Project,
} from './process.ts'

/** Every file that a restore reads, damaged in every way: exit 3, its name, and nothing done. */
const DAMAGES: Readonly<Record<string, (path: string) => void>> = {
  'a flipped bit': (path) => {
    const bytes = readFileSync(path)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(path, bytes)
  },
  'a cut end': (path) => {
    const bytes = readFileSync(path)
    writeFileSync(path, bytes.subarray(0, bytes.length - 1))
  },
  'no bytes': (path) => {
    writeFileSync(path, '')
  },
  'no file': (path) => {
    rmSync(path)
  },
}

const RUN = ['run', 'job.ts', '--parallelism', '2', ...REST]

interface Manifest {
  readonly operators: readonly {
    readonly subtasks: readonly { readonly chain: readonly { readonly path: string }[] }[]
  }[]
}

/** Paths of the state files that a manifest names, relative to its folder. */
function stateFiles(manifest: string): string[] {
  const { operators } = JSON.parse(readFileSync(manifest, 'utf8')) as Manifest
  return operators.flatMap(({ subtasks }) =>
    subtasks.flatMap(({ chain }) => chain.map(({ path }) => path)),
  )
}

const manifestPath = (project: Project, id: number): string =>
  join('manifests', `${String(id).padStart(16, '0')}.json`)

/** Runs, stops with a savepoint, and keeps a copy of the work folder. */
async function prepared(project: Project): Promise<number> {
  project.write('job.ts', counting())
  const run = await startChecked(project, ['run', 'job.ts', '--parallelism', '2', ...ENDLESS])
  const stop = await project.run(['stop', 'counting', '--savepoint', './saved'])
  expect(stop.stderr).toBe('')
  expect((await run.ended).exitCode).toBe(0)
  cpSync(project.path('.millrace'), project.path('kept'), { recursive: true })
  return rows(project.path('out')).length
}

function restoreKept(project: Project): void {
  rmSync(project.path('.millrace'), { recursive: true })
  cpSync(project.path('kept'), project.path('.millrace'), { recursive: true })
}

describe.concurrent('damaged checkpoints', () => {
  test('each file of the latest one, each way: 3, its name, before a record flows', async ({
    project,
  }) => {
    const before = await prepared(project)
    const folder = project.path('.millrace/counting')
    const manifest = manifestPath(project, checkpoints(project).at(-1)!)
    const state = stateFiles(join(folder, manifest))
    expect(state.length).toBeGreaterThan(1)
    for (const path of [manifest, ...state]) {
      for (const [how, damage] of Object.entries(DAMAGES)) {
        // Without its manifest an older checkpoint is the latest: a test of its own.
        if (path === manifest && how === 'no file') continue
        // One state file stands for all.
        if (path !== manifest && path !== state[0] && how !== 'a flipped bit') continue
        restoreKept(project)
        damage(join(folder, path))
        const ended = await project.run(RUN)
        expectError(ended, 3, 'CHECKPOINT_DAMAGED')
        expect(ended.stderr, how).toContain(path.slice(path.indexOf('/') + 1))
        expect(ended.stderr, how).not.toMatch(/ runs in | at .*\.js:/)
        expect(rows(project.path('out')), how).toHaveLength(before)
        if (path !== manifest) continue
        const inspected = await project.run(['inspect', 'counting'])
        expect(inspected.exitCode).toBe(3)
        expect(inspected.stdout).toMatch(/damaged: /)
      }
    }
    restoreKept(project)
    expect((await project.run(RUN)).exitCode).toBe(0)
    expectExact(project, RECORDS)
  }, 400_000)

  test('with its latest manifest gone, or its state of before, a job is behind its target', async ({
    project,
  }) => {
    const before = await prepared(project)
    const folder = project.path('.millrace/counting')
    rmSync(join(folder, manifestPath(project, checkpoints(project).at(-1)!)))
    expectError(await project.run(RUN), 3, 'SINK_AHEAD')
    rmSync(folder, { recursive: true })
    expectError(await project.run(RUN), 3, 'SINK_FOREIGN')
    expect(rows(project.path('out'))).toHaveLength(before)
  })

  test('each file of a savepoint, likewise', async ({ project }) => {
    await prepared(project)
    const state = stateFiles(project.path('saved/manifest.json'))[0]!
    let folder = 0
    for (const [path, how] of [
      ['manifest.json', 'a flipped bit'],
      ['manifest.json', 'a cut end'],
      [state, 'a flipped bit'],
      [state, 'a cut end'],
      [state, 'no file'],
    ] as const) {
      folder += 1
      cpSync(project.path('saved'), project.path(`saved${folder}`), { recursive: true })
      DAMAGES[how]!(project.path(`saved${folder}`, path))
      const from = ['--from', `./saved${folder}`, '--work-dir', `./w${folder}`]
      const ended = await project.run([...RUN, ...from])
      expectError(ended, 3, 'CHECKPOINT_DAMAGED')
      expect(ended.stderr).toContain(project.path(`saved${folder}`, path))
      expect(ended.stderr).not.toMatch(/ runs in /)
    }
    // What was half brought in is no obstacle.
    const whole = await project.run([...RUN, '--from', './saved', '--work-dir', './w3'])
    expect(whole.exitCode).toBe(0)
    expectExact(project, RECORDS)
  }, 400_000)

  test('a marker of the target that cannot be read is refused; leftovers of a crash are not', async ({
    project,
  }) => {
    await prepared(project)
    const marker = project.path('out/_millrace/files.json')
    const text = readFileSync(marker)
    writeFileSync(marker, text.subarray(0, text.length >> 1))
    const ended = await project.run(RUN)
    expectError(ended, 3, 'SINK_FOREIGN')
    expect(ended.stderr).toContain('out/_millrace/files.json')
    writeFileSync(marker, text)

    // What a power cut may leave: temporary files, half of them, and an owner's record.
    const folder = project.path('.millrace/counting')
    writeFileSync(join(folder, 'manifests', '0000000000000099.json.tmp'), '{')
    writeFileSync(join(folder, 'owner.json'), '{"pid": 1')
    writeFileSync(join(folder, 'state', 'ffffffffffffffff-0-4294967300-7'), 'half a file')
    writeFileSync(join(folder, 'scratch', 'old'), 'x')
    expect((await project.run(RUN)).exitCode).toBe(0)
    expectExact(project, RECORDS)
  })
})
