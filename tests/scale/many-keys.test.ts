import { renameSync } from 'node:fs'
import { expect } from 'vitest'
import { test } from '../cli/process.ts'
import type { Project } from '../millrace.ts'
import { textOf, type Order } from './jobs/many-keys.ts'
import { rowsOf, Run, stateFiles } from './scale.ts'

const KEYS = 1_000_000
const CHANGED = 1_000
const CHUNK = 5_000
/** The state takes about ten times as much on the heap. */
const CACHE_MB = 40
/** Two threads, their stores and garbage included. */
const RESIDENT_MB = 800

/** A file that the job reads from now on, with a line for each chunk of keys. */
function tell(project: Project, name: string, order: Order): void {
  const lines: string[] = []
  for (let from = order.from; from < order.to; from += CHUNK) {
    lines.push(JSON.stringify({ ...order, from, to: Math.min(order.to, from + CHUNK) }))
  }
  const path = project.write(`${name}.tmp`, `${lines.join('\n')}\n`)
  renameSync(path, project.path('orders', `${name}.jsonl`))
}

test('a million keys with a tenth of them cached: bounded memory, small deltas, exact restore', async ({
  project,
}) => {
  project.write('orders/.keep', '')
  const plan = {
    job: 'many-keys.ts',
    set: { orders: project.path('orders/*.jsonl'), directory: project.path('reads') },
    env: { MILLRACE_STATE_CACHE_MB: String(CACHE_MB) },
  }
  tell(project, 'a', { op: 'put', from: 0, to: KEYS, version: 1 })
  const first = new Run(project, { ...plan, parallelism: 2 })
  await first.runs()
  const took = (run: Run, records: number) => async () =>
    (await run.step('table')).recordsIn >= records
  await first.until('all keys are put', took(first, KEYS))
  const save = (to: string) => project.run(['savepoint', first.workDir, '--to', to, '--json'])
  expect(await save('./saved-1')).toMatchObject({ exitCode: 0 })
  const base = stateFiles(first.workDir)

  tell(project, 'b', { op: 'put', from: 0, to: CHANGED, version: 2 })
  await first.until('some keys are put again', took(first, KEYS + CHANGED))
  expect(await save('./saved-2')).toMatchObject({ exitCode: 0 })
  const deltas = [...stateFiles(first.workDir)].filter(([name]) => !base.has(name))
  await first.kill()
  const baseBytes = sumOf([...base.values()])
  const deltaBytes = sumOf(deltas.map(([, bytes]) => bytes))
  expect(baseBytes).toBeGreaterThan(KEYS * 20)
  expect(deltaBytes).toBeGreaterThan(CHANGED * 20)
  expect(deltaBytes).toBeLessThan(baseBytes / 20)
  expect(first.peakMb).toBeLessThan(RESIDENT_MB)

  tell(project, 'c', { op: 'read', from: 0, to: KEYS, version: 0 })
  const second = new Run(project, { ...plan, parallelism: 2 })
  await second.runs()
  await second.until('all keys are read', took(second, KEYS))
  await second.stop()
  expect(second.peakMb).toBeLessThan(RESIDENT_MB)
  expectTable(rowsOf(project.path('reads')))
}, 300_000)

function expectTable(rows: readonly { key: number; text: string; puts: number }[]): void {
  expect(rows).toHaveLength(KEYS)
  const seen = new Uint8Array(KEYS)
  for (const { key, text, puts } of rows) {
    const version = key < CHANGED ? 2 : 1
    if (text !== textOf(key, version) || puts !== version || seen[key] === 1) {
      throw new Error(`key ${key} has "${text}" of ${puts} puts, seen ${seen[key]} times before`)
    }
    seen[key] = 1
  }
}

const sumOf = (numbers: readonly number[]): number =>
  numbers.reduce((sum, number) => sum + number, 0)
