/** What `millrace explain --against` says, and its exit code. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { encodeManifest } from '../engine/checkpoint/manifest-codec.ts'
import { manifestName } from '../engine/checkpoint/layout.ts'
import { sampleManifest } from '../engine/checkpoint/testing/manifests.ts'
import type { JobPlan } from '../engine/job/job-plan.ts'
import { toJobGraph } from '../engine/graph/chaining.ts'
import { int32, valueState } from '../operators/index.ts'
import { Click, clicksOf, graphOf, sink } from '../operators/testing.ts'
import { explainAgainst } from './explain-against.ts'
import { runOptions } from './run-options.ts'
import { mergeConfig } from './config.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-against-'))
  const [source] = sampleManifest().sources
  const [operator] = sampleManifest().operators
  const sinks = [{ uid: 'lake', kind: 'parquet', committables: [] }]
  const manifest = sampleManifest({
    sources: [{ ...source!, kind: 'test' }],
    operators: [{ ...operator!, kind: 'keyed-process' }],
    sinks,
  })
  mkdirSync(join(folder, 'manifests'))
  mkdirSync(join(folder, 'state'))
  const name = manifestName(manifest.checkpointId)
  writeFileSync(join(folder, 'manifests', name), encodeManifest(manifest))
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true })
})

function planOf(uid: string, state: object): JobPlan {
  const graph = graphOf((env) => {
    clicksOf(env)
      .keyBy('user')
      .process(uid, { emits: Click, state, onRecord: () => undefined })
      .sinkTo('out', sink())
  })
  return { job: 'visits', graph: toJobGraph(graph, 2) } as unknown as JobPlan
}

async function against(plan: JobPlan, flags: object, isJson = false): Promise<[number, string]> {
  let text = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk)
    return true
  })
  const config = mergeConfig({ flags: {}, set: [], environment: {} })
  const code = await explainAgainst(plan, folder, runOptions('job.ts', flags, config), isJson)
  vi.restoreAllMocks()
  return [code, text]
}

test('each step and state is told with what becomes of it, and the code is that of a run', async () => {
  const plan = planOf('tally', { clicks: valueState(int32()), more: valueState(int32()) })
  const [code, text] = await against(plan, { renameUid: ['count=tally'] })
  expect(text.split('\n')).toEqual([
    `checkpoint 1.2 of job "visits" in ${folder}`,
    'kept     clicks  positions',
    'renamed  tally   was "count"',
    'kept     tally   state "clicks"',
    'added    tally   state "more": valueState(int32())',
    'dropped  lake    all its output is published',
    'added    out',
    '',
  ])
  expect(code).toBe(0)
})

test('a refusal has its code and its hint, and ends with 3; as JSON too', async () => {
  // Output that is not published, of a sink that the job does not have.
  const operators = sampleManifest().operators.slice(0, 0)
  const manifest = sampleManifest({ sources: [], operators })
  const name = manifestName(manifest.checkpointId)
  writeFileSync(join(folder, 'manifests', name), encodeManifest(manifest))
  const plan = planOf('tally', {})
  const [code, text] = await against(plan, {})
  expect(code).toBe(3)
  expect(text).toMatch(/^refused  lake +pending output: .*\n +STATE_UID_MISSING: .*--rename-uid/m)
  const [dropped, json] = await against(plan, { dropState: ['lake'] }, true)
  expect(dropped).toBe(0)
  const { findings } = JSON.parse(json) as { findings: readonly object[] }
  const lake = { uid: 'lake', part: '', verdict: 'dropped', note: 'pending output' }
  expect(findings).toContainEqual(lake)
})

test('a folder without a checkpoint is refused', async () => {
  rmSync(join(folder, 'manifests'), { recursive: true })
  await expect(against(planOf('tally', {}), {})).rejects.toMatchObject({
    code: 'CHECKPOINT_NOT_FOUND',
  })
})
