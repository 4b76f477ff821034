import type { Files } from '../base/files.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { OwnFolder } from '../operator/source.ts'
import { StreamError } from '../base/errors.ts'
import { realPlace } from '../base/files.ts'

/** Where a job writes: the folders of its sinks, and its work folder. */
export async function jobFolders(
  files: Files,
  graph: JobGraph,
  workDir: string,
): Promise<readonly OwnFolder[]> {
  const folders: OwnFolder[] = []
  for (const { uid, name, runtime } of graph.vertices.flatMap(({ chain }) => chain)) {
    if (runtime.type !== 'sink' || runtime.sink.publishes === undefined) continue
    const { folder, ending } = runtime.sink.publishes
    const path = await realPlace(files, folder)
    folders.push({ path, ending, what: `the output of "${uid ?? name}"` })
  }
  const path = await realPlace(files, workDir)
  // Manifests are JSON; the names of other files have no ending.
  return [
    ...folders,
    ...['.json', ''].map((ending) => ({ path, ending, what: 'the work folder of the job' })),
  ]
}

/** Throws OPTION_INVALID for a source that would read what the job itself writes, without an end. */
export async function refuseOwnInput(
  files: Files,
  graph: JobGraph,
  own: readonly OwnFolder[],
): Promise<void> {
  for (const { uid, name, runtime } of graph.vertices.flatMap(({ chain }) => chain)) {
    if (runtime.type !== 'source') continue
    for (const folder of own) {
      if ((await runtime.source.wouldRead?.(folder, files)) !== true) continue
      throw ownInput(uid ?? name, folder)
    }
  }
}

/** The error of a source that reads what its own job has written. */
export function ownInput(source: string, { path, what }: OwnFolder): StreamError {
  const message = `the source "${source}" would read ${what}, "${path}"`
  return new StreamError('OPTION_INVALID', message, {
    hint: 'Give input, output and the work folder a folder each, none of them in another.',
    place: { operator: source },
  })
}
