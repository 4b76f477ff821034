import type { Doors } from '../base/doors.ts'
import { StreamError } from '../base/errors.ts'
import { errnoOf, readWholeFile } from '../base/files.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { Committer, TargetMarker } from '../operator/sink.ts'
import { bornAfter } from './committables.ts'
import { flagText, newUid, stepOptions, type FitOptions } from './fit-options.ts'
import { formatCheckpointId } from './layout.ts'
import type { CheckpointManifest } from './manifest.ts'
import type { SinkState } from './snapshot.ts'

/** The committing sinks of a job. */
export type CreateCommitter = (uid: string) => Committer

export function committersOf(
  graph: JobGraph,
  job: string,
  doors: Doors,
): ReadonlyMap<string, CreateCommitter> {
  const committers = new Map<string, CreateCommitter>()
  for (const { uid, runtime } of graph.vertices.flatMap(({ chain }) => chain)) {
    if (runtime.type !== 'sink' || runtime.sink.createCommitter === undefined) continue
    const { sink } = runtime
    committers.set(uid!, (name) => sink.createCommitter!({ uid: name, job, doors }))
  }
  return committers
}

/**
 * The checkpoint without the published output of sinks that have changed. A manifest is written
 * before its output is published, so it alone does not tell.
 *
 * K1. A sink that the job still has, at the target it had, is left as it is: it looks itself.
 * K2. Of any other sink the target's marker tells: at the place that the checkpoint names; for a
 *     checkpoint of 0.1, where the present job writes.
 * K3. What is not published, and lies elsewhere than the job looks, is refused: its files would not
 *     be found.
 */
export async function withoutPublished(
  manifest: CheckpointManifest,
  committers: ReadonlyMap<string, CreateCommitter>,
  options: FitOptions,
  doors: Doors,
): Promise<CheckpointManifest> {
  const sinks: SinkState[] = []
  for (const sink of manifest.sinks) {
    const create = committers.get(newUid(options, sink.uid))
    const committer = create?.(sink.uid)
    const isThere = sink.marker === undefined || sink.marker === committer?.markerFile
    const isSame = newUid(options, sink.uid) === sink.uid && create !== undefined && isThere // K1.
    if (isSame || sink.committables.length === 0) {
      sinks.push(sink)
      continue
    }
    const marker =
      sink.marker === undefined
        ? await committer?.readMarker()
        : await readMarkerFile(doors, sink.marker)
    const isOurs = marker?.lineage === manifest.lineage.id
    const pending = isOurs ? bornAfter(sink.committables, marker.checkpointId) : sink.committables
    if (pending.length > 0 && create !== undefined && !isThere) {
      if (!stepOptions(options, sink.uid).isDropped) throw moved(manifest, sink) // K3.
    }
    sinks.push({ ...sink, committables: pending })
  }
  return { ...manifest, sinks }
}

/** Any file that is no marker says nothing. */
async function readMarkerFile(
  { files }: Doors,
  path: string,
): Promise<(Partial<TargetMarker> & { readonly checkpointId: number }) | undefined> {
  try {
    const text = new TextDecoder().decode(await readWholeFile(files, path))
    const marker = JSON.parse(text) as Partial<TargetMarker> | null
    const id = marker?.checkpointId
    return Number.isSafeInteger(id) ? { ...marker, checkpointId: id! } : undefined
  } catch (error) {
    if (error instanceof SyntaxError || errnoOf(error) !== undefined) return undefined
    throw error
  }
}

function moved(manifest: CheckpointManifest, { uid, marker }: SinkState): StreamError {
  const checkpoint = formatCheckpointId(manifest.checkpointId)
  return new StreamError(
    'SINK_MOVED',
    `checkpoint ${checkpoint} holds output of sink "${uid}" that is not published, and the sink writes to another place now; the old one is that of "${marker!}"`,
    {
      hint: `Run the job once with the sink as it was: it publishes that output when it starts. To lose the output knowingly, use ${flagText('--drop-state', uid)}.`,
      place: { operator: uid },
    },
  )
}
