import type { TimerChanged, TimersOpened } from '../../faults/timer-event.ts'
import type { CheckpointId } from '../../stream/elements.ts'
import type { ScheduleRun } from '../schedule-run.ts'
import type { ProcessTimers, TimerStep } from '../timer-history.ts'
import type { Violation } from '../violation.ts'
import type { Invariant } from './invariant.ts'
import { keyOfText } from '../../state/key-text.ts'
import { keyHash } from '../../stream/key-codec.ts'
import { keyGroupOf, subtaskOfKeyGroup } from '../../stream/keys.ts'

/**
 * I8, of timers: each that is registered fires once. Followed from life to life by what the steps
 * do with them, and by which of them were registered when a checkpoint was cut:
 *
 * - one that fires is registered: it came with the checkpoint that was restored, or was registered
 *   since, and has not fired or been deleted since;
 * - none is passed over: of one subtask and kind, timers fire in the order of their times;
 * - when the job is at its end, none of event time is left. Those of processing time may be: the
 *   end of the input does not wait for a clock.
 */
export const timersFire: Invariant = ({ run }) => {
  const registry = new Registry(run.timers.processes)
  const found: Violation[] = []
  for (const { process } of run.timers.processes) {
    const { wrong, passedOver } = registry.of(process)
    for (const { timer, step } of wrong) {
      const how = registry.wasRegistered(timer) ? 'once more' : 'and was never registered'
      found.push({ invariant: 'I8', what: `${described(timer)} fires ${how}`, step })
    }
    for (const { timer, step } of passedOver) {
      found.push({ invariant: 'I8', what: `${described(timer)} is passed over`, step })
    }
  }
  return [...found, ...leftAtEnd(run, registry)]
}

type Timer = Pick<TimerChanged, 'kind' | 'uid' | 'key' | 'atMs'>

function leftAtEnd({ history }: ScheduleRun, registry: Registry): readonly Violation[] {
  const last = history.manifests.at(-1)
  if (last?.manifest.final !== true) return []
  const left = registry.cutBy(last.manifest.checkpointId) ?? new Map<string, Pending>()
  return [...left.values()]
    .filter(({ timer }) => timer.kind === 'event')
    .map(({ timer }) => {
      const what = `${described(timer)} has not fired when the job is at its end`
      return { invariant: 'I8', what, step: last.at.step }
    })
}

interface Pending {
  readonly timer: Timer
  /** Place in the steps of the process; -1: it came with the checkpoint. */
  readonly since: number
  readonly subtask: number | undefined
}

interface Found {
  readonly timer: Timer
  readonly step: number
}

/** What was registered in one process: at its start, and at its end. */
interface Followed {
  readonly restored: ReadonlyMap<string, Pending>
  /** Fired, and were not registered. */
  readonly wrong: readonly Found[]
  /** Registered still, and a later one of the same subtask has fired. */
  readonly passedOver: readonly Found[]
}

class Registry {
  readonly #processes: readonly ProcessTimers[]
  readonly #followed = new Map<number, Followed>()

  constructor(processes: readonly ProcessTimers[]) {
    this.#processes = processes
  }

  of(process: number): Followed {
    const known = this.#followed.get(process)
    if (known !== undefined) return known
    const followed = this.#follow(this.#processes.find((one) => one.process === process)!.steps)
    this.#followed.set(process, followed)
    return followed
  }

  wasRegistered({ kind, uid, key, atMs }: Timer): boolean {
    return this.#processes.some(({ steps }) =>
      steps.some(
        (step) =>
          step.what === 'registered' &&
          step.kind === kind &&
          step.uid === uid &&
          step.key === key &&
          step.atMs === atMs,
      ),
    )
  }

  /** Undefined: no process of this run has cut it. */
  cutBy(id: CheckpointId): Map<string, Pending> | undefined {
    const cutter = this.#processes.find(({ steps }) =>
      steps.some((step) => step.what === 'cut' && step.checkpointId === id),
    )
    if (cutter === undefined) return undefined
    const tasks = new Map<string, string>()
    const cut = new Set<string>()
    const registered = new Map(this.of(cutter.process).restored)
    for (const [index, step] of cutter.steps.entries()) {
      if (step.what === 'chained') tasks.set(`${step.uid}-${step.subtask}`, step.task)
      else if (step.what === 'cut') {
        if (step.checkpointId === id) cut.add(`${step.task}-${step.subtask}`)
      } else if (isChange(step)) {
        const task = tasks.get(`${step.uid}-${step.subtask}`)!
        if (!cut.has(`${task}-${step.subtask}`)) change(registered, step, index)
      }
    }
    return registered
  }

  #follow(steps: readonly TimerStep[]): Followed {
    const from = steps.findLast((step) => step.what === 'restored')
    const restored =
      from === undefined ? new Map<string, Pending>() : this.#given(from.checkpointId)
    const wrong: Found[] = []
    if (restored === undefined) return { restored: new Map(), wrong, passedOver: [] }
    const registered = new Map(restored)
    for (const [index, step] of steps.entries()) {
      if (!isChange(step)) continue
      const isThere = change(registered, step, index)
      if (step.what === 'fired' && !isThere) wrong.push({ timer: step, step: step.step })
    }
    return { restored, wrong, passedOver: passedOver(steps, registered) }
  }

  #given(id: CheckpointId): ReadonlyMap<string, Pending> | undefined {
    const cut = this.cutBy(id)
    if (cut === undefined) return undefined
    const given = new Map<string, Pending>()
    for (const [name, { timer }] of cut) given.set(name, { timer, since: -1, subtask: undefined })
    return given
  }
}

/** Whether it was registered before. */
function change(registered: Map<string, Pending>, step: TimerChanged, index: number): boolean {
  const name = `${step.uid} ${step.kind} ${step.atMs} ${step.key}`
  if (step.what !== 'registered') return registered.delete(name)
  const isThere = registered.has(name)
  if (!isThere) registered.set(name, { timer: step, since: index, subtask: step.subtask })
  return isThere
}

function isChange(step: TimerStep): step is TimerChanged & { readonly step: number } {
  return step.what === 'registered' || step.what === 'deleted' || step.what === 'fired'
}

/** From the last step back: the latest firing of each subtask after a timer was registered. */
function passedOver(
  steps: readonly TimerStep[],
  registered: ReadonlyMap<string, Pending>,
): readonly Found[] {
  const found: Found[] = []
  const owners = new Map<string, TimersOpened>()
  for (const step of steps) if (step.what === 'opened') owners.set(step.uid, step)
  const latest = new Map<string, Found>()
  let index = steps.length - 1
  for (const { timer, since, subtask } of [...registered.values()].sort(byAge)) {
    for (; index > since; index -= 1) {
      const step = steps[index]!
      if (step.what !== 'fired') continue
      const line = `${step.uid} ${step.kind} ${step.subtask}`
      const known = latest.get(line)
      if (known === undefined || known.timer.atMs < step.atMs) {
        latest.set(line, { timer: step, step: step.step })
      }
    }
    const owner = subtask ?? ownerOf(timer, owners.get(timer.uid))
    const later = latest.get(`${timer.uid} ${timer.kind} ${owner}`)
    if (later !== undefined && later.timer.atMs > timer.atMs) {
      found.push({ timer, step: later.step })
    }
  }
  return found
}

function byAge(left: Pending, right: Pending): number {
  return right.since - left.since
}

function ownerOf({ key }: Timer, opened: TimersOpened | undefined): number | undefined {
  if (opened === undefined) return undefined
  const { maxParallelism, parallelism } = opened
  const group = keyGroupOf(keyHash(keyOfText(key)), maxParallelism)
  return subtaskOfKeyGroup(group, maxParallelism, parallelism)
}

function described({ kind, uid, key, atMs }: Timer): string {
  const time = kind === 'event' ? 'event time' : 'processing time'
  const name = JSON.stringify(keyOfText(key))
  return `the timer of "${uid}" for ${name} at ${atMs} in ${time}`
}
