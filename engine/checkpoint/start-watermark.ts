import type { KeyGroupRange } from '../stream/keys.ts'
import type { OperatorState } from './snapshot.ts'
import { keyGroupRange } from '../stream/keys.ts'

/** What is restored: the key groups of one new subtask, in a step of that kind. */
interface RestoredSubtask {
  readonly range: KeyGroupRange
  readonly maxParallelism: number
  /** The step is in event-time order. */
  readonly isOrdered: boolean
}

/**
 * The watermark at which a subtask goes on, given those of the subtasks whose key groups it takes.
 *
 * Subtasks stand at one watermark at a barrier, because watermarks go out on every channel before
 * it (architecture A13); but for inputs that turned idle or came back just before: what a subtask
 * had seen of the others by then decides how far it went on. At an unchanged parallelism each
 * subtask goes on where it was.
 *
 * W1. In event-time order it is the least: nothing that is on time for one of the keys becomes
 *     late, and what had not been released is released in its order.
 * W2. In order of arrival it is the greatest: no window fires twice, and no key sees its watermark
 *     go back. Those that were behind fire first what is up to there.
 */
export function startWatermark(
  was: Pick<OperatorState, 'parallelism' | 'maxParallelism' | 'subtasks'>,
  { range, maxParallelism, isOrdered }: RestoredSubtask,
): number {
  const reached: number[] = []
  for (const [subtask, { watermarkMs }] of was.subtasks.entries()) {
    const { first, last } = keyGroupRange(subtask, was.maxParallelism, was.parallelism)
    // Without keyed state the number of key groups may change: then any of them may be ours.
    const isOurs =
      maxParallelism !== was.maxParallelism || (first <= range.last && last >= range.first)
    if (isOurs) reached.push(watermarkMs)
  }
  return isOrdered ? Math.min(...reached) : Math.max(...reached)
}
