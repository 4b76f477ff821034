import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import { actionsAt, type ChaosMode } from '../../engine/chaos/actions.ts'
import { invariants } from '../../engine/chaos/violation.ts'
import { faultPointNames } from '../../engine/faults/points.ts'
import { describePoint, explainCommand, pointsCommand, pointsPage } from './points.ts'

async function printed(command: () => Promise<number>): Promise<string> {
  let text = ''
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk)
    return true
  })
  try {
    expect(await command()).toBe(0)
  } finally {
    write.mockRestore()
  }
  return text
}

test('docs/fault-points.md is what the table says', async () => {
  const path = fileURLToPath(new URL('../../docs/fault-points.md', import.meta.url))
  // `npx vitest -u` writes it anew.
  await expect(pointsPage()).toMatchFileSnapshot(path)
})

test('every point is listed, and explained', async () => {
  const text = await printed(() => pointsCommand({}))
  const data = JSON.parse(await printed(() => pointsCommand({ json: true }))) as {
    readonly point: string
    readonly actions: readonly object[]
  }[]
  expect(data.map(({ point }) => point)).toEqual(faultPointNames)
  for (const { point, actions } of data) {
    expect(text).toContain(point)
    expect(actions.length).toBeGreaterThan(2)
  }
  expect(await printed(() => explainCommand('disk.manifest.folder'))).toContain(
    'the checkpoint is complete',
  )
  expect(describePoint('coordinator.confirm')).toContain('drop; late by 100 ms; duplicate')
})

test('every invariant is listed, and explained, also in small letters', async () => {
  const text = await printed(() => pointsCommand({}))
  const page = pointsPage()
  for (const [id, holds] of Object.entries(invariants)) {
    expect(text).toContain(`${id.padEnd(4)} ${holds}`)
    expect(page).toContain(`| ${id} | ${holds} |`)
    expect(await printed(() => explainCommand(id))).toContain(holds)
  }
  expect(await printed(() => explainCommand('i2'))).toContain('outside its state')
  expect(() => explainCommand('I14')).toThrow(expect.objectContaining({ code: 'USAGE' }))
})

test('a name that there is not gets the nearest', () => {
  expect(() => explainCommand('disk.manifest.fodler')).toThrow(
    expect.objectContaining({ code: 'USAGE', hint: 'Did you mean "disk.manifest.folder"?' }),
  )
})

test('a real run is told no action that it does not have', () => {
  const types = (mode: ChaosMode): readonly string[] =>
    actionsAt('coordinator.written', mode).map(({ type }) => type)
  expect(types('sim')).toContain('power-loss')
  expect(types('process')).not.toContain('power-loss')
  expect(types('process')).toContain('fence')
  expect(types('threads')).not.toContain('rescale')
  expect(types('threads')).toContain('crash')
})
