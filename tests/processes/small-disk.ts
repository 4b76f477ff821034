import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Injectors } from './schedule.ts'

/** A file system in memory so small that it can be filled. */
export class SmallDisk {
  readonly path: string

  constructor(path: string) {
    mkdirSync(path, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'none', path], { stdio: 'pipe' })
    this.path = path
  }

  /** Takes all the room there is: what is written from now on fails with ENOSPC. */
  fill(): void {
    for (const [number, bytes] of [32 * 1_024 * 1_024, 64 * 1_024, 4_096].entries()) {
      try {
        writeFileSync(join(this.path, `ballast-${number}`), new Uint8Array(bytes))
      } catch (error) {
        if ((error as { readonly code?: string }).code !== 'ENOSPC') throw error
      }
    }
  }

  empty(): void {
    for (const number of [0, 1, 2]) rmSync(join(this.path, `ballast-${number}`), { force: true })
  }

  unmount(): void {
    execFileSync('umount', ['-l', this.path], { stdio: 'pipe' })
  }
}

/** What this machine can do: mounting needs root (`unshare -Urm` will do), errno needs strace. */
export function injectorsHere(): Injectors {
  return { full: canMount(), errno: canTrace() }
}

function canMount(): boolean {
  const path = mkdtempSync(join(tmpdir(), 'millrace-disk-'))
  try {
    new SmallDisk(path).unmount()
    return true
  } catch {
    return false
  } finally {
    rmdirSync(path)
  }
}

function canTrace(): boolean {
  try {
    execFileSync('strace', ['-f', '--seccomp-bpf', '-qq', '-e', 'trace=fsync', 'true'], {
      stdio: 'pipe',
    })
    return true
  } catch {
    return false
  }
}
