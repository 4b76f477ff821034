/** Generated code that deals rows to targets by the hash of their key. */
import type { KeySelector } from '../stream/keys.ts'
import type { RecordBatch } from '../stream/record-batch.ts'
import type { Target } from './target.ts'
import { BATCH_RECORDS_MAX } from '../base/limits.ts'
import { keyHash } from '../stream/key-codec.ts'
import { addItem, endList, hashText, startList } from '../stream/key-hash.ts'
import { fieldExpression, invalidKey, isKeyValue } from '../stream/key-selector.ts'
import { ASIDE } from './target.ts'

/** `table` gives the target of each key group. */
export type RowDealer = (
  batch: RecordBatch,
  rows: readonly unknown[],
  targets: readonly Target[],
  table: Int32Array,
) => void

/** One loop for the selector and for what stands beside the rows; no call for a plain key. */
export function makeRowDealer(
  selector: KeySelector,
  maxParallelism: number,
  aside: number,
  isOneSplit: boolean,
): RowDealer {
  const isPower = (maxParallelism & (maxParallelism - 1)) === 0
  const group = isPower ? `hash & ${maxParallelism - 1}` : `(hash >>> 0) % ${maxParallelism}`
  const copies = [
    (aside & ASIDE.times) !== 0 ? 'target.times[at] = times[i]' : '',
    (aside & ASIDE.splits) !== 0
      ? `target.splits[at] = ${isOneSplit ? 'splits' : 'splits[i]'}`
      : '',
    (aside & ASIDE.offsets) !== 0 ? 'target.offsets[at] = offsets[i]' : '',
    (aside & ASIDE.watermarks) !== 0 ? 'target.watermarks[at] = watermarks[i]' : '',
  ]
  const source = `return function deal(batch, rows, targets, table) {
    const { count, times, splits, offsets, watermarks } = batch
    for (let i = 0; i < count; i += 1) {
      const row = rows[i]
      let hash
      ${hashing(selector)}
      const target = targets[table[${group}]]
      const at = target.count
      target.rows[at] = row
      target.hashes[at] = hash
      ${copies.join('\n')}
      target.count = at + 1
      if (at === ${BATCH_RECORDS_MAX - 1}) target.flush()
    }
  }`
  const given = { keyHash, hashText, startList, addItem, endList, isKeyValue }
  const invalid = (value: unknown, index: number): Error =>
    invalidKey(where(selector, index), value)
  const select = selector.type === 'function' ? selector.select : undefined
  const make = new Function(...Object.keys(given), 'invalid', 'select', source)
  return (make as (...values: unknown[]) => RowDealer)(...Object.values(given), invalid, select)
}

function where(selector: KeySelector, index: number): string {
  if (selector.type === 'function') return 'as its function gave it'
  return `field "${selector.type === 'field' ? selector.field : selector.fields[index]}"`
}

function hashing(selector: KeySelector): string {
  const none = 'if (row === null || row === undefined) throw invalid(undefined, 0)'
  switch (selector.type) {
    case 'field':
      return `${none}
      const key = ${fieldExpression('row', selector.field)}
      ${hashOf('key', 0)}`
    case 'function':
      return `const key = select(row)
      ${hashOf('key', 0)}`
    default: {
      const parts = selector.fields.map(
        (field, index) => `const key${index} = ${fieldExpression('row', field)}
        ${hashOf(`key${index}`, index)}
        list = addItem(list, hash)`,
      )
      return `${none}
      let list = startList()
      ${parts.join('\n')}
      hash = endList(list, ${selector.fields.length})`
    }
  }
}

/** `hash = keyHash(key)`, with the finaliser of int32 keys written out (H1 of `key-hash.ts`). */
function hashOf(key: string, index: number): string {
  return `if (typeof ${key} === 'number' && (${key} | 0) === ${key}) {
        hash = ${key} | 0
        hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
        hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
        hash = hash ^ (hash >>> 16)
      } else if (typeof ${key} === 'string') {
        hash = hashText(${key})
      } else {
        if (!isKeyValue(${key})) throw invalid(${key}, ${index})
        hash = keyHash(${key})
      }`
}
