import { expect, test } from 'vitest'
import type { StateDescriptor } from '../state/state.ts'
import { BROADCAST_WAITING_STATE, WAITING_STATES } from '../state/waiting-states.ts'
import { fitToJob, type FitOptions, type HeldStates } from './fits-job.ts'
import type { JobFacts, OperatorFacts } from './job-facts.ts'
import { sampleManifest } from './testing/manifests.ts'

const manifest = sampleManifest()
const states = manifest.operators[0]!.descriptors
const same = { dropState: [], renameUid: {} }

function facts(changes: Partial<OperatorFacts> = {}): OperatorFacts {
  const declared = { keys: [], broadcast: [], settings: {} }
  return { kind: 'process', maxParallelism: 128, states, declared, ...changes }
}

function job(changes: Partial<JobFacts> = {}): JobFacts {
  return {
    operators: new Map([['count', facts()]]),
    sources: new Map([['clicks', 'generator']]),
    sinks: new Map([['lake', 'parquet']]),
    ...changes,
  }
}

function refusal(of: JobFacts, options: FitOptions = same, checkpoint = manifest): unknown {
  try {
    return fitToJob(checkpoint, of, options)
  } catch (error) {
    return error
  }
}

test('a checkpoint fits the job that took it', () => {
  expect(fitToJob(manifest, job(), same)).toEqual(manifest)
})

test('what a checkpoint holds and the job has no place for is refused, by name', () => {
  const none = new Map<string, never>()
  expect(refusal(job({ operators: none }))).toMatchObject({
    code: 'STATE_UID_MISSING',
    message: 'checkpoint 1.2 has state for operator "count", which is not in the job',
    place: { operator: 'count' },
  })
  expect(refusal(job({ sources: none }))).toMatchObject({
    code: 'STATE_UID_MISSING',
    message: 'checkpoint 1.2 has unread input of source "clicks", which is not in the job',
  })
  expect(refusal(job({ sinks: none }))).toMatchObject({
    code: 'STATE_UID_MISSING',
    message:
      'checkpoint 1.2 has output of sink "lake" that is not published, which is not in the job',
  })
})

test('a source read to its end and a sink with nothing pending may go', () => {
  const [source] = manifest.sources
  const splits = ['a', 'b'].map((id) => ({ id, position: 1, finished: true, watermarkMs: 0 }))
  const quiet = sampleManifest({
    sources: [{ ...source!, splits }],
    sinks: [{ uid: 'lake', kind: 'parquet', committables: [] }],
  })
  const none = new Map<string, never>()
  const fitted = fitToJob(quiet, job({ sources: none, sinks: none }), same)
  expect([fitted.sources, fitted.sinks]).toEqual([[], []])
  expect(
    refusal(job({ sources: none }), same, { ...quiet, sources: [{ ...source!, complete: false }] }),
  ).toMatchObject({ code: 'STATE_UID_MISSING' })
})

test('an operator without state may come and go', () => {
  const [operator] = manifest.operators
  const subtasks = operator!.subtasks.map((subtask) => ({ ...subtask, chain: [] }))
  const empty = sampleManifest({ operators: [{ ...operator!, subtasks }] })
  expect(fitToJob(empty, job({ operators: new Map() }), same).operators).toEqual([])
  expect(
    fitToJob(
      manifest,
      job({ operators: new Map([...job().operators, ['more', job().operators.get('count')!]]) }),
      same,
    ),
  ).toEqual(manifest)
})

test('another maxParallelism, state type or kind is refused', () => {
  const of = (given: { maxParallelism?: number; kind?: 'utf8' }): JobFacts =>
    job({
      operators: new Map([
        [
          'count',
          facts({
            maxParallelism: given.maxParallelism ?? 128,
            states: [{ type: 'value', name: 'clicks', value: { kind: given.kind ?? 'int32' } }],
          }),
        ],
      ]),
    })
  expect(refusal(of({ maxParallelism: 64 }))).toMatchObject({
    code: 'STATE_MAX_PARALLELISM',
    message: '"count" had maxParallelism 128 in checkpoint 1.2, now 64',
  })
  expect(refusal(of({ kind: 'utf8' }))).toMatchObject({ code: 'STATE_SCHEMA_CHANGED' })
  expect(refusal(job({ sinks: new Map([['lake', 'file']]) }))).toMatchObject({
    code: 'STATE_SCHEMA_CHANGED',
    message: '"lake" was of kind parquet in the checkpoint, now file',
  })
  expect(refusal(job({ sources: new Map([['clicks', 'file']]) }))).toMatchObject({
    code: 'STATE_SCHEMA_CHANGED',
  })
})

test('state is dropped only where it is said', () => {
  const none = new Map<string, never>()
  const dropState = ['count', 'lake', 'clicks']
  const gone = fitToJob(manifest, job({ operators: none, sinks: none, sources: none }), {
    ...same,
    dropState,
  })
  expect([gone.operators, gone.sources, gone.sinks]).toEqual([[], [], []])
  expect(refusal(job({ operators: none }), { ...same, dropState: ['other'] })).toMatchObject({
    code: 'STATE_UID_MISSING',
  })
})

test('a renamed uid finds its state, output and positions again', () => {
  const renameUid = { count: 'clicks-per-user', lake: 'sea', clicks: 'events' }
  const renamed = job({
    operators: new Map([['clicks-per-user', facts()]]),
    sources: new Map([['events', 'generator']]),
    sinks: new Map([['sea', 'parquet']]),
  })
  const fitted = fitToJob(manifest, renamed, { ...same, renameUid })
  expect(fitted.operators[0]).toEqual({ ...manifest.operators[0], uid: 'clicks-per-user' })
  expect(fitted.sources[0]!.uid).toBe('events')
  expect(fitted.sinks[0]!.committables[0]!.uid).toBe('sea')
  // The same command again, when the next checkpoint has the new name already.
  expect(fitToJob(fitted, renamed, { ...same, renameUid })).toEqual(fitted)
})

test('a uid is not renamed to one that the checkpoint has', () => {
  const [operator] = manifest.operators
  const two = sampleManifest({ operators: [operator!, { ...operator!, uid: 'sum' }] })
  expect(refusal(job(), { ...same, renameUid: { sum: 'count' } }, two)).toMatchObject({
    code: 'UID_DUPLICATE',
  })
})

test('a step may leave event-time order when nothing waits, and not while records do', () => {
  const item = { kind: 'packed' } as const
  const ordered: readonly StateDescriptor[] = [
    {
      type: 'map',
      name: WAITING_STATES[0],
      key: { kind: 'float64' },
      value: { kind: 'list', item },
    },
  ]
  const [operator] = manifest.operators
  const before = sampleManifest({
    operators: [{ ...operator!, descriptors: [...states, ...ordered] }],
  })
  const held = (waiting: number): HeldStates =>
    new Map([
      [
        'count',
        {
          states: new Map([
            ['clicks', 3],
            [ordered[0]!.name, waiting],
          ]),
          timers: 0,
        },
      ],
    ])
  expect(fitToJob(before, job(), same, held(0)).operators[0]).toMatchObject({
    descriptors: states,
    changes: [{ path: 'waiting records', to: undefined }],
  })
  expect(() => fitToJob(before, job(), same, held(2))).toThrow(
    expect.objectContaining({
      code: 'STATE_NOT_DECLARED',
      message:
        'records of "count" wait for their event time in checkpoint 1.2, and the step is in order of arrival now',
      hint: "Give the step order: 'event-time' again, and change it when nothing waits. To lose the records knowingly, use --drop-state count:order.",
    }) as Error,
  )
  const more = job({ operators: new Map([['count', facts({ states: [...states, ...ordered] })]]) })
  expect(fitToJob(manifest, more, same).operators).toHaveLength(1)
})

test('the step that sorts a broadcast stream goes when nothing waits in it, and not before', () => {
  const [operator] = manifest.operators
  const uid = 'check.broadcast'
  const sorter = { ...operator!, uid, kind: 'broadcast-order' }
  const before = sampleManifest({ operators: [operator!, sorter] })
  const held = (waiting: number): HeldStates =>
    new Map([[uid, { states: new Map([[BROADCAST_WAITING_STATE, waiting]]), timers: 0 }]])
  expect(fitToJob(before, job(), same, held(0)).operators.map(({ uid }) => uid)).toEqual(['count'])
  expect(() => fitToJob(before, job(), same, held(2))).toThrow(
    expect.objectContaining({
      code: 'STATE_NOT_DECLARED',
      message:
        'broadcast records wait in "check.broadcast" for their event time in checkpoint 1.2, and no step of the job takes them in that order',
      hint: "Give the step its uid and order: 'event-time' again, and change it when nothing waits. If the step has a new uid, say so with --rename-uid check.broadcast=NEW.broadcast. To lose the records knowingly, use --drop-state check.broadcast.",
    }) as Error,
  )
})
