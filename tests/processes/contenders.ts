import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { bundleJob } from '../../engine/job/bundle.ts'
import { ROOT } from '../millrace.ts'
import type { FromContender, RaceOrder, ToContender } from './programs/contender.ts'

/** Makes a program of the tests one file that node runs. */
export async function buildProgram(name: string, into: string): Promise<string> {
  const { path } = await bundleJob(join(ROOT, 'tests/processes/programs', name), into)
  return path
}

export type RaceResult = Extract<FromContender, { type: 'won' | 'lost' | 'two-writers' }>

/** A warm process; one that was killed is replaced when it is next needed. */
export class Contender {
  readonly #program: string
  #child: ChildProcess | undefined
  #gone: Promise<unknown> = Promise.resolve()

  constructor(program: string) {
    this.#program = program
  }

  async ready(): Promise<void> {
    if (this.#child !== undefined) return
    this.#child = fork(this.#program, {
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#gone = once(this.#child, 'exit')
    await once(this.#child, 'message')
  }

  /** Resolves to how it went; 'died' when it was killed before it could say. */
  race(order: RaceOrder): Promise<RaceResult | 'died'> {
    const child = this.#child!
    const result = new Promise<RaceResult | 'died'>((done) => {
      child.once('message', (message: RaceResult) => done(message))
      void this.#gone.then(() => done('died'))
    })
    this.#tell({ type: 'race', ...order })
    return result
  }

  async release(): Promise<void> {
    const released = once(this.#child!, 'message')
    this.#tell({ type: 'release' })
    await released
  }

  /** Does not wait for its end: a dying process is part of the race. */
  kill(): void {
    this.#child?.kill('SIGKILL')
    this.#child = undefined
  }

  /** Resolves when the process that was killed, by whomever, is no more. */
  async gone(): Promise<void> {
    await this.#gone
    this.#child = undefined
  }

  #tell(message: ToContender): void {
    this.#child?.send(message, () => undefined)
  }
}
