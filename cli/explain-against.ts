import { join } from 'node:path'
import type { RunOptions } from '../engine/job/protocol.ts'
import type { JobPlan } from '../engine/job/job-plan.ts'
import { systemDoors } from '../engine/base/doors.ts'
import { StreamError } from '../engine/base/errors.ts'
import { exists, readWholeFile, systemFiles } from '../engine/base/files.ts'
import { silentLogger } from '../engine/base/logger.ts'
import type { Finding } from '../engine/checkpoint/comparison.ts'
import { compareRestored } from '../engine/checkpoint/fit-restored.ts'
import { listOrNone } from '../engine/checkpoint/folders.ts'
import { jobFacts } from '../engine/checkpoint/job-facts.ts'
import { formatCheckpointId, parseManifestName, workLayout } from '../engine/checkpoint/layout.ts'
import { decodeManifest } from '../engine/checkpoint/manifest-codec.ts'
import type { CheckpointManifest } from '../engine/checkpoint/manifest.ts'
import { readSavepoint } from '../engine/checkpoint/savepoint.ts'
import { committersOf, withoutPublished } from '../engine/checkpoint/sink-targets.ts'
import { findWorkFolder } from './work-folder.ts'

/**
 * `millrace explain --against`: what the job would keep of a checkpoint, and what it would lose. Reads
 * only, also while the job runs. Gives the exit code that the refusal of a run would have.
 */
export async function explainAgainst(
  plan: JobPlan,
  given: string,
  options: RunOptions,
  isJson: boolean,
): Promise<number> {
  const folder = await findWorkFolder(given)
  const manifest = await checkpointIn(folder)
  const findings = await findingsOf(plan, folder, manifest, options)
  const checkpoint = formatCheckpointId(manifest.checkpointId)
  const text = isJson
    ? JSON.stringify({ folder, checkpoint, job: manifest.job, findings })
    : [`checkpoint ${checkpoint} of job "${manifest.job}" in ${folder}`, ...linesOf(findings)].join(
        '\n',
      )
  process.stdout.write(`${text}\n`)
  return findings.some(({ refusal }) => refusal !== undefined) ? 3 : 0
}

/** Of a savepoint its own, of a work folder the latest. */
async function checkpointIn(folder: string): Promise<CheckpointManifest> {
  if (await exists(systemFiles, join(folder, 'manifest.json'))) {
    return readSavepoint(systemFiles, folder)
  }
  const { manifests } = workLayout(folder)
  const names = await listOrNone(systemFiles, manifests)
  const latest = names.filter((name) => parseManifestName(name) !== undefined).at(-1)
  if (latest === undefined) {
    throw new StreamError('CHECKPOINT_NOT_FOUND', `"${folder}" holds no checkpoint`, {
      hint: 'Name a work folder in which a job has completed a checkpoint, or a savepoint.',
    })
  }
  const path = join(manifests, latest)
  return decodeManifest(await readWholeFile(systemFiles, path), path)
}

async function findingsOf(
  plan: JobPlan,
  folder: string,
  manifest: CheckpointManifest,
  options: RunOptions,
): Promise<readonly Finding[]> {
  const doors = systemDoors(silentLogger)
  const compare = async (settled: CheckpointManifest): Promise<readonly Finding[]> => {
    const { comparison } = await compareRestored({
      files: systemFiles,
      layout: workLayout(folder),
      root: folder,
      manifest: settled,
      facts: jobFacts(plan.graph),
      options,
    })
    return comparison.findings
  }
  try {
    const committers = committersOf(plan.graph, plan.job, doors)
    return await compare(await withoutPublished(manifest, committers, options, doors))
  } catch (error) {
    if (!(error instanceof StreamError) || error.code !== 'SINK_MOVED') throw error
    const { code, message, hint = '', place } = error
    const uid = place.operator ?? ''
    const moved: Finding = {
      ...{ uid, part: 'output', verdict: 'refused', note: 'it writes to another place now' },
      refusal: { code, message, hint },
    }
    const sinks = manifest.sinks.filter((sink) => sink.uid !== uid)
    const rest = await compare({ ...manifest, sinks })
    return [...rest.filter((finding) => finding.uid !== uid), moved]
  }
}

function linesOf(findings: readonly Finding[]): readonly string[] {
  const widths = [
    Math.max(...findings.map(({ verdict }) => verdict.length)),
    Math.max(...findings.map(({ uid }) => uid.length)),
  ]
  return findings.flatMap(({ verdict, uid, part, note, refusal }) => {
    const what = [part, note].filter((text) => text !== '').join(': ')
    const line = [verdict.padEnd(widths[0]!), uid.padEnd(widths[1]!), what].join('  ').trimEnd()
    return refusal === undefined ? [line] : [line, `    ${refusal.code}: ${refusal.hint}`]
  })
}
