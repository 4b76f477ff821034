import { existsSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Everything below a folder that is a file: its path and its size. */
export function filesBelow(folder: string): ReadonlyMap<string, number> {
  if (!existsSync(folder)) return new Map()
  const found = new Map<string, number>()
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    found.set(path.slice(folder.length + 1), statSync(path).size)
  }
  return found
}

/** Processes that run in a folder or below it. Linux only: elsewhere none is known. */
export function processesIn(folder: string): readonly number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const directory = readlinkSync(`/proc/${pid}/cwd`)
        return directory === folder || directory.startsWith(`${folder}/`)
      } catch {
        return false // It has ended, or is another user's.
      }
    })
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((left, right) => left - right)
  return sorted[Math.floor(sorted.length / 2)]!
}
