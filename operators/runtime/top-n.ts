import type { OperatorFactory } from './options.ts'
import type { ProcessLogic } from './process.ts'
import type { ProcessScope } from './process-context.ts'
import type { StateDescriptor, ValueState } from '../../engine/state/state.ts'
import type { KeySelector } from '../../engine/stream/keys.ts'
import type { SchemaData } from '../../engine/stream/schema.ts'
import { StreamError } from '../../engine/base/errors.ts'
import { encodeKey } from '../../engine/stream/key-codec.ts'
import { ProcessOperator } from './process.ts'

export interface TopNOptions {
  readonly n: number
  readonly by: string
  readonly order: 'descending' | 'ascending'
  /** Of the records that come in, where it is known. */
  readonly schema: SchemaData | undefined
}

/** The rows of one window, whichever key they have, are ranked together. */
export const WINDOW_KEY: KeySelector = { type: 'fields', fields: ['windowStart', 'windowEnd'] }

/** Ranks the rows of a window when the watermark has passed it: no more of them come. */
export function createTopN(options: TopNOptions): OperatorFactory {
  const best: StateDescriptor = {
    type: 'value',
    name: 'best',
    value: { kind: 'list', item: options.schema ?? { kind: 'packed' } },
  }
  return {
    states: [best],
    create: () => new ProcessOperator(() => rankLogic(options, best)),
  }
}

type Row = Readonly<Record<string, unknown>>

/**
 * R1. State holds the best n rows so far, the best first; rows whose `by` is null take no part.
 * R2. Rows that are equal in `by` stand in the order of their bytes, so that the ranks of a window
 *     are the same in whatever order its rows came.
 */
function rankLogic(options: TopNOptions, best: StateDescriptor): ProcessLogic {
  const { n, by, order } = options
  const sign = order === 'descending' ? -1 : 1
  const stateOf = (scope: ProcessScope): ValueState<Row[], Row[] | undefined> =>
    scope.state['best'] as ValueState<Row[], Row[] | undefined>
  return {
    inputs: [
      {
        key: WINDOW_KEY,
        onRecord: (record, scope) => {
          const row = record as Row
          const endMs = endOf(row)
          const timers = scope.timers!
          if (!isRanked(row[by]) || endMs - 1 <= timers.watermarkMs) return
          const state = stateOf(scope)
          const rows = state.value() ?? []
          if (!insert(rows, row, n, (left, right) => compare(left, right, by, sign))) return
          state.update(rows)
          timers.registerEventTimeTimer(endMs - 1)
        },
      },
    ],
    states: { best },
    broadcast: {},
    sides: [],
    onTimer: (_atMs, scope) => {
      const state = stateOf(scope)
      for (const [index, row] of (state.value() ?? []).entries()) {
        scope.emit({ ...row, rank: index + 1 })
      }
      state.clear()
    },
  }
}

/** Puts a row in its place among the best n. False: it is not among them. */
function insert(
  rows: Row[],
  row: Row,
  n: number,
  order: (left: Row, right: Row) => number,
): boolean {
  let place = rows.length
  while (place > 0 && order(row, rows[place - 1]!) < 0) place -= 1
  if (place >= n) return false
  rows.splice(place, 0, row)
  if (rows.length > n) rows.pop()
  return true
}

function compare(left: Row, right: Row, by: string, sign: number): number {
  const ours = left[by] as number | bigint
  const theirs = right[by] as number | bigint
  if (ours !== theirs) return ours < theirs ? -sign : sign
  return Buffer.compare(encodeKey(left), encodeKey(right))
}

function isRanked(value: unknown): boolean {
  return typeof value === 'bigint' || (typeof value === 'number' && !Number.isNaN(value))
}

function endOf(row: Row): number {
  const endMs = row['windowEnd']
  if (typeof endMs === 'number' && Number.isFinite(endMs)) return endMs
  throw new StreamError('VALUE_UNFIT', 'topN got a row without a windowEnd', {
    hint: 'Call it on the result of a window, with windowStart and windowEnd kept.',
  })
}
