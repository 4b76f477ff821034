/** Jobs that break their promise, each by one mistake that a run without faults does not show. */
import {
  defineJob,
  field,
  int32,
  millis,
  struct,
  boundedOutOfOrderness,
  utf8,
  valueState,
} from 'millrace'
import type { Sink, Source } from 'millrace'
import { fileSink, generatorSource } from 'millrace/connectors'
import { sinkDefinition, sinkOf, sourceDefinition, sourceOf } from '../../engine/index.ts'
import type {
  Committer,
  Doors,
  Files,
  Json,
  SinkDefinition,
  SourceReader,
} from '../../engine/index.ts'
import type { Subject } from '../../engine/chaos/subject.ts'
import { event, JITTER_MS, type Event } from '../jobs/events.ts'

const RECORDS = 600
const Ids = struct({ id: int32() })
const Counts = struct({ user: utf8(), events: int32() })
const checkpointing = { everyMs: 20, timeoutMs: 60, tolerableFailures: 1_000 }

interface Ends {
  readonly source?: (source: Source<Event>) => Source<Event>
  readonly sink?: (definition: SinkDefinition) => SinkDefinition
}

/** Numbers from a source through an exchange to a sink, of which an end may be a liar. */
function copy({ source = (made) => made, sink = (made) => made }: Ends): unknown {
  return defineJob('copy', (env) => {
    env.checkpointing(checkpointing)
    const events = generatorSource({ records: RECORDS, perSecond: 3_000, generate: event })
    const files: Sink<{ id: number }> = fileSink({ directory: '/ids', schema: Ids })
    env
      .fromSource('events', source(events))
      .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(millis(JITTER_MS)))
      .rebalance()
      .select({ id: field('id') })
      .sinkTo('ids', sinkOf(sink(sinkDefinition(files))))
  })
}

/** How many events each user had: counted in state, or in a variable that a crash forgets. */
const forgetful = defineJob('forgetful', (env) => {
  env.checkpointing(checkpointing)
  const counts = new Map<string, number>()
  env
    .fromSource('events', generatorSource({ records: RECORDS, perSecond: 3_000, generate: event }))
    .assignTimestampsAndWatermarks('at', boundedOutOfOrderness(millis(JITTER_MS)))
    .keyBy('user')
    .process('count', {
      emits: Counts,
      state: { last: valueState(int32()) },
      onRecord({ user }, { emit, state }) {
        const events = (counts.get(user) ?? 0) + 1
        counts.set(user, events)
        state.last.update(events)
        emit({ user, events })
      },
    })
    .sinkTo('counts', fileSink({ directory: '/counts', schema: Counts }))
})

/** From its so many-th restore on, the source goes on at the wrong record. */
function misplaced(source: Source<Event>, shift: number, restoresMin: number): Source<Event> {
  const definition = sourceDefinition(source)
  return sourceOf({
    ...definition,
    createReader: (context) => {
      const reader = definition.createReader(context)
      let restores = 0
      const lying: SourceReader = {
        addSplits(splits) {
          const inner = splits.map((split) => {
            if (split.position === undefined) return split
            const { made, lives } = split.position as { made: number; lives: number }
            restores = Math.max(restores, lives)
            const position: Json = lives >= restoresMin && made > 1 ? made + shift : made
            return { ...split, position }
          })
          reader.addSplits(inner)
        },
        noMoreSplits: () => {
          reader.noMoreSplits()
        },
        poll: (output) => reader.poll(output),
        snapshot: () =>
          reader.snapshot().map((split) => ({
            ...split,
            position: { made: split.position, lives: restores + 1 },
          })),
        close: () => reader.close(),
      }
      return lying
    },
  })
}

/** A sink whose disk does not do what it says. */
function onDisk(definition: SinkDefinition, lie: (files: Files) => Files): SinkDefinition {
  const lied = <C extends { readonly doors: Doors }>(context: C): C => {
    const doors = { ...context.doors, files: lie(context.doors.files) }
    return Object.assign(Object.create(context) as C, { doors })
  }
  return {
    ...definition,
    createWriter: (context) => definition.createWriter(lied(context)),
    createCommitter: (context) => definition.createCommitter!(lied(context)),
  }
}

const noSyncOfFiles = (files: Files): Files => ({
  ...files,
  open: async (path, mode) => {
    const handle = await files.open(path, mode)
    return {
      write: (bytes, position) => handle.write(bytes, position),
      read: (position, length) => handle.read(position, length),
      size: () => handle.size(),
      close: () => handle.close(),
      sync: () => Promise.resolve(),
    }
  },
})

const noSyncOfFolders = (files: Files): Files => ({
  ...files,
  syncDirectory: () => Promise.resolve(),
})

/** A sink whose committer is another. */
function committing(
  definition: SinkDefinition,
  change: (committer: Committer) => Partial<Committer>,
): SinkDefinition {
  return {
    ...definition,
    createCommitter: (context) => {
      const real = definition.createCommitter!(context)
      const same: Committer = {
        readMarker: () => real.readMarker(),
        commit: (committables, marker) => real.commit(committables, marker),
        sweep: (keep) => real.sweep(keep),
        stagedFiles: (committables) => real.stagedFiles(committables),
        close: () => real.close(),
      }
      return { ...same, ...change(real) }
    },
  }
}

/** What was pending when a life began is taken as published. */
const forgetsPending = (committer: Committer): Partial<Committer> => {
  let hasSwept = false
  return {
    commit: (committables, marker) =>
      committer.commit(hasSwept || committables.length === 0 ? committables : [], marker),
    sweep: (keep) => {
      hasSwept = true
      return committer.sweep(keep)
    },
  }
}

/** A failed commit is taken for one that was done. */
const swallowsErrors = (committer: Committer): Partial<Committer> => ({
  commit: (committables, marker) => committer.commit(committables, marker).catch(() => undefined),
})

export interface PlantedJob {
  readonly what: string
  readonly subject: Subject
  /** The least number of faults that shows it. */
  readonly faults: number
}

const planted = (what: string, job: unknown, faults = 1): PlantedJob => ({
  what,
  subject: { name: what, job, parameters: {} },
  faults,
})

export const plantedJobs: readonly PlantedJob[] = [
  planted('a count in a variable', forgetful),
  planted(
    'a source that skips a record when restored',
    copy({ source: (s) => misplaced(s, 1, 1) }),
  ),
  planted(
    'a source that repeats a record when restored',
    copy({ source: (source) => misplaced(source, -1, 1) }),
  ),
  planted(
    'a source that skips a record when restored a second time',
    copy({ source: (source) => misplaced(source, 1, 2) }),
    2,
  ),
  planted(
    'a sink that makes no file durable',
    copy({ sink: (sink) => onDisk(sink, noSyncOfFiles) }),
  ),
  planted(
    'a sink that makes no name durable',
    copy({ sink: (sink) => onDisk(sink, noSyncOfFolders) }),
  ),
  planted(
    'a sink that forgets what was pending',
    copy({ sink: (sink) => committing(sink, forgetsPending) }),
  ),
  planted(
    'a sink that swallows errors of a commit',
    copy({ sink: (sink) => committing(sink, swallowsErrors) }),
    2,
  ),
]
