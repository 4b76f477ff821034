import { event, type Event } from '../jobs/events.ts'

/** One row of the tables that the kill tests write, as text, so that rows compare by content. */
export type Row = string

export function rowOf(
  user: string,
  start: number,
  end: number,
  events: number,
  amount: number,
): Row {
  return `${user} ${start} ${end} ${events} ${amount}`
}

/** Totals of each user and bucket, counted the plain way. */
export function bucketTotals(records: number, bucketMs: number): readonly Row[] {
  const totals = new Map<string, { user: string; start: number; events: number; amount: number }>()
  for (let index = 0; index < records; index += 1) {
    const { user, amount, at } = event(index)
    const start = at - (at % bucketMs)
    const key = `${user} ${start}`
    const total = totals.get(key) ?? { user, start, events: 0, amount: 0 }
    total.events += 1
    total.amount += amount
    totals.set(key, total)
  }
  return [...totals.values()]
    .map(({ user, start, events, amount }) => rowOf(user, start, start + bucketMs, events, amount))
    .sort()
}

/** Sessions of each user: sorted by time, cut where nothing came for the gap. */
export function sessionTotals(records: number, gapMs: number): readonly Row[] {
  const byUser = new Map<string, Event[]>()
  for (let index = 0; index < records; index += 1) {
    const record = event(index)
    const list = byUser.get(record.user)
    if (list === undefined) byUser.set(record.user, [record])
    else list.push(record)
  }
  const rows: Row[] = []
  for (const [user, list] of byUser) {
    list.sort((left, right) => left.at - right.at)
    let start = list[0]!.at
    let last = start
    let events = 0
    let amount = 0
    for (const record of list) {
      // Windows that touch are one session, as in Flink.
      if (record.at > last + gapMs) {
        rows.push(rowOf(user, start, last + gapMs, events, amount))
        start = record.at
        events = 0
        amount = 0
      }
      last = record.at
      events += 1
      amount += record.amount
    }
    rows.push(rowOf(user, start, last + gapMs, events, amount))
  }
  return rows.sort()
}
