/**
 * Keys and key groups.
 *
 * A key is any plain value; two keys are equal as in a `Map` (NaN = NaN, -0 = 0; 1, 1n and '1'
 * differ), arrays and objects by content (object fields in any order). The contract, implemented in
 * `key-codec.ts`:
 *
 * K1. encodeKey(a) equals encodeKey(b) exactly when a and b are equal keys.
 * K2. keyHash depends on the canonical bytes only; rows and columns give the same hash.
 * K3. keyGroupOf(hash, maxParallelism) is in [0, maxParallelism).
 * K4. heapKey(key) is a primitive that is the same (as a Map key) exactly when the keys are equal.
 */
export type Key =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | readonly Key[]
  | { readonly [field: string]: Key }

/** How a keyed stream finds the key of a record. */
export type KeySelector =
  | { readonly type: 'field'; readonly field: string; readonly kinds?: FieldKinds }
  | { readonly type: 'fields'; readonly fields: readonly string[]; readonly kinds?: FieldKinds }
  | { readonly type: 'function'; readonly select: (record: never) => unknown }

/** What is known of the fields' values: 'a text', 'a number', …; null: nothing is. */
export type FieldKinds = readonly (string | null)[]

/** Key groups first .. last, both inclusive, that one subtask owns. */
export interface KeyGroupRange {
  readonly first: number
  readonly last: number
}

export const DEFAULT_MAX_PARALLELISM = 128

export function keyGroupOf(hash: number, maxParallelism: number): number {
  return (hash >>> 0) % maxParallelism
}

/** Subtask that owns a key group; Flink's formula, so that ranges are contiguous and even. */
export function subtaskOfKeyGroup(
  keyGroup: number,
  maxParallelism: number,
  parallelism: number,
): number {
  return Math.floor((keyGroup * parallelism) / maxParallelism)
}

export function keyGroupRange(
  subtask: number,
  maxParallelism: number,
  parallelism: number,
): KeyGroupRange {
  const first = Math.ceil((subtask * maxParallelism) / parallelism)
  const last = Math.ceil(((subtask + 1) * maxParallelism) / parallelism) - 1
  return { first, last }
}
