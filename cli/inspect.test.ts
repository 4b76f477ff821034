import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { StateDescriptor } from '../engine/state/state.ts'
import { formatCheckpointId, manifestName } from '../engine/checkpoint/layout.ts'
import { encodeManifest } from '../engine/checkpoint/manifest-codec.ts'
import { sampleManifest } from '../engine/checkpoint/testing/manifests.ts'
import { inspectFolder, renderFolder } from './inspect.ts'

test('a checkpoint that goes while it is looked at is left out', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'inspect-'))
  try {
    const manifest = sampleManifest()
    const { checkpointId } = manifest
    mkdirSync(join(folder, 'manifests'))
    const path = join(folder, 'manifests', manifestName(checkpointId))
    writeFileSync(path, encodeManifest(manifest))
    // Its name is listed and it cannot be read: as when a running job retires it in between.
    symlinkSync('gone', join(folder, 'manifests', manifestName(checkpointId - 1)))
    const { checkpoints } = await inspectFolder(folder)
    expect(checkpoints.map(({ name }) => name)).toEqual([formatCheckpointId(checkpointId)])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a folder is shown in words: no ids of 64 bits, no hashes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'inspect-'))
  try {
    const slices: StateDescriptor = {
      type: 'value',
      name: 'latest slice',
      value: { kind: 'int32' },
    }
    const manifest = sampleManifest()
    const operators = [
      ...manifest.operators,
      {
        ...manifest.operators[0]!,
        uid: 'minutes',
        kind: 'window-aggregate',
        descriptors: [slices],
      },
    ]
    mkdirSync(join(folder, 'manifests'))
    const [source] = manifest.sources
    const [split] = source!.splits
    const files = {
      ...{ ...source!, uid: 'lines', kind: 'files' },
      splits: [{ ...split!, id: 'a.jsonl', position: { at: 900, line: 12 } }],
    }
    const sources = [source!, files]
    const path = (id: number) => join(folder, 'manifests', manifestName(id))
    writeFileSync(path(manifest.checkpointId), encodeManifest({ ...manifest, sources, operators }))
    writeFileSync(path(manifest.checkpointId - 1), 'not a manifest')
    const report = await inspectFolder(folder)
    const found = renderFolder(report)
    expect(found.split('\n').slice(1, 11)).toEqual([
      'not running',
      '0 starts, 2 complete checkpoints kept',
      '',
      'checkpoint 1.2, 2023-11-14T22:13:20.000Z, 2 files, 7 B',
      '  12 records in',
      '  clicks (generator): 1 split, 0 finished: a at offset 7',
      '  lines (files): 1 split, 0 finished: a.jsonl at byte 900, line 12',
      '  count (process): 2 subtasks, state: clicks (value), 2 files, 7 B',
      '  minutes (window-aggregate): 2 subtasks, state: open windows, 2 files, 7 B',
      '  lake (parquet): publishes 1 output',
    ])
    expect(found).toMatch(/^checkpoint 1\.1, damaged: /m)
    const json = JSON.stringify({ ...report.checkpoints[0], createdAtMs: undefined })
    for (const text of [found.replaceAll(/"[^"]*"/g, ''), json]) {
      expect(text).not.toMatch(/\d{9,}|[0-9a-f]{16}/)
    }
    const paused = [{ subtask: 1, waitsFor: { source: 'old', subtask: 0 } }]
    const counts = { recordsIn: 5, recordsOut: 5 }
    const running = { parallelism: 2, ...counts, steps: [{ name: 'live', ...counts, paused }] }
    expect(renderFolder({ ...report, running })).toContain(
      '  live: 5 in, 5 out, subtask 1 is paused and waits for old subtask 0\n',
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})
