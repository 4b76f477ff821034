/** A record of seven fields with two strings, a pure function of its number. */
export function click(index: number): Click {
  const mixed = Math.imul(index ^ (index >>> 15), 0x2c1b3c6d) >>> 0
  return {
    id: index,
    user: USERS[mixed % 1_000]!,
    url: URLS[(mixed >>> 10) % 100]!,
    quantity: 1 + (mixed % 9),
    cents: (mixed >>> 8) % 100_000,
    price: (mixed % 10_000) / 100,
    at: 1_700_000_000_000 + index * 7,
  }
}

export interface Click {
  readonly id: number
  readonly user: string
  readonly url: string
  readonly quantity: number
  readonly cents: number
  readonly price: number
  readonly at: number
}

const USERS = Array.from({ length: 1_000 }, (_, index) => `user-${index}`)
const URLS = Array.from(
  { length: 100 },
  (_, index) => `https://shop.example/item/${index}?ref=home`,
)

/** The key of event n: spread over `keys` keys. The murmur3 32-bit finaliser, as in the Flink peer. */
export function keyOf(index: number, keys: number): number {
  let hash = index ^ (index >>> 16)
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  hash ^= hash >>> 16
  return (hash >>> 0) % keys
}

/** Event time of event n, epoch ms: 20 of them a millisecond, out of order by up to a second. */
export function timeOf(index: number): number {
  return 1_700_000_000_000 + Math.floor(index / 20) - (Math.imul(index, 0x9e3779b1) >>> 22)
}
