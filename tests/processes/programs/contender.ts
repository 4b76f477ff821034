/**
 * A process that is kept warm and races others for a work folder when it is told to. The winner
 * does what only the owner may: it begins an epoch and says that it writes.
 */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../engine/base/clock.ts'
import { asStreamError } from '../../../engine/base/errors.ts'
import { systemFiles } from '../../../engine/base/files.ts'
import { silentLogger } from '../../../engine/base/logger.ts'
import { systemRandom } from '../../../engine/base/random.ts'
import { beginEpoch } from '../../../engine/checkpoint/epochs.ts'
import { workLayout } from '../../../engine/checkpoint/layout.ts'
import { acquireOwnership, type Ownership } from '../../../engine/checkpoint/ownership.ts'
import { systemProcesses } from '../../../engine/checkpoint/processes.ts'

export interface RaceOrder {
  readonly root: string
  /** Wall clock, ms, with fractions: all contenders start at theirs. */
  readonly atMs: number
  readonly takeOver: boolean
}
export type ToContender = ({ readonly type: 'race' } & RaceOrder) | { readonly type: 'release' }
export type FromContender =
  | { readonly type: 'ready' }
  | { readonly type: 'won'; readonly epoch: number }
  | { readonly type: 'lost'; readonly code: string }
  /** Another that is alive says that it writes. */
  | { readonly type: 'two-writers'; readonly other: number }
  | { readonly type: 'released' }

/** A folder counts as busy after a tenth of the usual wait: nobody here takes seconds to die. */
const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() * 10 }
let held: { readonly ownership: Ownership; readonly root: string } | undefined

function say(message: FromContender): void {
  process.send!(message)
}

async function race({ root, atMs, takeOver }: RaceOrder): Promise<void> {
  const now = (): number => performance.timeOrigin + performance.now()
  while (now() < atMs);
  const layout = workLayout(root)
  const doors = { files: systemFiles, clock, logger: silentLogger }
  try {
    const ownership = await acquireOwnership({
      layout,
      job: 'race',
      ...doors,
      takeOver,
      hasSupervisor: false,
    })
    held = { ownership, root }
  } catch (error) {
    say({ type: 'lost', code: asStreamError(error).code })
    return
  }
  const other = await claim(root)
  if (other !== undefined) {
    say({ type: 'two-writers', other })
    return
  }
  const { epoch } = await beginEpoch(systemFiles, layout, {
    instance: systemRandom.hex(8),
    pid: process.pid,
    job: 'race',
    lineage: { id: 'race', parent: null, parentCheckpoint: null },
  })
  say({ type: 'won', epoch })
}

/** The process that writes already, if it is alive. */
async function claim(root: string): Promise<number | undefined> {
  const path = join(root, 'writer')
  for (;;) {
    try {
      const file = openSync(path, 'wx')
      writeSync(file, String(process.pid))
      closeSync(file)
      return undefined
    } catch {
      const other = Number(readFileSync(path, 'utf8'))
      if ((await systemProcesses.inspect(other)).type === 'alive') return other
      rmSync(path)
    }
  }
}

async function release(): Promise<void> {
  if (held === undefined) return
  rmSync(join(held.root, 'writer'), { force: true })
  await held.ownership.release()
  held = undefined
  say({ type: 'released' })
}

process.on('message', (message: ToContender) => {
  if (message.type === 'race') void race(message)
  else void release()
})
process.on('disconnect', () => process.exit())
say({ type: 'ready' })
