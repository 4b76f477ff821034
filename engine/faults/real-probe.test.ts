/** What a fault does to one call of the disk, in a thread of a real run. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { FaultAction } from './schedule.ts'
import { systemClock } from '../base/clock.ts'
import { RealLife, readJournal } from './real-life.ts'
import { RealProbe } from './real-probe.ts'

const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

/** The probe of a main thread whose first sync of state meets `action`, and its life. */
function struckBy(action: FaultAction): { readonly probe: RealProbe; readonly life: RealLife } {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-probe-'))
  folders.push(folder)
  const faults = [{ point: 'disk.state.sync', nth: 1, action } as const]
  const schedule = { seed: 1, parallelism: 1, faults }
  const life = RealLife.begin(schedule, folder, 'life', systemClock)
  const probe = new RealProbe(life, {
    isMain: true,
    clock: systemClock,
    kill: () => undefined,
    standStill: () => undefined,
  })
  return { probe, life }
}

const full = (): Promise<string> =>
  Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }))

test('an errno is told of whether the call has taken effect, has not, or fails by itself', async () => {
  for (const done of [false, true]) {
    const { probe } = struckBy({ type: 'errno', errno: 'EIO', done })
    let calls = 0
    const call = (): Promise<void> => Promise.resolve(void (calls += 1))
    await expect(probe.around('disk.state.sync', {}, call)).rejects.toMatchObject({ code: 'EIO' })
    expect(calls).toBe(done ? 1 : 0)
    // It has struck: the next one is left alone.
    await expect(probe.around('disk.state.sync', {}, full)).rejects.toMatchObject({
      code: 'ENOSPC',
    })
  }
  const { probe } = struckBy({ type: 'errno', errno: 'EIO', done: true })
  await expect(probe.around('disk.state.sync', {}, full)).rejects.toMatchObject({ code: 'EIO' })
})

test('after a crash that leaves the process, whatever the life still tries fails', async () => {
  const { probe, life } = struckBy({ type: 'crash' })
  const call = (): Promise<string> => Promise.resolve('done')
  const gone = { code: 'FAULT_INJECTED' }
  await expect(probe.around('disk.state.sync', {}, call)).rejects.toMatchObject(gone)
  expect(life.hasCrashed).toBe(true)
  await expect(probe.around('disk.state.write', {}, call)).rejects.toMatchObject(gone)
  await expect(probe.hold('commit.begin', {})).rejects.toMatchObject(gone)
  let delivered = 0
  probe.pass('snapshot.acknowledge', {}, () => (delivered += 1))
  probe.reach('snapshot.cut', {})
  expect(delivered).toBe(0)
  // Nothing of this was noted: it did not happen.
  expect(readJournal(life.shared.journal).map(({ point }) => point)).toEqual([
    'life.begin',
    'disk.state.sync',
  ])
})
