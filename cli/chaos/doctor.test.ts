import { expect, test, vi } from 'vitest'
import { doctorCommand } from './doctor.ts'

test('every way of breaking a job is tried, and says why', async () => {
  let text = ''
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk)
    return true
  })
  try {
    expect(await doctorCommand({ json: true })).toBe(0)
  } finally {
    write.mockRestore()
  }
  const findings = JSON.parse(text) as { injector: string; works: boolean; why: string }[]
  const working = findings.filter(({ works }) => works).map(({ injector }) => injector)
  expect(working).toEqual(
    expect.arrayContaining(['simulation', 'threads', 'SIGKILL', 'errno at fault points']),
  )
  expect(working).not.toContain('power loss')
  for (const { why } of findings) expect(why.length).toBeGreaterThan(10)
})
