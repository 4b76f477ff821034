/** Input for the blocks of the guide, and what a plain loop makes of it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './millrace.ts'

const MINUTE = 60_000
const HALF_HOUR = 30 * MINUTE

export interface Click {
  readonly user: string
  readonly url: string
  readonly millis: number
  readonly at: number
}

export type Answers = Readonly<Record<string, readonly unknown[]>>

/** In the order of the file. */
export const clicks: readonly Click[] = readFileSync(
  join(ROOT, 'examples/data/clicks.jsonl'),
  'utf8',
)
  .trimEnd()
  .split('\n')
  .map((line, index) => {
    const { user, url, at } = JSON.parse(line) as Record<'user' | 'url' | 'at', string>
    // Some leave, and some pages are slow.
    const page = index % 11 === 0 ? '/logout' : `${url}?from=${index % 3}`
    return { user, url: page, millis: (index * 137) % 1_200, at: Date.parse(at) }
  })

interface Order {
  readonly id: string
  readonly shop: string
  readonly cents: number
  readonly at: number
}

const START = Date.UTC(2026, 2, 1)
export const orders: readonly Order[] = Array.from({ length: 200 }, (_, n) => ({
  ...{ id: `o${n}`, shop: `s${n % 3}`, cents: 100 + n },
  at: START + n * MINUTE,
}))
/** From ten minutes before the order to two hours after; every seventh never comes, some come twice. */
export const payments: readonly Order[] = orders.flatMap((order, n) => {
  if (n % 7 === 6) return []
  const first = { ...order, at: order.at + ((n * 13) % 130) * MINUTE - 10 * MINUTE }
  return n % 20 === 0 ? [first, { ...first, at: first.at + 1 }] : [first]
})

const product = {
  ...{ id: 7, name: 'Lamp', size: 'M', price: '12.5', weight: null, stock: 3, onSale: true },
  ...{ since: '2026-11-22', seenAt: '2026-11-22T10:00:00Z', tags: ['a', 'b'] },
}

const BOOKS = {
  'books/one.txt': 'To be, or not to be\n\nSein oder Nichtsein: être ou ne pas être\n',
  'books/two.txt': 'to be\n',
}
const GOOD = { user: 'a', url: '/', at: START }
const ORDERS = [JSON.stringify(GOOD), 'no JSON', JSON.stringify({ ...GOOD, user: 7 })]
/** Source, code and line. */
export const BAD_ORDERS = [
  ['orders', 'RECORD_MALFORMED', 2],
  ['orders', 'VALUE_UNFIT', 3],
]

export function files(): Readonly<Record<string, string>> {
  const lines = (all: readonly object[]): string =>
    all.map((row) => `${JSON.stringify(row)}\n`).join('')
  return {
    ...BOOKS,
    'all-clicks.jsonl': lines(clicks),
    'clicks/all.jsonl': lines(clicks),
    'incoming/all.jsonl': lines(clicks),
    'products.jsonl': lines([product]),
    'orders/one.jsonl': `${ORDERS.join('\n')}\n`,
  }
}

/** With its fields in the order of their names. */
export function canonical(row: unknown): string {
  return JSON.stringify(row, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
}

function grouped<T>(all: readonly T[], key: (one: T) => string): ReadonlyMap<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const one of all) {
    const group = groups.get(key(one))
    if (group === undefined) groups.set(key(one), [one])
    else group.push(one)
  }
  return groups
}

export function ofSteps(): Answers {
  const slow = clicks.filter(({ millis }) => millis > 500)
  return {
    slow: slow.map(({ user, url, millis }) => ({ user, path: url.split('?')[0], millis })),
    'same-declared': slow.map(({ user, url, millis }) => ({ user, url, seconds: millis * 0.001 })),
    'per-user': perUser(),
    'per-minute': perMinute(),
    hot: hot(),
    counted: sessions().map(({ user, clicks, from, to }) => ({
      ...{ user, clicks, windowStart: from, windowEnd: to },
    })),
    visits: sessions().map(({ user, clicks, to }) => ({ user, clicks, endedAt: to })),
    pages: visitedPages(),
    numbered: [...grouped(clicks, ({ user }) => user).values()].flatMap((own) =>
      own.map(({ user }, index) => ({ user, n: index + 1 })),
    ),
    joined: orders.flatMap(({ id, at }) =>
      payments
        .filter((payment) => payment.id === id)
        .map((payment) => ({ id, waitedMs: payment.at - at }))
        .filter(({ waitedMs }) => waitedMs >= -5 * MINUTE && waitedMs <= 60 * MINUTE),
    ),
  }
}

function perUser(): readonly object[] {
  return [...grouped(clicks, ({ user }) => user).values()].flatMap((own) =>
    own.map(({ user }, index) => {
      const slowest = Math.max(...own.slice(0, index + 1).map(({ millis }) => millis))
      return { user, clicks: index + 1, slowest }
    }),
  )
}

function perMinute(): readonly object[] {
  const minuteOf = (at: number): number => at - (at % MINUTE)
  const groups = grouped(clicks, ({ user, url, at }) => `${user} ${url} ${minuteOf(at)}`)
  return [...groups.values()].map((own) => {
    const [{ user, url, at }] = own as [Click]
    const mean = own.reduce((sum, { millis }) => sum + millis, 0) / own.length
    const windowStart = minuteOf(at)
    return { user, url, clicks: own.length, mean, windowStart, windowEnd: windowStart + MINUTE }
  })
}

/** Every minute how often the three most viewed pages of ten minutes were; which of equal ones is open. */
function hot(): readonly object[] {
  const views = new Map<number, Map<string, number>>()
  for (const { url, at } of clicks) {
    const last = at - (at % MINUTE)
    for (let start = last - 9 * MINUTE; start <= last; start += MINUTE) {
      const pages = views.get(start) ?? new Map<string, number>()
      views.set(start, pages.set(url, (pages.get(url) ?? 0) + 1))
    }
  }
  return [...views].flatMap(([windowStart, pages]) =>
    [...pages.values()]
      .sort((left, right) => right - left)
      .slice(0, 3)
      .map((count, index) => ({
        ...{ views: count, rank: index + 1 },
        ...{ windowStart, windowEnd: windowStart + 10 * MINUTE },
      })),
  )
}

interface Session {
  readonly user: string
  clicks: number
  readonly from: number
  to: number
}

/** By user and time: a click more than half an hour after the one before begins a new visit. */
function sessions(): readonly Session[] {
  const found: Session[] = []
  for (const own of grouped(clicks, ({ user }) => user).values()) {
    let open: Session | undefined
    for (const { user, at } of [...own].sort((left, right) => left.at - right.at)) {
      if (open === undefined || at > open.to) {
        open = { user, clicks: 0, from: at, to: 0 }
        found.push(open)
      }
      open.clicks += 1
      open.to = at + HALF_HOUR
    }
  }
  return found
}

function visitedPages(): readonly object[] {
  return [...grouped(clicks, ({ user }) => user).values()].flatMap((own) => {
    const times = new Map<string, number>()
    let before = 0
    return own.map(({ user, url, millis }) => {
      times.set(url, (times.get(url) ?? 0) + 1)
      if (millis > 500) before += 1
      const row = { user, url, times: times.get(url), before }
      if (url === '/logout') {
        times.clear()
        before = 0
      }
      return row
    })
  })
}

export function ofFiles(): Answers {
  return {
    books: Object.values(BOOKS).flatMap((book) => book.trimEnd().split('\n')),
    products: [{ ...product, price: '12.50', seenAt: Date.parse(product.seenAt) }],
    landed: clicks,
    wider: clicks,
    free: clicks,
    clicks: clicks.map(({ user, url, at }) => ({ user, url, at })),
    orders: [GOOD],
    three: [{ n: 1 }, { n: 2 }, { n: 3 }],
  }
}

export function clicksPerDay(): readonly (readonly [string, number])[] {
  const days = grouped(clicks, ({ at }) => new Date(at).toISOString().slice(0, 10))
  return [...days].map(([day, { length }]) => [day, length] as const).sort()
}

export function wordCount(): ReadonlyMap<string, number> {
  const words = Object.values(BOOKS).flatMap((book) => book.match(/\p{L}+/gu) ?? [])
  return new Map([...grouped(words, (word) => word)].map(([word, { length }]) => [word, length]))
}

/** Every fifth a second time. */
export function paymentsSent(): readonly { readonly id: number; readonly cents: number }[] {
  return Array.from({ length: 5_000 }, (_, index) => {
    const id = index > 400 && index % 5 === 4 ? index - 402 : index
    return { id, cents: 100 + ((id * 7_919) % 9_900) }
  })
}

export function paymentsOnce(): readonly object[] {
  return [...new Map(paymentsSent().map((sent) => [sent.id, sent])).values()]
}
