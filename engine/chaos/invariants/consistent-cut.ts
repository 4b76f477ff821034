import { dirname } from 'node:path'
import type { CheckpointId } from '../../stream/elements.ts'
import type { TargetMarker } from '../../operator/sink.ts'
import type { Files } from '../../base/files.ts'
import type { MemoryDisk } from '../../simulation/memory-files.ts'
import type { ScheduleRun } from '../schedule-run.ts'
import type { Violation } from '../violation.ts'
import type { Invariant, LifeEnd, RunFacts } from './invariant.ts'
import { writeDurably } from '../../base/files.ts'
import {
  formatCheckpointId,
  manifestName,
  parseManifestName,
  workLayout,
} from '../../checkpoint/layout.ts'
import { isMarker, publishedName } from '../disk-names.ts'
import { uniqueNames } from '../latest-checkpoint.ts'
import { simulateSchedule } from '../simulate-schedule.ts'
import { publishedBy } from '../subject.ts'
import { exactlyOnce } from './exactly-once.ts'

/**
 * I2: each checkpoint that lies in the work folder when a life ends is restored by a run without
 * faults, at another parallelism too, over its targets as they were when it was complete: what has
 * been published since is taken away. It leads to the same output as a run from the beginning.
 */
export const consistentCut: Invariant = async (facts) => {
  const found: Violation[] = []
  const tried = new Set<string>()
  for (const end of facts.close?.ends ?? []) {
    const layout = workLayout(end.life.workDir)
    for (const name of end.disk.names(layout.manifests)) {
      const id = parseManifestName(name)
      const key = `${end.life.workDir} ${id}`
      if (id === undefined || tried.has(key)) continue
      tried.add(key)
      const what = await restoredFrom(facts, end, id)
      if (what === undefined) continue
      const checkpoint = formatCheckpointId(id)
      found.push({ invariant: 'I2', what: `restored from checkpoint ${checkpoint}: ${what}` })
    }
  }
  return found
}

async function restoredFrom(
  { subject, golden, run }: RunFacts,
  { life, disk }: LifeEnd,
  id: CheckpointId,
): Promise<string | undefined> {
  const cut = disk.clone()
  await cutBack(cut, life.workDir, id, run)
  const parallelism = 1 + (id % 3)
  const restored = await simulateSchedule({
    ...subject,
    schedule: { seed: id % 1_000, parallelism, faults: [] },
    disk: cut,
    workDir: life.workDir,
    prepare: () => Promise.resolve(),
  })
  const { ended } = restored.lives.at(-1)!
  if (ended.type === 'failed') return `${ended.error.code}: ${ended.error.message}`
  if (ended.type !== 'finished') return `the job is ${ended.type}`
  const published = await publishedBy(restored)
  const [first] = await exactlyOnce({ subject, golden, run: restored, published })
  return first?.what
}

/** Work folder and targets as if nothing had happened after checkpoint `id` was published. */
async function cutBack(
  disk: MemoryDisk,
  workDir: string,
  id: CheckpointId,
  run: ScheduleRun,
): Promise<void> {
  const files = disk.files()
  const layout = workLayout(workDir)
  for (const name of disk.names(layout.manifests)) {
    if (name !== manifestName(id)) await files.unlink(`${layout.manifests}/${name}`)
  }
  const bornAt = birthsOf(run)
  const workFolders = [...new Set(run.lives.map((life) => life.workDir))]
  for (const path of disk.paths()) {
    const name = publishedName(path, workFolders)
    if (name !== undefined && (bornAt.get(name) ?? Infinity) > id) await files.unlink(path)
    if (isMarker(path)) await setBack(files, path, id, disk)
  }
}

async function setBack(
  files: Files,
  path: string,
  id: CheckpointId,
  disk: MemoryDisk,
): Promise<void> {
  const marker = markerIn(disk.peek(path)!)
  if (marker === undefined || marker.checkpointId <= id) return
  const bytes = new TextEncoder().encode(`${JSON.stringify({ ...marker, checkpointId: id })}\n`)
  await writeDurably(files, path, bytes, { replace: true, temporary: `${path}.tmp` })
  await files.syncDirectory(dirname(path))
}

/** One that was damaged keeps the job from starting, as it does anybody's. */
function markerIn(bytes: Uint8Array): TargetMarker | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as TargetMarker
  } catch {
    return undefined
  }
}

/** The checkpoint that each output file was born in. */
function birthsOf(run: ScheduleRun): ReadonlyMap<string, CheckpointId> {
  const births = new Map<string, CheckpointId>()
  for (const { manifest } of run.history.manifests) {
    for (const { bornAt, effect } of manifest.sinks.flatMap(({ committables }) => committables)) {
      for (const name of uniqueNames(effect)) births.set(name, bornAt)
    }
  }
  return births
}
