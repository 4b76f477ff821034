import { execFile, spawn } from 'node:child_process'
import { errnoOf, systemFiles } from '../base/files.ts'

/** A process, with what tells it from a later one that got the same number. */
export interface ProcessIdentity {
  readonly pid: number
  readonly startTime: string
}

export type ProcessState =
  | { readonly type: 'gone' }
  /** Dead, but not yet collected by its parent; its locks are gone or about to go. */
  | { readonly type: 'dying'; readonly startTime: string }
  /** Stopped ones too. */
  | { readonly type: 'alive'; readonly startTime: string }

/** The door for other processes of this machine. */
export interface Processes {
  readonly pid: number
  readonly parentPid: number
  inspect(pid: number): Promise<ProcessState>
  /** SIGKILL; one that is gone is no error. */
  kill(pid: number): void
}

export const systemProcesses: Processes = {
  pid: process.pid,
  parentPid: process.ppid,
  inspect: (pid) => (process.platform === 'linux' ? inspectProc(pid) : inspectPs(pid)),
  kill(pid) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      if (errnoOf(error) !== 'ESRCH') throw error
    }
  },
}

/**
 * /proc/<pid>/stat: `pid (command) state …`, with the start time, in ticks since the machine
 * started, as field 22. The command may hold blanks and brackets, so the last `)` ends it.
 */
async function inspectProc(pid: number): Promise<ProcessState> {
  const stat = await readProc(`/proc/${pid}/stat`)
  if (stat === undefined) return { type: 'gone' }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const boot = (await readProc('/proc/sys/kernel/random/boot_id'))?.trim() ?? ''
  const startTime = `${boot}:${fields[19]}`
  const isDying = fields[0] === 'Z' || fields[0] === 'X' || fields[0] === 'x'
  return { type: isDying ? 'dying' : 'alive', startTime }
}

async function readProc(path: string): Promise<string | undefined> {
  try {
    const handle = await systemFiles.open(path, 'read')
    try {
      return new TextDecoder('latin1').decode(await handle.read(0, 4_096))
    } finally {
      await handle.close()
    }
  } catch (error) {
    // The process may go between open and read.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined
    throw error
  }
}

function inspectPs(pid: number): Promise<ProcessState> {
  return new Promise((resolve, reject) => {
    const options = ['-o', 'stat=,lstart=', '-p', String(pid)]
    execFile('ps', options, { env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' } }, (error, out) => {
      const match = /^\s*(\S+)\s+(\S.*\S)\s*$/.exec(out)
      if (match !== null) {
        resolve({ type: match[1]!.startsWith('Z') ? 'dying' : 'alive', startTime: match[2]! })
      } else if (error !== null && typeof error.code !== 'number') {
        reject(error)
      } else {
        resolve({ type: 'gone' })
      }
    })
  })
}

/**
 * Lets a process that is about to be stopped go on after so long: a shell of its own sends SIGCONT,
 * more than once, as the first may come before the stop.
 */
export function continueLater(pid: number, ms: number): void {
  const again = `sleep 0.2; kill -CONT ${pid} 2>/dev/null`
  const script = `sleep ${ms / 1_000}; kill -CONT ${pid}; ${again}; ${again}; ${again}`
  spawn('/bin/sh', ['-c', script], { detached: true, stdio: 'ignore' }).unref()
}
