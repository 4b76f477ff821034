import type {
  KeyedStateBackend,
  MapState,
  StateDescriptor,
  ValueState,
} from '../../engine/state/state.ts'
import type { SchemaData } from '../../engine/stream/schema.ts'

type ValueDescriptor = Extract<StateDescriptor, { type: 'value' }>
type MapDescriptor = Extract<StateDescriptor, { type: 'map' }>

const LATEST_START: ValueDescriptor = {
  type: 'value',
  name: 'latest start',
  value: { kind: 'timestamp' },
}

function latestState(accumulator: SchemaData): ValueDescriptor {
  return { type: 'value', name: 'latest slice', value: accumulator }
}

function earlierState(accumulator: SchemaData): MapDescriptor {
  return { type: 'map', name: 'earlier slices', key: LATEST_START.value, value: accumulator }
}

/** The keyed states of a slice table. */
export function sliceStates(accumulator: SchemaData): readonly StateDescriptor[] {
  return [LATEST_START, latestState(accumulator), earlierState(accumulator)]
}

/**
 * The slices of the current key by their start.
 *
 * L1. The latest slice, to which nearly every record goes, lies in two value states; the earlier
 *     ones in a map, which costs more to look into.
 */
export class SliceTable {
  readonly #latestStart: ValueState<number, number | undefined>
  readonly #latest: ValueState<unknown, unknown>
  readonly #earlier: MapState<number, unknown>

  constructor(backend: KeyedStateBackend, accumulator: SchemaData) {
    this.#latestStart = backend.value(LATEST_START)
    this.#latest = backend.value(latestState(accumulator))
    this.#earlier = backend.map(earlierState(accumulator))
  }

  get(start: number): unknown {
    return this.#latestStart.value() === start ? this.#latest.value() : this.#earlier.get(start)
  }

  put(start: number, accumulator: unknown): void {
    const latestStart = this.#latestStart.value()
    if (latestStart === start) {
      this.#latest.update(accumulator)
    } else if (latestStart !== undefined && latestStart > start) {
      this.#earlier.put(start, accumulator)
    } else {
      if (latestStart !== undefined) this.#earlier.put(latestStart, this.#latest.value())
      this.#latestStart.update(start)
      this.#latest.update(accumulator)
    }
  }

  remove(start: number): void {
    if (this.#latestStart.value() === start) {
      this.#latestStart.clear()
      this.#latest.clear()
    } else {
      this.#earlier.remove(start)
    }
  }
}
