import { execFile, spawn } from 'node:child_process'
import type { FaultProbe } from '../../engine/faults/probe.ts'
import { systemClock } from '../../engine/base/clock.ts'
import { errnoOf, systemFiles } from '../../engine/base/files.ts'
import { probedFiles } from '../../engine/faults/probed-files.ts'

/** One way of breaking a job, and whether it works on this machine. */
interface Finding {
  readonly injector: string
  readonly works: boolean
  readonly why: string
}

/** `millrace chaos doctor`: tries each way of breaking a job here, on nothing of yours. */
export async function doctorCommand(flags: { readonly json?: boolean }): Promise<number> {
  const findings: Finding[] = []
  for (const [injector, attempt] of Object.entries(ATTEMPTS)) {
    const why = await attempt().catch((error: unknown) => ({ no: messageOf(error) }))
    const works = typeof why === 'string'
    findings.push({ injector, works, why: works ? why : why.no })
  }
  process.stdout.write(flags.json === true ? `${JSON.stringify(findings)}\n` : table(findings))
  return 0
}

type Attempt = () => Promise<string | { readonly no: string }>

const ATTEMPTS: Readonly<Record<string, Attempt>> = {
  simulation: async () => {
    await import('../../engine/chaos/simulate-schedule.ts')
    return 'one thread, a virtual clock and a disk in memory: it needs nothing of the machine'
  },
  threads: triedThread,
  SIGKILL: triedKill,
  'SIGSTOP, SIGCONT': triedStop,
  'errno at fault points': triedErrno,
  clock: () =>
    Promise.resolve('the engine’s wall clock is moved; user code that reads its own is not'),
  'power loss': () =>
    Promise.resolve({ no: 'in simulation only: a real run takes it for a crash' }),
  'full disk (tmpfs)': triedFullDisk,
  strace: async () => {
    const { stdout } = await run('strace', ['-V'])
    return `${stdout.split('\n')[0]!}: failing system calls below node`
  },
  'Kafka broker': () =>
    Promise.resolve({ no: 'faults strike at requests and answers; no broker is broken by this' }),
}

async function triedThread(): Promise<string | { readonly no: string }> {
  const script = `
    const { Worker } = require('node:worker_threads')
    const worker = new Worker('for (;;);', { eval: true })
    worker.on('online', () => worker.terminate().then(() => console.log('terminated')))`
  const { stdout } = await run(process.execPath, ['-e', script])
  return stdout.trim() === 'terminated'
    ? 'a busy worker was terminated'
    : { no: 'a busy worker could not be terminated' }
}

async function triedKill(): Promise<string | { readonly no: string }> {
  const child = spawn('sleep', ['30'], { stdio: 'ignore' })
  const signal = await new Promise<string | null>((done, fail) => {
    child.on('error', fail)
    child.on('exit', (_code, by) => {
      done(by)
    })
    child.on('spawn', () => child.kill('SIGKILL'))
  })
  return signal === 'SIGKILL' ? 'a process was killed' : { no: 'a process outlived its SIGKILL' }
}

async function triedStop(): Promise<string | { readonly no: string }> {
  const child = spawn('sleep', ['30'], { stdio: 'ignore' })
  try {
    await new Promise((done, fail) => child.on('spawn', done).on('error', fail))
    child.kill('SIGSTOP')
    if (!(await comesTo(child.pid!, true))) return { no: 'a process did not stand still' }
    child.kill('SIGCONT')
    if (!(await comesTo(child.pid!, false))) return { no: 'a process did not go on' }
    return 'a process stood still and went on'
  } finally {
    child.kill('SIGKILL')
  }
}

/** Whether a process is soon stopped, or soon no longer. */
async function comesTo(pid: number, stopped: boolean): Promise<boolean> {
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    const { stdout } = await run('ps', ['-o', 'stat=', '-p', String(pid)])
    if (stdout.trim().startsWith('T') === stopped) return true
    await systemClock.sleep(LOOK_EVERY_MS)
  }
  return false
}

const LOOKS_MAX = 100
const LOOK_EVERY_MS = 20

async function triedErrno(): Promise<string | { readonly no: string }> {
  const probe: FaultProbe = {
    reach: () => undefined,
    hold: () => undefined,
    pass: (_point, _place, deliver) => {
      deliver()
    },
    around: (point) => Promise.reject(Object.assign(new Error(point), { code: 'EIO' })),
  }
  try {
    await probedFiles(systemFiles, probe).list('no-such-work/manifests')
    return { no: 'a call of the disk went past its point' }
  } catch (error) {
    return errnoOf(error) === 'EIO'
      ? 'calls of the disk fail as told, with nothing of the system changed'
      : { no: messageOf(error) }
  }
}

/** In a mount namespace of its own: gone with the command. */
async function triedFullDisk(): Promise<string | { readonly no: string }> {
  const script =
    'd=$(mktemp -d) && mount -t tmpfs -o size=64k none "$d" && head -c 300000 /dev/zero > "$d/f"'
  const asRoot = process.getuid?.() === 0
  const { stderr } = await run('unshare', [asRoot ? '-m' : '-rm', 'sh', '-c', script])
  const who = asRoot ? 'as root' : 'in a user namespace'
  return stderr.includes('No space left')
    ? `a small tmpfs was mounted ${who}, and filled`
    : { no: stderr.trim().split('\n').at(-1) ?? 'nothing said why' }
}

/** Never rejects for an exit code, only where there is no such command. */
function run(
  command: string,
  args: readonly string[],
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return new Promise((done, fail) => {
    execFile(command, args, { timeout: 20_000 }, (error, stdout, stderr) => {
      if (error !== null && error.code === 'ENOENT')
        fail(new Error(`there is no "${command}" here`))
      else done({ stdout, stderr })
    })
  })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function table(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ injector }) => injector.length))
  return findings
    .map(
      ({ injector, works, why }) => `${works ? 'yes' : 'no '}  ${injector.padEnd(width)}  ${why}\n`,
    )
    .join('')
}
