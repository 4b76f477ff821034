import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { ERRORS, type ErrorCode } from '../../engine/base/errors.ts'
import type { Fault } from '../../engine/faults/schedule.ts'
import { ROOT } from '../millrace.ts'
import { test, type Ended, type Project } from './process.ts'

/** Every error code is seen by a user of the command line, or it is said why none can see it. */
interface Turn {
  readonly code: ErrorCode
  /** What follows `millrace`; without it, the job is run. */
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** What is done to the folder before. */
  readonly before?: (project: Project) => void | Promise<void>
  /** The script; without one, that of the turn before. */
  readonly job?: string
  /** Where it is not the code's own. */
  readonly exit?: number
}

const RUN = ['run', 'job.ts', '--work-dir', './work', '--parallelism', '1']
const EXPLAIN = ['explain', 'job.ts']

/** A job of a few records; `out` is its sink. */
function job(steps: string, settings = ''): string {
  return `
import { rmSync, writeFileSync } from 'node:fs'
import * as millrace from 'millrace'
import * as connectors from 'millrace/connectors'
const { count, defineJob, field, hours, int32, max, monotonous, struct, sum, tumbling, utf8 } = millrace
const { collectionSource, fileSink, fileSource, generatorSource, json } = connectors
const rows = (records) => generatorSource({ records, generate: (at) => ({ key: 'k' + (at % 9), at }) })
const Row = struct({ key: utf8(), at: int32() })
const out = () => fileSink({ directory: './out', schema: Row })
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
export default defineJob('tiny', (env) => {
  env.restart({ strategy: 'none' })
  env.checkpointing({ everyMs: 60_000, tolerableFailures: 0 })
  ${settings}
  ${steps}
})
`
}

const typed = (steps: string): string =>
  job(`env.fromSource('in', collectionSource([{ key: 'a', at: 1 }], Row))${steps}`)
const running = (steps: string, settings?: string): string =>
  job(`env.fromSource('in', rows(20))${steps}.sinkTo('out', out())`, settings)

const PLAIN = running('')
const INPUT = job(
  `env.fromSource('in', fileSource({ path: './in/*.jsonl', format: json(Row) })).sinkTo('out', out())`,
)
const writeInput = (project: Project): void => {
  project.write('in/a.jsonl', '{"key":"a","at":1}\n{"key":"b","at":2}\n')
}

/** The run comes to a fault, as in a chaos campaign. */
function broken(code: ErrorCode, point: Fault['point'], action: Fault['action'], nth = 1): Turn {
  return {
    code,
    env: { MILLRACE_CHAOS: './faults.json', MILLRACE_CHAOS_DIR: './journal' },
    before(project) {
      writeInput(project)
      const faults: readonly Fault[] = [{ point, nth, action }]
      project.write('faults.json', JSON.stringify({ seed: 1, parallelism: 1, faults }) + '\n')
      project.write('journal/.keep', '')
    },
  }
}

const EIO = { type: 'errno', errno: 'EIO' } as const

/** Output of a checkpoint that cannot be published: another file has its name. */
async function takeTargetName(project: Project): Promise<void> {
  project.write('job.ts', PLAIN)
  expect(await project.run(RUN)).toMatchObject({ exitCode: 0 })
  const name = readdirSync(project.path('out')).find((file) => file.endsWith('.jsonl'))!
  rmSync(project.path('out'), { recursive: true })
  rmSync(project.path('work'), { recursive: true })
  project.write(`out/${name}`, 'of somebody else\n')
}

const SCENARIOS: Readonly<Record<string, readonly Turn[]>> = {
  'a uid left out': [{ code: 'UID_MISSING', args: EXPLAIN, job: typed(`.sinkTo(out())`) }],
  'a uid of other signs': [
    { code: 'UID_INVALID', args: EXPLAIN, job: typed(`.sinkTo('a/b', out())`) },
  ],
  'a field that is not there': [
    { code: 'FIELD_UNKNOWN', args: EXPLAIN, job: typed(`.keyBy('kay')`) },
  ],
  'a field of another type': [
    {
      code: 'FIELD_TYPE',
      args: EXPLAIN,
      before: writeInput,
      job: INPUT.replace('.sinkTo(', `.keyBy('at').aggregate('n', { n: sum('key') }).sinkTo(`),
    },
  ],
  'two columns of one name': [
    {
      code: 'FIELD_CLASH',
      args: EXPLAIN,
      job: typed(`.keyBy(() => 1).aggregate('n', { key: count() }).sinkTo('out', out())`),
    },
  ],
  'a window without watermarks': [
    {
      code: 'EVENT_TIME_MISSING',
      args: EXPLAIN,
      job: typed(
        `.keyBy('key').window(tumbling(hours(1))).aggregate('n', { n: count() })
         .sinkTo('out', fileSink({ directory: './out', schema: struct({ key: utf8(), n: int32(),
           windowStart: millrace.timestamp(), windowEnd: millrace.timestamp() }) }))`,
      ),
    },
  ],
  'timers without an end': [
    {
      code: 'TIMERS_ENDLESS',
      job: job(`env.fromSource('in', rows(1)).assignTimestampsAndWatermarks('at', monotonous()).keyBy('key').process('p', {
        emits: Row,
        onRecord: (record, { timers }) => timers.registerEventTimeTimer(record.at + 1),
        onTimer: (atMs, { timers }) => timers.registerEventTimeTimer(atMs + 1),
      }).sinkTo('out', out())`),
    },
  ],
  'copies of broadcast state that differ': [
    {
      code: 'BROADCAST_DIVERGED',
      args: ['run', 'job.ts', '--parallelism', '2'],
      job: job(`
        const rules = env.fromSource('rules', rows(3)).broadcast()
        env.fromSource('in', rows(20)).keyBy('key').connect(rules).process('p', {
          emits: Row,
          broadcast: { rules: millrace.mapState(utf8(), millrace.float64()) },
          onRecord: (record, { emit }) => emit(record),
          onBroadcast: (rule, { broadcast }) => broadcast.rules.put(rule.key, Math.random()),
        }).sinkTo('out', out())`),
    },
  ],
  'a step that stands still': [
    {
      code: 'CHECKPOINT_EXPIRED',
      job: running(
        `.map((record) => { wait(100); return record })`,
        `env.checkpointing({ everyMs: 10, timeoutMs: 20 })`,
      ),
    },
  ],
  'a manifest that cannot be written': [
    { ...broken('CHECKPOINT_FAILED', 'disk.manifest.write', EIO), job: PLAIN },
  ],
  'a manifest that may be there': [
    {
      ...broken('CHECKPOINT_IN_DOUBT', 'disk.manifest.link', { ...EIO, done: true }),
      job: PLAIN,
    },
  ],
  'output that the disk does not take': [
    { ...broken('FILE_IO', 'disk.staged.write', EIO), job: PLAIN },
  ],
  'input that the disk does not give': [
    { ...broken('SOURCE_FAILED', 'disk.input.read', EIO, 5), job: INPUT },
  ],
  'a fault on purpose': [
    { ...broken('FAULT_INJECTED', 'sink.write', { type: 'throw' }), job: PLAIN },
  ],
  'a store of state whose folder is gone': [
    {
      code: 'STATE_STORE_FAILED',
      env: { MILLRACE_STATE_CACHE_MB: '1' },
      job: job(`
        let isTaken = false
        env.fromSource('in', rows(60_000)).map(({ at }) => {
          if (!isTaken) {
            isTaken = true
            rmSync('work/scratch', { recursive: true })
            writeFileSync('work/scratch', '')
          }
          return { key: 'x'.repeat(200) + at, at }
        }).keyBy('key').aggregate('n', { at: count() }).sinkTo('out', out())`),
    },
  ],
  'output whose name is taken, then its sink moved, then its file gone': [
    { code: 'SINK_TARGET_CONFLICT', before: takeTargetName, job: PLAIN },
    { code: 'SINK_MOVED', job: PLAIN.replace('./out', './elsewhere') },
    {
      code: 'STAGED_FILE_MISSING',
      job: PLAIN,
      before(project) {
        rmSync(project.path('out.staging/out'), { recursive: true })
      },
    },
  ],
  'input that is rewritten while it is read': [
    {
      code: 'SPLIT_CHANGED',
      before(project) {
        project.write('in/a.jsonl', '{"key":"a","at":1}\n'.repeat(200_000))
      },
      job: INPUT.replace(
        `.sinkTo(`,
        `.map((record) => { if (!globalThis.isDone) {
           globalThis.isDone = true
           writeFileSync('in/a.jsonl', '{"key":"z","at":9}\\n'.repeat(9))
         } return record }).sinkTo(`,
      ),
    },
  ],
  'an answer that depends on arrival': [
    {
      code: 'CHAOS_DEPENDS_ON_ARRIVAL',
      args: ['chaos', 'run', 'job.ts', '--schedules', '1'],
      job: job(`
        env.fromSource('in', rows(60)).union(env.fromSource('more', rows(40))).keyBy('key')
          .process('p', {
            emits: Row,
            state: { before: millrace.valueState(int32(), { default: -1 }) },
            onRecord({ key, at }, { state, emit }) {
              emit({ key, at: state.before.value() })
              state.before.update(at)
            },
          }).sinkTo('out', out())`),
    },
  ],
  'a schedule that is none': [
    {
      code: 'CHAOS_SCHEDULE_INVALID',
      env: { MILLRACE_CHAOS: './faults.json', MILLRACE_CHAOS_DIR: './journal' },
      before: (project) => void project.write('faults.json', '{}'),
      job: PLAIN,
    },
  ],
}

function expectTold({ code, exit }: Turn, ended: Ended): void {
  const { exitCode, stderr } = ended
  const all = `${ended.stdout}\n${stderr}`
  expect({ exitCode, all }).toEqual({
    exitCode: exit ?? ERRORS[code].exit,
    all: expect.stringContaining(`error ${code}: `) as string,
  })
  const told = stderr.slice(stderr.indexOf(`error ${code}: `))
  expect(told).toMatch(/^ {2}hint +\S/m)
  expect(told).toMatch(new RegExp(`^ {2}more .*#${code.toLowerCase()}$`, 'm'))
  expect(all).not.toMatch(/^\s+at .*:\d+:\d+\)?$|\bundefined\b|\[object |\bNaN\b/m)
}

describe.concurrent('a code through the command line', () => {
  for (const [name, turns] of Object.entries(SCENARIOS)) {
    test(`${name}: ${turns.map(({ code }) => code).join(', ')}`, async ({ project }) => {
      for (const turn of turns) {
        await turn.before?.(project)
        if (turn.job !== undefined) project.write('job.ts', turn.job)
        expectTold(turn, await project.run(turn.args ?? RUN, turn.env))
      }
    })
  }
})

const CLI = 'tests/cli'

/** Provoked by the test of its part, which starts the command line. */
const ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  'tests/cli.test.ts': [
    ...['JOB_BUNDLE_FAILED', 'JOB_INVALID', 'JOB_NOT_FOUND', 'JOB_NOT_RUNNING', 'OPTION_INVALID'],
    ...['PARAMETER_UNKNOWN', 'RECORD_POISON', 'WORKER_DIED', 'WORK_DIR_BUSY'],
  ],
  [`${CLI}/settings.test.ts`]: [
    ...['CONFIG_INVALID', 'GRAPH_NO_SINK', 'GRAPH_NO_SOURCE', 'OUTPUT_CLOSED', 'USAGE'],
    ...['PARALLELISM_INVALID', 'PARAMETER_INVALID', 'PARAMETER_MISSING', 'UID_DUPLICATE'],
    ...['PLAN_NOT_DETERMINISTIC', 'SECRET_LITERAL', 'SECRET_UNREADABLE'],
  ],
  [`${CLI}/failures.test.ts`]: ['KEY_INVALID', 'STEP_ASYNC', 'USER_FUNCTION_FAILED', 'VALUE_UNFIT'],
  [`${CLI}/log.test.ts`]: ['RECORD_MALFORMED'],
  [`${CLI}/changed-job.test.ts`]: [
    ...['STATE_KEY_CHANGED', 'STATE_MAX_PARALLELISM', 'STATE_NOT_DECLARED'],
    ...['STATE_SCHEMA_CHANGED', 'STATE_UID_MISSING'],
  ],
  [`${CLI}/damage.test.ts`]: ['CHECKPOINT_DAMAGED', 'SINK_AHEAD', 'SINK_FOREIGN'],
  [`${CLI}/savepoints.test.ts`]: ['CHECKPOINT_NOT_FOUND', 'SAVEPOINT_DRAINED'],
  [`${CLI}/ownership.test.ts`]: ['WORK_DIR_FOREIGN'],
  [`${CLI}/disk.test.ts`]: ['FILE_REFUSED'],
  [`${CLI}/chaos.test.ts`]: ['CHAOS_NOT_DETERMINISTIC', 'CHAOS_UNFIT'],
  'tests/kafka/chaos.kafka.test.ts': ['KAFKA_UNREACHABLE'],
}

/** Not to be had from outside, or not in a test: why, and the test that has it from inside. */
const INSIDE: Readonly<Record<string, { readonly why: string; readonly seen?: string }>> = {
  ASSERTION_FAILED: { why: 'a mistake of ours' },
  BUG: { why: 'a mistake of ours', seen: 'engine/base/errors.test.ts' },
  CANCELED: { why: 'ends what is under way when the job has ended already for another reason' },
  GRAPH_CYCLE: { why: 'a stream is there before what reads it: no script can write a cycle' },
  SINK_COMMIT_FAILED: {
    why: 'tried again for five minutes before it is told as an error',
    seen: 'engine/checkpoint/committer-runner.test.ts',
  },
  KAFKA_FAILED: {
    why: 'needs a broker that refuses',
    seen: 'tests/kafka/security.kafka.test.ts',
  },
  OFFSET_OUT_OF_RANGE: {
    why: 'needs a broker whose log was cut',
    seen: 'tests/kafka/faults.kafka.test.ts',
  },
  TOPIC_MISSING: {
    why: 'needs a broker without the topic',
    seen: 'tests/kafka/faults.kafka.test.ts',
  },
  TOPIC_RECREATED: {
    why: 'needs a broker whose topic was made anew',
    seen: 'tests/kafka/faults.kafka.test.ts',
  },
}

test('every code is provoked here, or by another test of the command line, or it is said why not', () => {
  const here = Object.values(SCENARIOS).flatMap((turns) => turns.map(({ code }) => code))
  const elsewhere = Object.values(ELSEWHERE).flat()
  const held = [...here, ...elsewhere, ...Object.keys(INSIDE)]
  expect(held.toSorted()).toEqual(Object.keys(ERRORS).toSorted())
})

test('the tests that are named have the codes', () => {
  const textOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
  for (const [path, codes] of Object.entries(ELSEWHERE)) {
    const text = textOf(path)
    expect(text, path).toMatch(/project\.(run|start)\(/)
    for (const code of codes) expect(text, path).toMatch(new RegExp(`\\b${code}\\b`))
  }
  for (const [code, { seen }] of Object.entries(INSIDE)) {
    if (seen !== undefined) expect(textOf(seen), seen).toMatch(new RegExp(`\\b${code}\\b`))
  }
})
