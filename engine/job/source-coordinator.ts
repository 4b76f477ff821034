import type { ErrorPlace } from '../base/errors.ts'
import type { Timer } from '../base/clock.ts'
import type { Doors } from '../base/doors.ts'
import type { EnumeratorSplit, SourceState, SplitState } from '../checkpoint/snapshot.ts'
import type { JobVertex } from '../graph/job-graph.ts'
import type {
  OwnFolder,
  SequencePlaces,
  SourceDefinition,
  SourceSplit,
  SplitEnumerator,
} from '../operator/source.ts'
import type { SplitDeal } from '../task/source-driver.ts'
import type { RestoredSplit } from '../worker/protocol.ts'
import { assert } from '../base/assert.ts'
import { asStreamError, messageOf } from '../base/errors.ts'

/** Splits for one subtask of the source. */
export interface SplitAssignment extends SplitDeal {
  readonly subtask: number
}

type KnownSplit = EnumeratorSplit & Pick<SourceSplit, 'sequence'>

/**
 * Knows every split of one source and who reads it (architecture A13).
 *
 * E1. A split has one index, among all sources, for one life of the engine; it is stored before it
 *     is assigned.
 * E2. What a restore deals out is the union of what was enumerated and what readers had, sorted by
 *     id; the reader's position wins.
 * E3. Splits of a sequence are dealt in its order, so that each subtask reads its share in order.
 */
export class SourceCoordinator {
  readonly uid: string
  readonly #vertex: JobVertex
  readonly #definition: SourceDefinition
  readonly #doors: Doors
  readonly #enumerator: SplitEnumerator
  readonly #nextIndex: () => number
  readonly #known = new Map<string, KnownSplit>()
  #places: SequencePlaces = {}
  #complete = false
  #timer: Timer | undefined
  #closed = false

  /** `nextIndex` gives a number that no split of any source of this life has. */
  constructor(
    vertex: JobVertex,
    doors: Doors,
    nextIndex: () => number,
    own: readonly OwnFolder[] = [],
  ) {
    this.#nextIndex = nextIndex
    const node = vertex.chain[0]!
    assert(node.runtime.type === 'source')
    this.uid = node.uid!
    this.#vertex = vertex
    this.#definition = node.runtime.source
    this.#doors = doors
    this.#enumerator = this.#definition.createEnumerator({
      uid: this.uid,
      doors,
      parallelism: vertex.parallelism,
      own,
    })
  }

  get vertex(): number {
    return this.#vertex.id
  }

  /** Name of a split and what its offsets count, for messages. */
  placeOf(index: number): Pick<ErrorPlace, 'split' | 'unit'> | undefined {
    for (const { id: split, index: own, start } of this.#known.values()) {
      if (own !== index) continue
      const unit = this.#definition.offsetUnit?.(start)
      return unit === undefined ? { split } : { split, unit }
    }
    return undefined
  }

  /** Finds all splits and deals them out. Throws StreamError when a known one has changed. */
  async start(restored: SourceState | undefined): Promise<readonly SplitAssignment[]> {
    for (const split of restored?.enumerated ?? []) {
      this.#known.set(split.id, { ...split, index: this.#nextIndex() })
    }
    await this.#discover()
    const splits = splitsToRead([...this.#known.values()], restored?.splits ?? [])
    return this.#deal(splits, (_, order) => order % this.#vertex.parallelism, true)
  }

  /** Looks for new splits from time to time, and hands them to `assign`. */
  watch(
    assign: (assignments: readonly SplitAssignment[]) => Promise<void>,
    fail: (error: unknown) => void,
  ): void {
    const intervalMs = this.#enumerator.discoveryIntervalMs
    if (this.#complete || this.#closed || intervalMs === undefined) return
    this.#timer = this.#doors.clock.timer(intervalMs, () => {
      const dealt = this.#discover().then(async (found) => {
        if (this.#closed) return
        const splits = found.map((split): RestoredSplit => ({
          ...split,
          position: undefined,
          watermarkMs: undefined,
          finished: false,
        }))
        const isNews = this.#complete || found.some(({ sequence }) => sequence !== undefined)
        const assignments = this.#deal(
          splits,
          (split) => split.index % this.#vertex.parallelism,
          isNews,
        )
        if (assignments.length > 0) await assign(assignments)
        this.watch(assign, fail)
      })
      dealt.catch(fail)
    })
  }

  /** Everything enumerated so far; the readers' positions are added by the acknowledgements. */
  snapshot(): SourceState {
    return {
      uid: this.uid,
      kind: this.#definition.kind,
      complete: this.#complete,
      enumerated: [...this.#known.values()].map(({ id, start, index }) => ({ id, start, index })),
      splits: [],
    }
  }

  /** Never rejects: a life that ends goes on to end. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    try {
      await this.#enumerator.close()
    } catch (error) {
      const fields = { uid: this.uid, error: messageOf(error) }
      this.#doors.logger.warn(fields, 'a source did not close cleanly')
    }
  }

  async #discover(): Promise<readonly KnownSplit[]> {
    const { splits, complete } = await this.#enumerator
      .discover([...this.#known.values()])
      .catch((thrown: unknown) => {
        throw asStreamError(thrown, undefined, { operator: this.uid })
      })
    const found: KnownSplit[] = []
    for (const { id, start, sequence } of [...splits].sort(byPlace)) {
      const known = this.#known.get(id)
      const split = { id, start, sequence, index: known?.index ?? this.#nextIndex() }
      this.#known.set(id, split)
      if (known === undefined) found.push(split)
    }
    this.#complete = complete
    this.#places = placesOf(this.#known.values())
    return found
  }

  /** One assignment for each subtask that gets something, or for all when told to tell all. */
  #deal(
    splits: readonly RestoredSplit[],
    subtaskOf: (split: RestoredSplit, order: number) => number,
    tellAll: boolean,
  ): readonly SplitAssignment[] {
    const dealt: RestoredSplit[][] = Array.from({ length: this.#vertex.parallelism }, () => [])
    for (const [order, split] of splits.entries()) dealt[subtaskOf(split, order)]!.push(split)
    return dealt
      .map((mine, subtask) => ({
        subtask,
        splits: mine,
        complete: this.#complete,
        places: this.#places,
      }))
      .filter((assignment) => tellAll || this.#complete || assignment.splits.length > 0)
  }
}

/**
 * E2. Pure: every split that is known, where its reader had got to. Those with something left to
 * read come first, so that each subtask gets its share of them when they are dealt out in turn.
 */
export function splitsToRead(
  known: readonly KnownSplit[],
  states: readonly SplitState[],
): readonly RestoredSplit[] {
  const positions = new Map(states.map((state) => [state.id, state]))
  const all = [...known].sort(byPlace).map((split): RestoredSplit => {
    const state = positions.get(split.id)
    return {
      ...split,
      position: state?.position,
      watermarkMs: state?.watermarkMs,
      generator: state?.generator,
      finished: state?.finished ?? false,
    }
  })
  return [...all.filter((split) => !split.finished), ...all.filter((split) => split.finished)]
}

/** E2, E3. */
function byPlace(left: SourceSplit, right: SourceSplit): number {
  const [a, b] = [left.sequence?.place ?? left.id, right.sequence?.place ?? right.id]
  return a < b ? -1 : a > b ? 1 : 0
}

function placesOf(splits: Iterable<KnownSplit>): SequencePlaces {
  const places: Record<string, string> = {}
  for (const { sequence } of splits) {
    if (sequence === undefined) continue
    const { name, place } = sequence
    if (place > (places[name] ?? '')) places[name] = place
  }
  return places
}
