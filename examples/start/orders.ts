/** One order of the made-up shops: a pure function of its number, so that anyone can recount. */
export interface Order {
  readonly id: number
  readonly shop: string
  readonly item: string
  readonly quantity: number
  readonly cents: number
  readonly at: number
}

const START_MS = Date.UTC(2026, 0, 1)
const ITEMS = ['tea', 'bread', 'cheese', 'apples', 'soap', 'candles', 'honey', 'oats']
const SHOPS = 40
/** One order a millisecond of event time, each up to this much late. */
const LATENESS_MS = 25_000

export function order(index: number): Order {
  const dice = mix(index)
  return {
    id: index,
    shop: `shop-${dice % SHOPS}`,
    item: ITEMS[(dice >>> 8) % ITEMS.length]!,
    quantity: 1 + ((dice >>> 12) % 5),
    cents: 100 + ((dice >>> 4) % 9_900),
    at: START_MS + index - (mix(dice) % LATENESS_MS),
  }
}

/** The murmur3 32-bit finaliser: every bit of the number decides about every bit of the result. */
function mix(value: number): number {
  let hash = value ^ (value >>> 16)
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
