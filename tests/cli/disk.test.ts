import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, type TestContext } from 'vitest'
import {
  checkpoints,
  counting,
  ENDLESS,
  expectExact,
  RECORDS,
  REST,
  startChecked,
  test,
  type Project,
} from './process.ts'

/**
 * Disks that are full or read-only, as small file systems in memory. Mounting one needs Linux and
 * root; elsewhere the tests say that they are skipped.
 */
function mount(
  project: Project,
  context: Pick<TestContext, 'skip' | 'onTestFinished'>,
): () => void {
  // Beside the project, which is removed while this is still mounted.
  const path = mkdtempSync(join(tmpdir(), 'millrace-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'none', path], { stdio: 'pipe' })
  } catch {
    rmdirSync(path)
    context.skip('needs a tmpfs: Linux, and root')
  }
  const unmount = (): void => {
    execFileSync('umount', ['-l', path], { stdio: 'pipe' })
    rmdirSync(path)
  }
  context.onTestFinished(unmount)
  symlinkSync(path, project.path('disk'))
  return () => execFileSync('mount', ['-o', 'remount,ro', path], { stdio: 'pipe' })
}

/** Takes all the room there is. */
function fill(path: string): void {
  try {
    writeFileSync(path, new Uint8Array(16 * 1_024 * 1_024))
  } catch (error) {
    expect((error as { readonly code?: string }).code).toBe('ENOSPC')
  }
}

const NONE = { MILLRACE_RESTART_STRATEGY: 'none' }

describe.concurrent('disks', () => {
  test('a full disk below the work folder fails the job, saying so; with room it goes on exactly', async ({
    project,
    skip,
    onTestFinished,
  }) => {
    mount(project, { skip, onTestFinished })
    project.write('job.ts', counting())
    const run = ['run', 'job.ts', '--work-dir', './disk/work']
    const first = await startChecked(project, [...run, ...ENDLESS], NONE, 'disk/work')
    fill(project.path('disk/ballast'))
    const ended = await first.ended
    expect(ended.exitCode).toBe(1)
    expect(ended.stderr).toMatch(/ENOSPC|no space left/i)
    expect(ended.stderr).not.toMatch(/error (BUG|ASSERTION_FAILED)/)

    // It does not start without room either, and loses nothing by trying.
    const before = checkpoints(project, 'disk/work')
    const full = await project.run([...run, ...REST], NONE)
    expect(full.exitCode).toBe(1)
    expect(full.stderr).toMatch(/ENOSPC|no space left/i)
    expect(checkpoints(project, 'disk/work').at(-1)).toBe(before.at(-1))

    rmSync(project.path('disk/ballast'))
    expect((await project.run([...run, ...REST], NONE)).exitCode).toBe(0)
    expectExact(project, RECORDS)
  })

  test('a full disk below the output is waited for or fails the job; with room it goes on exactly', async ({
    project,
    skip,
    onTestFinished,
  }) => {
    mount(project, { skip, onTestFinished })
    project.write('job.ts', counting())
    const run = ['run', 'job.ts', '--set', 'out=./disk/out']
    const first = await startChecked(project, [...run, ...ENDLESS], NONE)
    fill(project.path('disk/ballast'))
    await first.saw(/ENOSPC|no space left/i)
    rmSync(project.path('disk/ballast'))
    first.child.kill('SIGTERM')
    const ended = await first.ended
    expect([1, 143]).toContain(ended.exitCode)
    expect(ended.stderr).not.toMatch(/error (BUG|ASSERTION_FAILED)/)

    expect((await project.run([...run, ...REST], NONE)).exitCode).toBe(0)
    expectExact(project, RECORDS, 'disk/out')
  })

  test('an output that cannot be written is found at the start, by name', async ({
    project,
    skip,
    onTestFinished,
  }) => {
    const makeReadOnly = mount(project, { skip, onTestFinished })
    makeReadOnly()
    project.write('job.ts', counting())
    const ended = await project.run(['run', 'job.ts', '--set', 'out=./disk/out'], NONE)
    expect(ended.exitCode).toBe(1)
    expect(ended.stderr).toMatch(/EROFS|read-only/)
    expect(ended.stderr).toContain('disk/out')
    expect(ended.stderr).not.toMatch(/ runs in |error BUG/)

    const work = await project.run(['run', 'job.ts', '--work-dir', './disk/work'], NONE)
    expect(work.exitCode).toBe(1)
    expect(work.stderr).toMatch(/EROFS|read-only/)
    expect(work.stderr).toContain('disk/work')
    expect(work.stderr).not.toMatch(/error BUG/)
  })

  test('a file where a folder should be is told as that', async ({ project }) => {
    project.write('job.ts', counting())
    project.write('file', '')
    // With the usual restart strategy: no waiting mends it, so neither is tried again.
    for (const [args, exitCode, message] of [
      [['--work-dir', './file'], 3, /error WORK_DIR_FOREIGN: .*file" is a file/],
      [['--set', 'out=./file'], 1, /error FILE_REFUSED: .*[\s\S]*A file stands where a folder is/],
    ] as const) {
      const ended = await project.run(['run', 'job.ts', ...args])
      expect(ended.exitCode).toBe(exitCode)
      expect(ended.stderr).toMatch(message)
      expect(ended.stderr).not.toMatch(/ runs in |restart \d/)
    }
  })
})
