import type { Lane, Mark } from './marks.ts'
import type { StepRow } from './model.ts'

/** One column of a picture: a lane, or several that share it for want of room. */
export interface Column {
  readonly lanes: readonly Lane[]
  /** The line of the head that goes over columns of one name. */
  readonly name: string
  readonly title: string
}

/** Ways to lay out lanes, each narrower than the one before; a picture takes the first that fits. */
export function* columnings(lanes: readonly Lane[]): Generator<readonly Column[]> {
  yield lanes.map((lane) => ({
    lanes: [lane],
    name: lane.uid,
    title: String(lane.subtask ?? ''),
  }))
  const names = [...new Set(lanes.map(nameOf))]
  const grouped = names.map((name) => {
    const ones = lanes.filter((lane) => nameOf(lane) === name)
    return { lanes: ones, name: ones[0]!.uid, title: ones.length === 1 ? '' : `×${ones.length}` }
  })
  yield grouped
  const subtasks = grouped.filter((column) => isSubtask(column.lanes[0]!))
  const first = grouped.filter(({ lanes: [lane] }) =>
    ['process', 'coordinator'].includes(lane!.kind),
  )
  const last = grouped.filter((column) => !subtasks.includes(column) && !first.includes(column))
  for (let kept = subtasks.length - 2; kept >= 0; kept -= 1) {
    const rest = subtasks.slice(kept).flatMap((column) => column.lanes)
    const others = { lanes: rest, name: 'others', title: `×${rest.length}` }
    yield [...first, ...subtasks.slice(0, kept), others, ...last]
  }
}

/** What a column shows of a row: each kind once, with how many there are. */
export function marksIn({ lanes }: Column, { cells }: StepRow): readonly Mark[] {
  const found = new Map<string, Mark>()
  for (const mark of lanes.flatMap(({ id }) => cells.get(id) ?? [])) {
    const key = `${mark.kind} ${mark.label ?? mark.checkpointId ?? ''}`
    const before = found.get(key)
    found.set(key, before === undefined ? mark : { ...before, count: before.count + mark.count })
  }
  return [...found.values()]
}

function nameOf({ kind, uid }: Lane): string {
  return `${kind} ${uid}`
}

function isSubtask({ kind }: Lane): boolean {
  return kind === 'subtask'
}
