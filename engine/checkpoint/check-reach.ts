import { asStreamError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import type { JobGraph } from '../graph/job-graph.ts'

/**
 * Throws, with the step, when a source cannot be read or a sink cannot be written, as far as can be
 * known without writing. Returns what is doubtful but does not keep the job from running.
 */
export async function checkReach({ vertices }: JobGraph, files: Files): Promise<readonly string[]> {
  const doubts: string[] = []
  for (const { uid, name, at, runtime } of vertices.flatMap(({ chain }) => chain)) {
    const step = uid ?? name
    try {
      if (runtime.type === 'source') {
        const doubt = await runtime.source.check?.(files)
        if (doubt !== undefined) doubts.push(`"${step}": ${doubt}`)
      }
      if (runtime.type === 'sink') await runtime.sink.check?.(step, files)
    } catch (thrown) {
      throw asStreamError(thrown, undefined, {
        operator: step,
        ...(at === undefined ? {} : { at }),
      })
    }
  }
  return doubts
}
