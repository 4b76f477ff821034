import type { Doors } from '../base/doors.ts'
import type { RecordedInput, RecordingLimits } from '../operator/source.ts'
import type { RecordedInputs, Subject } from './subject.ts'
import { StreamError } from '../base/errors.ts'
import { jobDefinition } from '../graph/job-definition.ts'
import { withSources } from './job-sources.ts'

export interface WithInputs {
  /** Reads recordings where the job reads from other machines. */
  readonly subject: Subject
  /** What was recorded and what was left out, each a line for people. */
  readonly told: readonly string[]
}

/** Records of a source on other machines that a run is made with: one takes part of a second. */
export const RECORDED_RECORDS_MAX = 5_000

/**
 * The subject with a recording in the place of every source that reads from other machines: the one
 * that is given, or else one that is made now, for which they are read once.
 *
 * Throws as the source does when it cannot be reached, and CHAOS_UNFIT when nothing is there.
 */
export async function withRecordedInputs(
  subject: Subject,
  doors: Doors,
  given: RecordedInputs = {},
  limits: RecordingLimits = { recordsMax: RECORDED_RECORDS_MAX },
): Promise<WithInputs> {
  const inputs = new Map<string, RecordedInput>()
  const told: string[] = []
  let read = 0
  for (const { uid, name, runtime } of jobDefinition(subject.job).build(subject.parameters).nodes) {
    if (runtime.type !== 'source' || runtime.source.remote === undefined) continue
    const { remote } = runtime.source
    const source = uid ?? name
    const data = given[source]
    if (data !== undefined) {
      inputs.set(source, remote.parse(data))
      continue
    }
    const recording = await remote.record(doors, limits)
    inputs.set(source, recording.input)
    told.push(...recording.told.map((line) => `${source}: ${line}`))
    read += recording.records
  }
  if (told.length > 0 && read === 0) throw nothingThere(told)
  if (inputs.size === 0) return { subject, told }
  const recorded = [...inputs].map(([source, input]) => [source, input.toData()] as const)
  const job = withSources(subject.job, (source, name) => {
    const input = inputs.get(name)
    return input === undefined ? source : source.remote!.over(input)
  })
  return { subject: { ...subject, job, recorded: Object.fromEntries(recorded) }, told }
}

function nothingThere(told: readonly string[]): StreamError {
  return new StreamError('CHAOS_UNFIT', `there is nothing to read: ${told.join('; ')}`, {
    hint: "Write some records first. A source that begins at 'latest' finds none: give it another `from` while it is tried.",
  })
}
