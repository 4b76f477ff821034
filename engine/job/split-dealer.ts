import type { FaultProbe } from '../faults/probe.ts'
import type { SourceCoordinator, SplitAssignment } from './source-coordinator.ts'
import type { WorkerGroup } from './worker-group.ts'
import { deferred, type Deferred } from '../base/deferred.ts'

type SourceOf = Pick<SourceCoordinator, 'uid' | 'vertex'>

/**
 * Hands splits to the subtasks that read them.
 *
 * H1. No subtask gets a split of a discovery before every other one that gets some holds its
 *     watermark back, and everyone downstream knows. Else the first to read could make the records
 *     of the others late.
 * H2. The deal of the start needs no such round: a subtask holds until its first one.
 */
export class SplitDealer {
  readonly #workers: Pick<WorkerGroup, 'tellSubtask'>
  readonly #faults: FaultProbe | undefined
  /** By vertex and subtask: who has not answered yet. */
  readonly #expecting = new Map<string, Deferred<void>>()

  constructor(workers: Pick<WorkerGroup, 'tellSubtask'>, faults: FaultProbe | undefined) {
    this.#workers = workers
    this.#faults = faults
  }

  deal(source: SourceOf, assignments: readonly SplitAssignment[]): void {
    for (const assignment of assignments) {
      const { subtask } = assignment
      this.#faults?.reach('master.splits', { uid: source.uid, subtask })
      this.#workers.tellSubtask(subtask, { type: 'splits', vertex: source.vertex, ...assignment })
    }
  }

  /** Never settles when the life ends first. */
  async dealLater(source: SourceOf, assignments: readonly SplitAssignment[]): Promise<void> {
    const { vertex } = source
    const getting = assignments.filter(({ splits }) => splits.length > 0)
    if (getting.length > 1) {
      const answers = getting.map(({ subtask }) => {
        const answer: Deferred<void> = deferred()
        this.#expecting.set(`${vertex}:${subtask}`, answer)
        this.#workers.tellSubtask(subtask, { type: 'expect', vertex, subtask })
        return answer.promise
      })
      await Promise.all(answers)
    }
    this.deal(source, assignments)
  }

  onExpecting({ vertex, subtask }: { readonly vertex: number; readonly subtask: number }): void {
    this.#expecting.get(`${vertex}:${subtask}`)?.resolve()
  }
}
