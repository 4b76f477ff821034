import type { Timer } from '../base/clock.ts'
import type {
  AssignedSplit,
  ReaderContext,
  Source,
  SourceDefinition,
  SourceOutput,
  SourceReader,
  SplitPosition,
} from '../operator/source.ts'
import { BATCH_RECORDS_MAX } from '../base/limits.ts'
import { withSources } from '../chaos/job-sources.ts'
import { sourceOf } from '../operator/source.ts'
import { RecordBatch } from '../stream/record-batch.ts'
import { isSentinel, type Sentinel } from './fault-actions.ts'

/**
 * Records with faults in between: `testSource([a, b, crash(), c])` reads `a` and `b`, dies, and is
 * read again from the last checkpoint on. Each fault strikes once in a run of `runChaos`; without
 * one, in `runJob` or `millrace run`, faults pass and only `pause()` and `endOfInput()` count.
 *
 * One split, read by one subtask; its position is an index of the array.
 */
export function testSource<E>(elements: readonly E[]): Source<Exclude<E, Sentinel>> {
  const end = elements.findIndex((element) => isSentinel(element) && element.type === 'end')
  const read = end < 0 ? elements : elements.slice(0, end)
  const definition = definitionOf(read, true)
  faultless.set(definition, definitionOf(read, false))
  return sourceOf<Exclude<E, Sentinel>>(definition)
}

/** Of each test source, the same without its faults. */
const faultless = new WeakMap<SourceDefinition, SourceDefinition>()

/** The job as it runs when no fault of its inputs strikes. */
export function withoutSentinels(job: unknown): object {
  return withSources(job, (source) => faultless.get(source) ?? source)
}

const SPLIT = 'test'

function definitionOf(elements: readonly unknown[], strikes: boolean): SourceDefinition {
  return {
    kind: 'test',
    parameters: { elements: elements.length },
    bounded: true,
    createEnumerator: () => ({
      discover: () => Promise.resolve({ splits: [{ id: SPLIT, start: 0 }], complete: true }),
      close: () => Promise.resolve(),
    }),
    createReader: (context) => new TestReader(elements, strikes, context),
  }
}

class TestReader implements SourceReader {
  readonly #elements: readonly unknown[]
  readonly #strikes: boolean
  readonly #context: ReaderContext
  /** Number of the split in the job once it is assigned to this subtask. */
  #split: number | undefined
  #at = 0
  #isFinished = false
  #isComplete = false
  #pause: Timer | undefined

  constructor(elements: readonly unknown[], strikes: boolean, context: ReaderContext) {
    this.#elements = elements
    this.#strikes = strikes
    this.#context = context
  }

  addSplits(splits: readonly AssignedSplit[]): void {
    for (const { index, start, position } of splits) {
      this.#split = index
      this.#at = (position ?? start) as number
    }
  }

  noMoreSplits(): void {
    this.#isComplete = true
  }

  poll(output: SourceOutput): 'more' | 'waiting' | 'finished' {
    const split = this.#split
    if (split === undefined || this.#isFinished) return this.#isComplete ? 'finished' : 'waiting'
    if (this.#pause !== undefined) return 'waiting'
    const next = this.#elements[this.#at]
    if (this.#at >= this.#elements.length) {
      this.#isFinished = true
      output.finishSplit(split)
    } else if (isSentinel(next)) {
      this.#at += 1
      this.#obey(next)
    } else {
      this.#emit(split, output)
    }
    return 'more'
  }

  snapshot(): readonly SplitPosition[] {
    if (this.#split === undefined) return []
    return [{ id: SPLIT, position: this.#at, finished: this.#isFinished }]
  }

  close(): Promise<void> {
    this.#pause?.cancel()
    return Promise.resolve()
  }

  /** The records up to the next sentinel. */
  #emit(split: number, output: SourceOutput): void {
    const first = this.#at
    const rows: unknown[] = []
    while (this.#at < this.#elements.length && rows.length < BATCH_RECORDS_MAX) {
      const row = this.#elements[this.#at]
      if (isSentinel(row)) break
      rows.push(row)
      this.#at += 1
    }
    const offsets = Float64Array.from(rows, (_, row) => first + row)
    output.emit(new RecordBatch(rows.length, rows, undefined, undefined, undefined, split, offsets))
  }

  #obey(sentinel: Sentinel): void {
    const { uid, subtask, doors } = this.#context
    if (sentinel.type === 'pause') {
      this.#pause = doors.clock.timer(sentinel.ms, () => {
        this.#pause = undefined
        this.#context.kick()
      })
    } else if (this.#strikes && sentinel.type !== 'end') {
      const place = { uid, subtask, what: `element ${this.#at - 1}` }
      doors.faults?.demand?.('source.poll', place, sentinel)
    }
  }
}
