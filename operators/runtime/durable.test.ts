// Operators on the keyed state of production, with a cache that holds next to nothing, snapshots
// that are written while records go on, and restores: they must give what they give on the simplest
// state in memory.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FileReference } from '../../engine/checkpoint/snapshot.ts'
import type { KeySelector } from '../../engine/stream/keys.ts'
import type { OperatorFactory } from './options.ts'
import type { OperatorResult } from '../../engine/testing/operator-host.ts'
import type { PendingSnapshot } from '../../engine/state/keyed-state-store.ts'
import type { Order } from '../process.ts'
import type { ProcessScope } from './process-context.ts'
import type { ValueState } from '../../engine/state/state.ts'
import type { WindowData } from '../windows.ts'
import { aggregateData, average, count, countDistinct, max, sum } from '../aggregates.ts'
import {
  createAggregate,
  createKeyedProcess,
  createReduce,
  createWindowAggregate,
} from './factories.ts'
import { KeyedStateStore } from '../../engine/state/keyed-state-store.ts'
import { makeDirectories } from '../../engine/base/files.ts'
import { MemoryDisk } from '../../engine/simulation/memory-files.ts'
import { MemoryStore } from '../../engine/state/key-value-store.ts'
import { MIN_WATERMARK } from '../../engine/stream/elements.ts'
import { OperatorHost } from '../../engine/testing/operator-host.ts'
import { RecordBatch } from '../../engine/stream/record-batch.ts'
import { seededRandom } from '../../engine/base/random.ts'
import { silentLogger } from '../../engine/base/logger.ts'
import { VirtualClock } from '../../engine/simulation/virtual-clock.ts'

const RUNS = Number(process.env['MILLRACE_TEST_RUNS'] ?? 6)
const key: KeySelector = { type: 'field', field: 'k' }

const aggregates = Object.entries({
  n: count(),
  total: sum('v'),
  top: max('v'),
  mean: average('v'),
  kinds: countDistinct('v'),
}).map(([name, given]) => ({ name, aggregate: aggregateData(given) }))
const common = { key, keyColumns: ['k'], schema: undefined, result: undefined }
const windowed = (windows: WindowData, allowedLatenessMs: number): OperatorFactory =>
  createWindowAggregate({ ...common, aggregates, windows, allowedLatenessMs })

type Scope = ProcessScope & { readonly state: { readonly last: ValueState<unknown, unknown> } }
const last = { type: 'value', name: 'last', value: { kind: 'packed' } } as const
const timersIn = (order: Order): OperatorFactory =>
  createKeyedProcess({
    key,
    order,
    schema: undefined,
    form: {
      type: 'object',
      sides: [],
      states: { last },
      definition: {
        onRecord({ v }: { v: number }, { state, timers: service, timestampMs }: Scope) {
          state.last.update({ v, seen: [timestampMs] })
          if (v % 3 === 0) service!.deleteEventTimeTimer(timestampMs + 7)
          else service!.registerEventTimeTimer(timestampMs + 7)
        },
        onTimer(atMs: number, { key: own, state, emit }: Scope) {
          emit({ own, atMs, last: state.last.value() })
          if (atMs % 2 === 0) state.last.clear()
        },
      },
    },
  })

const SUBJECTS: Readonly<Record<string, OperatorFactory>> = {
  aggregate: createAggregate({ ...common, aggregates }),
  reduce: createReduce({
    key,
    schema: undefined,
    step: (left: { v: number }, right: { v: number }) => ({
      ...right,
      v: left.v + right.v,
    }),
  }),
  process: timersIn('arrival'),
  'ordered process': timersIn('event-time'),
  tumbling: windowed({ kind: 'windows', type: 'tumbling', sizeMs: 10, offsetMs: 3 }, 6),
  sliding: windowed({ kind: 'windows', type: 'sliding', sizeMs: 12, everyMs: 5 }, 4),
  session: windowed({ kind: 'windows', type: 'session', gapMs: 6 }, 9),
}

type Step =
  | { readonly type: 'records'; readonly rows: readonly { k: unknown; v: number; ms: number }[] }
  | { readonly type: 'watermark'; readonly byMs: number }
  | { readonly type: 'snapshot' }
  | { readonly type: 'written' }
  | { readonly type: 'restore' }

const row = fc.record({
  k: fc.oneof(fc.nat(5), fc.constantFrom('a', null, [1, 'b'], 'x'.repeat(300))),
  v: fc.nat(9),
  ms: fc.nat(60),
})
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('records' as const),
      rows: fc.array(row, { minLength: 1, maxLength: 6 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('watermark' as const), byMs: fc.nat(15) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constantFrom('snapshot' as const, 'written' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('restore' as const) }) },
)

/** One subtask on durable state, over several lives. */
class Durable {
  readonly results: OperatorResult[] = []
  readonly #factory: OperatorFactory
  readonly #disk = new MemoryDisk()
  readonly #cacheBytes: number
  #store!: KeyedStateStore
  #host!: OperatorHost
  #writing: Promise<void>[] = []
  #pending: PendingSnapshot[] = []
  #watermarkMs = MIN_WATERMARK
  #files = 0
  #checkpoints = 0

  constructor(factory: OperatorFactory, cacheBytes: number) {
    this.#factory = factory
    this.#cacheBytes = cacheBytes
  }

  async start(chain: readonly FileReference[] | undefined, watermarkMs: number): Promise<void> {
    const files = this.#disk.files()
    await makeDirectories(files, '/w/state')
    this.#store = new KeyedStateStore({
      uid: 'subject',
      subtask: 0,
      range: { first: 0, last: 127 },
      maxParallelism: 128,
      descriptors: this.#factory.states,
      cacheBytes: this.#cacheBytes,
      doors: {
        clock: new VirtualClock(0),
        files,
        random: seededRandom(1),
        logger: silentLogger,
      },
      workDir: '/w',
      name: () => `f${(this.#files += 1)}`,
      openStore: () => new MemoryStore(),
    })
    await this.#store.open()
    const descriptors = this.#factory.states
    if (chain !== undefined) await this.#store.restore([chain], { descriptors, watermarkMs })
    const backend = { keyed: this.#store, timers: this.#store.timers }
    const subject = { create: () => this.#factory.create() }
    this.#host = new OperatorHost(subject, {
      subtask: 0,
      parallelism: 1,
      creditBatches: 1,
      restored: [],
      backend,
    })
  }

  async run(element: Step, nowMs: number): Promise<void> {
    if (element.type === 'watermark') {
      this.#host.advanceWatermark(nowMs)
      this.#watermarkMs = nowMs
    } else if (element.type === 'records')
      this.#host.processBatch(batchOf(element.rows, this.#watermarkMs), 0)
    else if (element.type === 'snapshot') this.#snapshot()
    else if (element.type === 'written') await this.#written()
    else await this.#restore()
    this.results.push(...this.#host.results.splice(0))
    // Evictions and writes go on between two elements, as between two slices of a task.
    if (!this.#store.isReady) await this.#store.whenReady()
    for (let turn = 0; turn < 3; turn += 1) await Promise.resolve()
  }

  async close(): Promise<void> {
    await this.#written()
    await this.#store.close()
  }

  #snapshot(): PendingSnapshot {
    this.#checkpoints += 1
    const pending = this.#store.snapshot(this.#checkpoints)
    this.#pending.push(pending)
    return pending
  }

  /** Writes the latest snapshot; the earlier ones, never written, are in it. */
  async #written(): Promise<void> {
    const pending = this.#pending.pop()
    this.#pending = []
    if (pending !== undefined) this.#writing.push(pending.write().then(() => undefined))
    await Promise.all(this.#writing)
    this.#writing = []
  }

  async #restore(): Promise<void> {
    const pending = this.#snapshot()
    this.#pending = []
    const { chain } = await pending.write()
    await this.#store.close()
    await this.start(chain, this.#watermarkMs)
  }
}

/**
 * With the watermark before each record, as every batch has that comes to a step with timers. So a
 * timer that is overdue when it is set fires before the next record, after a restore or not.
 */
function batchOf(
  rows: readonly { k: unknown; v: number; ms: number }[],
  watermarkMs: number,
): RecordBatch {
  const times = Float64Array.from(rows, ({ ms }) => ms)
  const batch = RecordBatch.ofRows(
    rows.map(({ k, v }) => ({ k, v })),
    times,
  )
  return batch.withWatermarks(new Float64Array(rows.length).fill(watermarkMs))
}

for (const [name, factory] of Object.entries(SUBJECTS)) {
  test(`${name} gives the same on durable state as in memory`, async () => {
    const steps = fc.array(step, { minLength: 1, maxLength: 25 })
    await fc.assert(
      fc.asyncProperty(steps, fc.constantFrom(1, 4_000, 1e9), async (elements, cacheBytes) => {
        const options = { subtask: 0, parallelism: 1, creditBatches: 1, restored: [] }
        const model = new OperatorHost({ create: () => factory.create() }, options)
        const durable = new Durable(factory, cacheBytes)
        await durable.start(undefined, MIN_WATERMARK)
        let nowMs = 0
        let watermarkMs = MIN_WATERMARK
        for (const element of elements) {
          if (element.type === 'watermark') {
            nowMs += element.byMs
            watermarkMs = nowMs
            model.advanceWatermark(nowMs)
          }
          if (element.type === 'records') model.processBatch(batchOf(element.rows, watermarkMs), 0)
          await durable.run(element, nowMs)
        }
        model.advanceWatermark(1_000)
        await durable.run({ type: 'watermark', byMs: 0 }, 1_000)
        await durable.close()
        expect(durable.results).toEqual(model.results)
      }),
      { numRuns: RUNS },
    )
  })
}
