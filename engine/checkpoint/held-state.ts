import { join } from 'node:path'
import type { Files } from '../base/files.ts'
import { readWholeFile } from '../base/files.ts'
import { broadcastCounts } from '../state/broadcast-state.ts'
import { NO_PACE, cursorsOf, mergeCells } from '../state/cell-merge.ts'
import { stateIdOf } from '../state/cell.ts'
import { isTimersId, PLACES_ID } from '../state/keyed-timers.ts'
import { StateFile } from '../state/state-file.ts'
import type { HeldState } from './comparison.ts'
import type { FileReference, OperatorState } from './snapshot.ts'

/**
 * Counts what a step really holds in a checkpoint, by reading all its files in `root`. Called only
 * when the step would be refused: a state without a value is no loss.
 */
export async function countHeld(
  files: Files,
  root: string,
  operator: OperatorState,
): Promise<HeldState> {
  const counts: Counts = { states: new Map(), timers: 0 }
  for (const { chain, broadcast } of operator.subtasks) {
    await countChain(files, root, chain, counts)
    if (broadcast?.file === undefined) continue
    const bytes = await readWholeFile(files, join(root, broadcast.file.path))
    for (const [name, count] of broadcastCounts(bytes)) add(counts, name, count)
  }
  return counts
}

interface Counts extends HeldState {
  readonly states: Map<string, number>
  timers: number
}

function add({ states }: Counts, name: string, count: number): void {
  states.set(name, (states.get(name) ?? 0) + count)
}

async function countChain(
  files: Files,
  root: string,
  chain: readonly FileReference[],
  counts: Counts,
): Promise<void> {
  const opened: StateFile[] = []
  try {
    for (const reference of chain) {
      opened.push(await StateFile.open(files, join(root, reference.path), reference))
    }
    const names = new Map<number, string>()
    const groups = new Set<number>()
    for (const { header, groups: own } of opened) {
      for (const { id, descriptor } of header.states) names.set(id, descriptor.name)
      for (const { keyGroup } of own) groups.add(keyGroup)
    }
    for (const group of groups) {
      const options = { isBase: true, pace: NO_PACE }
      await mergeCells(
        cursorsOf(opened, group),
        (cell) => {
          const id = stateIdOf(cell)
          // A place says where records wait: these count, as a state.
          if (id === PLACES_ID) return
          if (isTimersId(id)) counts.timers += 1
          else add(counts, names.get(id) ?? '', 1)
        },
        options,
      )
    }
  } finally {
    for (const file of opened) await file.close()
  }
}
