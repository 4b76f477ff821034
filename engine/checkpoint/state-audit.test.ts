import { expect, test } from 'vitest'
import type { Cell, CellKind } from '../state/cell.ts'
import type { StateFileHeader } from '../state/state-file.ts'
import { makeDirectories } from '../base/files.ts'
import { MemoryDisk } from '../simulation/memory-files.ts'
import {
  CLEAR,
  STATE_ID_BYTES,
  TOMBSTONE,
  VALUE,
  orderedDoubleText,
  stateIdText,
  uint32Text,
} from '../state/cell.ts'
import { keyText } from '../state/key-text.ts'
import { EVENT_TIMERS_ID } from '../state/keyed-timers.ts'
import { StateFileWriter } from '../state/state-file.ts'
import { keyHash } from '../stream/key-codec.ts'
import { keyGroupOf } from '../stream/keys.ts'
import { stateFileName, uidHash } from './layout.ts'
import { auditChain, auditStateFile } from './state-audit.ts'

const MAX = 8
const OWNER = { range: { first: 0, last: MAX - 1 }, maxParallelism: MAX }
const HEADER: StateFileHeader = {
  version: 1,
  codecVersion: 1,
  uid: 'visits',
  subtask: 0,
  maxParallelism: MAX,
  range: OWNER.range,
  states: [
    { id: 0, descriptor: { type: 'value', name: 'count', value: { kind: 'int32' } } },
    { id: 1, descriptor: { type: 'list', name: 'last', value: { kind: 'int32' } } },
    {
      id: 2,
      descriptor: {
        type: 'map',
        name: 'pages',
        key: { kind: 'utf8' },
        value: { kind: 'int32' },
      },
    },
  ],
}

/** Small numbers are one byte, twice the number (`signed`). */
const NO_BYTES = new Uint8Array(0)
const seven = Uint8Array.of(14)

function cell(
  key: string,
  state: number,
  suffix: string,
  bytes: Uint8Array = NO_BYTES,
  kind: CellKind = VALUE,
): Cell {
  const prefix = keyText(key) + stateIdText(state)
  return {
    sort: prefix + suffix,
    prefixLength: prefix.length,
    kind,
    bytes,
    start: 0,
    end: bytes.length,
  }
}

/** A file of the given cells, in their key groups unless told which. */
async function written(
  cells: readonly Cell[],
  header: Partial<StateFileHeader> = {},
  options: { readonly group?: number; readonly uid?: string; readonly sequence?: number } = {},
) {
  const disk = new MemoryDisk()
  const files = disk.files()
  await makeDirectories(files, '/work/state')
  const { uid = 'visits', sequence = 1 } = options
  const path = `state/${stateFileName(uidHash(uid), 0, 2 ** 32 + 1, sequence)}`
  const writer = await StateFileWriter.create(files, `/work/${path}`, { ...HEADER, ...header })
  for (let group = 0; group < MAX; group += 1) {
    const own = cells.filter((one) => (options.group ?? groupOf(one)) === group)
    if (own.length > 0) writer.builder.startGroup(group)
    for (const one of own) writer.builder.add(one)
  }
  const { bytes, sha256 } = await writer.finish({ durable: true })
  return { files, path: `/work/${path}`, reference: { path, bytes, sha256 } }
}

function groupOf({ sort, prefixLength }: Cell): number {
  const key = sort.slice(2, prefixLength - STATE_ID_BYTES)
  return keyGroupOf(keyHash(key), MAX)
}

async function audit(
  cells: readonly Cell[],
  header: Partial<StateFileHeader> = {},
  options: { readonly group?: number; readonly uid?: string; readonly isBase?: boolean } = {},
) {
  const { files, path, reference } = await written(cells, header, options)
  return await auditStateFile(files, path, reference, OWNER, options.isBase ?? false)
}

const GOOD = [
  cell('a', 0, '', seven),
  cell('a', 1, '', NO_BYTES, CLEAR),
  cell('a', 1, uint32Text(0), seven),
  cell('a', 2, keyText('home'), Uint8Array.of(0, 14)),
  cell('a', 2, keyText('shop'), NO_BYTES, TOMBSTONE),
  cell('a', EVENT_TIMERS_ID, orderedDoubleText(1_000)),
]

test('a file is read to its last cell', async () => {
  expect(await audit(GOOD)).toEqual({ uid: 'visits', values: 3, timers: 1, tombstones: 2 })
  expect(await audit([])).toMatchObject({ values: 0, timers: 0 })
})

const inOtherGroup = (groupOf(GOOD[0]!) + 1) % MAX

/** Files whose hashes are right, and whose content is not. */
const WRONG: readonly (readonly [string, RegExp, () => Promise<unknown>])[] = [
  ['cells out of order', /out of order/, () => audit([GOOD[2]!, GOOD[0]!])],
  ['a cell twice', /out of order/, () => audit([GOOD[0]!, GOOD[0]!])],
  ['a key in another group', /belongs to another/, () => audit(GOOD, {}, { group: inOtherGroup })],
  [
    'a state with no name',
    /state 7, which it does not name/,
    () => audit([cell('a', 7, '', seven)]),
  ],
  ['bytes behind a value', /left over/, () => audit([cell('a', 0, '', Uint8Array.of(14, 0))])],
  ['a value cut short', /cannot be decoded/, () => audit([cell('a', 0, '')])],
  ['a value that is an item', /no part of a value/, () => audit([cell('a', 0, 'x', seven)])],
  ['an item with no index', /no part of a list/, () => audit([cell('a', 1, '', seven)])],
  [
    'a map entry with no key',
    /cannot be decoded/,
    () => audit([cell('a', 2, '', Uint8Array.of(0, 14))]),
  ],
  [
    'a timer with a value',
    /timer/,
    () => audit([cell('a', EVENT_TIMERS_ID, 'x'.repeat(8), seven)]),
  ],
  ['a timer with no time', /timer/, () => audit([cell('a', EVENT_TIMERS_ID, 'x')])],
  ['a kind of its own', /of kind 9/, () => audit([cell('a', 0, '', NO_BYTES, 9 as CellKind)])],
  [
    'a cell with no key',
    /cannot be decoded|without a key/,
    () => audit([{ ...GOOD[0]!, prefixLength: 2 }], {}, { group: 0 }),
  ],
  ['a tombstone in a base', /first of its chain/, () => audit(GOOD, {}, { isBase: true })],
  [
    'groups of another subtask',
    /key groups 0 to 3/,
    () => audit([], { range: { first: 0, last: 3 } }),
  ],
  ['another maxParallelism', /maxParallelism 16/, () => audit(GOOD, { maxParallelism: 16 })],
  ['a codec to come', /codec 2/, () => audit(GOOD, { codecVersion: 2 })],
  ['another name than its uid', /does not say/, () => audit(GOOD, {}, { uid: 'others' })],
  ['another name than its subtask', /does not say/, () => audit(GOOD, { subtask: 3 })],
]

for (const [what, expected, act] of WRONG) {
  test(`${what}: damage`, async () => {
    const error = await act().then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject({ code: 'CHECKPOINT_DAMAGED' })
    expect((error as Error).message).toMatch(expected)
  })
}

test('a chain counts what no newer file hides, and knows a list with a gap', async () => {
  const base = await written([cell('a', 0, '', seven), cell('a', 1, uint32Text(0), seven)])
  const chain = (...files: (typeof base)[]) =>
    auditChain(
      base.files,
      files.map(({ path, reference }) => ({ path, reference })),
      OWNER,
    )
  expect(await chain(base)).toMatchObject({ values: 2, timers: 0 })
  const gap = await written([cell('a', 1, uint32Text(2), seven)])
  await expect(
    auditChain(gap.files, [{ path: gap.path, reference: gap.reference }], OWNER),
  ).rejects.toThrow(/a list of "last" has a gap/)
})
