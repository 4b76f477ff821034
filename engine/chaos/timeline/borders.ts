import type { TraceEvent } from '../../faults/trace.ts'
import type { TimelineLife } from './model.ts'

/**
 * A trace in which every life begins and ends. A process that is killed from outside tells neither:
 * its borders are put before its first event and behind its last.
 */
export function withBorders(
  trace: readonly TraceEvent[],
  lives: readonly TimelineLife[],
): readonly TraceEvent[] {
  const told = new Set(trace.map(({ life, point }) => `${point} ${life}`))
  const isTold = (life: number): boolean =>
    told.has(`life.begin ${life}`) && told.has(`life.end ${life}`)
  if (lives.every(({ life }) => isTold(life))) return trace

  const firsts = new Map<number, number>()
  const lasts = new Map<number, number>()
  for (const [index, { life }] of trace.entries()) {
    if (!firsts.has(life)) firsts.set(life, index)
    lasts.set(life, index)
  }
  const whole: TraceEvent[] = []
  const waiting = [...lives].sort((left, right) => left.life - right.life)
  const border = (point: 'life.begin' | 'life.end', { life, ...record }: TimelineLife): void => {
    if (told.has(`${point} ${life}`)) return
    const atMs = point === 'life.begin' ? record.fromMs : record.toMs
    whole.push({ step: whole.at(-1)?.step ?? 0, atMs, life, point, place: {} })
  }
  for (const [index, event] of trace.entries()) {
    const record = waiting[0]
    if (record !== undefined && firsts.get(event.life) === index) {
      // Lives that left no event at all stand where they were.
      while (waiting.length > 0 && waiting[0]!.life < event.life) bothOf(waiting.shift()!)
      if (waiting[0]?.life === event.life) border('life.begin', waiting.shift()!)
    }
    whole.push(event)
    const ending = lives.find(({ life }) => life === event.life)
    if (lasts.get(event.life) === index && ending !== undefined) border('life.end', ending)
  }
  for (const record of waiting) bothOf(record)
  return whole

  function bothOf(record: TimelineLife): void {
    border('life.begin', record)
    border('life.end', record)
  }
}
