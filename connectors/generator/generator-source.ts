import {
  asStreamError,
  BATCH_RECORDS_MAX,
  isAsyncFunction,
  isPromiseLike,
  RecordBatch,
  sourceOf,
  StreamError,
} from '../../engine/index.ts'
import type {
  AssignedSplit,
  Clock,
  Random,
  ReaderContext,
  Source,
  SourceOutput,
  SourceReader,
  SourceSplit,
  SplitEnumerator,
  SplitPosition,
  Timer,
} from '../../engine/index.ts'
import { RecordRandom } from './record-random.ts'

/**
 * Records made by a function of their index.
 *
 * G1. The indices are exactly 0 … records - 1, whatever the parallelism, also after a restart at
 *     another one: the number of splits does not depend on it, and split k of n makes k, k + n, ….
 * G2. A position is the number of records that the split has made.
 */
const SPLITS_MAX = 16
/** A rate is kept over this long: after a stall no more than this much is caught up. */
const BURST_MS = 1_000
/** Between two polls of a limited reader, so that batches do not shrink to single records. */
const PAUSE_MS_MIN = 10

export interface GeneratorOptions<V> {
  /** How many records. Undefined: the source never ends. */
  readonly records?: number
  /** Records a second over all splits together. Undefined: as fast as they are taken. */
  readonly perSecond?: number
  /** Begins the chance that `generate` gets; 0 when left out. */
  readonly seed?: number
  /** Makes record `index`. Takes its chance from `random`, which depends on seed and index only. */
  generate(index: number, random: Random): V
}

type Generate = (index: number, random: Random) => unknown

interface Plan {
  readonly records: number
  readonly perSecond: number | undefined
  readonly seed: number
  readonly generate: Generate
}

export function generatorSource<V>(options: GeneratorOptions<V>): Source<V> {
  const { records, perSecond, seed = 0 } = options
  if (records !== undefined && !(Number.isSafeInteger(records) && records >= 0)) {
    throw invalid('records', records, 'a whole number of records')
  }
  if (perSecond !== undefined && !(Number.isFinite(perSecond) && perSecond > 0)) {
    throw invalid('perSecond', perSecond, 'a number above 0')
  }
  // Bound, because "generate" may be a method; the number of its parameters stays.
  const generate = options.generate.bind(options) as Generate
  if (isAsyncFunction(generate)) throw asyncGenerate('is async')
  const plan: Plan = { records: records ?? Infinity, perSecond, seed, generate }
  return sourceOf<V>({
    kind: 'generator',
    parameters: { records: records ?? null, perSecond: perSecond ?? null, seed },
    bounded: records !== undefined,
    createEnumerator: () => new GeneratorEnumerator(plan.records),
    createReader: (context) => new GeneratorReader(plan, context),
  })
}

function asyncGenerate(found: string): StreamError {
  return new StreamError('STEP_ASYNC', `the "generate" of generatorSource ${found}`, {
    hint: 'Make each record from its index alone. Read what takes time with a source of files or Kafka.',
  })
}

function invalid(option: string, found: unknown, wanted: string): StreamError {
  return new StreamError('OPTION_INVALID', `"${option}" of generatorSource is ${String(found)}`, {
    hint: `Give it ${wanted}, or leave it out.`,
  })
}

interface SplitStart {
  readonly split: number
  readonly splits: number
}

class GeneratorEnumerator implements SplitEnumerator {
  readonly #records: number

  constructor(records: number) {
    this.#records = records
  }

  discover(
    known: readonly SourceSplit[],
  ): Promise<{ splits: readonly SourceSplit[]; complete: boolean }> {
    const before = known[0]?.start as SplitStart | undefined
    const count = before?.splits ?? Math.min(SPLITS_MAX, this.#records)
    const splits: SourceSplit[] = []
    for (let split = 0; split < count; split += 1) {
      const name = String(split).padStart(2, '0')
      splits.push({ id: `generator-${name}`, start: { split, splits: count } })
    }
    return Promise.resolve({ splits, complete: true })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

interface SplitProgress {
  readonly id: string
  readonly index: number
  readonly first: number
  readonly step: number
  /** Records of this split. */
  readonly size: number
  made: number
  finished: boolean
}

class GeneratorReader implements SourceReader {
  readonly #plan: Plan
  readonly #clock: Clock
  readonly #batchRecords: number
  readonly #kick: () => void
  readonly #random: RecordRandom
  readonly #usesRandom: boolean
  readonly #splits: SplitProgress[] = []
  #complete = false
  #rate = Infinity
  /** Since when, and how many records since then: what the rate allows. */
  #sinceMs = 0
  #sinceMade = 0
  #timer: Timer | undefined

  constructor(plan: Plan, context: ReaderContext) {
    this.#plan = plan
    this.#clock = context.doors.clock
    this.#batchRecords = context.batchRecords ?? BATCH_RECORDS_MAX
    this.#kick = () => {
      context.kick()
    }
    this.#random = new RecordRandom(plan.seed)
    this.#usesRandom = plan.generate.length !== 1
  }

  addSplits(splits: readonly AssignedSplit[]): void {
    for (const { id, index, start, position } of splits) {
      const { split, splits: step } = start as unknown as SplitStart
      const size = Math.max(0, Math.ceil((this.#plan.records - split) / step))
      const made = position === undefined ? 0 : (position as number)
      this.#splits.push({ id, index, first: split, step, size, made, finished: false })
    }
    const { perSecond } = this.#plan
    if (perSecond === undefined || this.#splits.length === 0) return
    this.#rate = (perSecond * this.#splits.length) / this.#splits[0]!.step
    this.#restartRate()
  }

  noMoreSplits(): void {
    this.#complete = true
  }

  poll(output: SourceOutput): 'more' | 'waiting' | 'finished' {
    const split = this.#next()
    if (split === undefined) return this.#complete ? 'finished' : 'waiting'
    let count = Math.min(this.#batchRecords, split.size - split.made)
    if (this.#rate !== Infinity && count > 0) {
      count = Math.min(count, this.#allowed())
      if (count === 0) {
        this.#pause()
        return 'waiting'
      }
      this.#sinceMade += count
    }
    if (count > 0) this.#emit(split, count, output)
    if (split.made >= split.size) {
      split.finished = true
      output.finishSplit(split.index)
    }
    return 'more'
  }

  snapshot(): readonly SplitPosition[] {
    return this.#splits.map(({ id, made, finished }) => ({ id, position: made, finished }))
  }

  close(): Promise<void> {
    this.#timer?.cancel()
    return Promise.resolve()
  }

  /** The split that is furthest behind: the indices stay close to their order. */
  #next(): SplitProgress | undefined {
    let behind: SplitProgress | undefined
    for (const split of this.#splits) {
      if (!split.finished && (behind === undefined || split.made < behind.made)) behind = split
    }
    return behind
  }

  #emit(split: SplitProgress, count: number, output: SourceOutput): void {
    const rows = new Array<unknown>(count)
    const offsets = new Float64Array(count)
    const first = split.first + split.made * split.step
    const { generate } = this.#plan
    const random = this.#random
    let index = first
    try {
      if (this.#usesRandom) {
        for (let row = 0; row < count; row += 1, index += split.step) {
          random.begin(index)
          rows[row] = generate(index, random)
          offsets[row] = index
        }
      } else {
        for (let row = 0; row < count; row += 1, index += split.step) {
          rows[row] = generate(index, random)
          offsets[row] = index
        }
      }
      // Of each batch the first is enough: whether it waits does not depend on the record.
      if (isPromiseLike(rows[0])) throw asyncGenerate('returned a promise')
    } catch (thrown) {
      throw asStreamError(thrown, 'USER_FUNCTION_FAILED', { split: split.id, offset: index })
    }
    split.made += count
    output.emit(new RecordBatch(count, rows, undefined, undefined, undefined, split.index, offsets))
  }

  #allowed(): number {
    const elapsedMs = this.#clock.monotonicMs() - this.#sinceMs
    const due = Math.floor((elapsedMs * this.#rate) / 1_000)
    const behind = due - this.#sinceMade
    if ((behind * 1_000) / this.#rate > BURST_MS && behind > 1) this.#restartRate()
    return Math.max(0, behind)
  }

  #restartRate(): void {
    this.#sinceMs = this.#clock.monotonicMs()
    this.#sinceMade = 0
  }

  #pause(): void {
    const dueMs = ((this.#sinceMade + 1) * 1_000) / this.#rate
    const elapsedMs = this.#clock.monotonicMs() - this.#sinceMs
    this.#timer?.cancel()
    this.#timer = this.#clock.timer(Math.max(PAUSE_MS_MIN, dueMs - elapsedMs), this.#kick)
  }
}
