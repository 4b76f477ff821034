import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemDoors } from '../../engine/base/doors.ts'
import { silentLogger } from '../../engine/base/logger.ts'
import { jobDefinition } from '../../engine/graph/job-definition.ts'
import { beginLife } from '../../engine/job/job-life.ts'
import { planInThread } from '../../engine/job/job-plan.ts'
import type { RunSummary } from '../../engine/job/protocol.ts'
import { spawnInThread } from '../../engine/worker/in-thread.ts'

/** One life of a job to its end, in this thread: real files, state, checkpoints and commits. */
export async function runHere(job: unknown, workDir: string, parallelism = 1): Promise<RunSummary> {
  const doors = systemDoors(silentLogger)
  const definition = jobDefinition(job)
  const plan = planInThread(definition.name, definition.build({}), parallelism)
  const begun = await beginLife({
    doors,
    plan,
    spawn: spawnInThread(doors, plan.graph),
    hasSupervisor: false,
    options: {
      ...{ workDir, workRoot: workDir, fresh: false, takeOver: false, fork: false },
      ...{ dropState: [], renameUid: {} },
    },
  })
  if (begun.type === 'already-finished') return begun.summary
  await begun.life.start()
  return begun.life.finished()
}

/** The lines of a table of JSON lines, as texts. */
export function linesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').trimEnd().split('\n'))
}
