import type { FaultPointName } from '../faults/points.ts'
import type { FaultAction, FaultActionType } from '../faults/schedule.ts'
import { faultPoints, type FaultPoint } from '../faults/points.ts'

export type ChaosMode = 'sim' | 'process' | 'threads'

/** Actions that a mode does not have, or that are the same as a crash there. */
const NOT_IN: Readonly<Record<ChaosMode, readonly FaultActionType[]>> = {
  sim: [],
  process: ['power-loss'],
  threads: ['power-loss', 'rescale', 'fence', 'ask'],
}

/** What can be done at a point: a finite list, so that a search can try all of it. */
export function actionsAt(point: FaultPointName, mode: ChaosMode = 'sim'): readonly FaultAction[] {
  const all = simulatedActionsAt(point)
  return mode === 'sim' ? all : all.filter(({ type }) => !NOT_IN[mode].includes(type))
}

function simulatedActionsAt(point: FaultPointName): readonly FaultAction[] {
  const { form }: FaultPoint = faultPoints[point]
  switch (form) {
    case 'step':
      return STEP
    case 'wait':
      return [...STEP, DELAY]
    case 'message':
      return point === 'source.trigger' ? [...MESSAGE] : [...MESSAGE, { type: 'duplicate' }]
    case 'disk':
      return point.endsWith('.write') ? [...DISK, { type: 'torn', bytes: 7 }] : DISK
    default:
      return form satisfies never
  }
}

/** The kinds of faults that the command line knows, and the actions of each. */
export const faultKinds = {
  crash: ['crash'],
  delay: ['delay'],
  drop: ['drop', 'duplicate'],
  errno: ['errno', 'throw'],
  torn: ['torn'],
  powerloss: ['power-loss'],
  clock: ['clock'],
  pause: ['pause'],
  fence: ['fence'],
  rescale: ['rescale'],
  ask: ['ask'],
} as const satisfies Record<string, readonly FaultActionType[]>

export type FaultKind = keyof typeof faultKinds

const HOUR_MS = 3_600_000
const DELAY: FaultAction = { type: 'delay', ms: 100 }

const STEP: readonly FaultAction[] = [
  { type: 'crash' },
  { type: 'power-loss' },
  { type: 'throw' },
  { type: 'pause', ms: 30_000 },
  { type: 'clock', ms: -HOUR_MS },
  { type: 'clock', ms: HOUR_MS },
  { type: 'fence', takeOver: false },
  { type: 'fence', takeOver: true },
  { type: 'rescale', parallelism: 3 },
  { type: 'ask', request: 'savepoint' },
  { type: 'ask', request: 'stop' },
  { type: 'ask', request: 'stop-with-savepoint' },
]

const MESSAGE: readonly FaultAction[] = [
  { type: 'crash' },
  { type: 'power-loss' },
  { type: 'drop' },
  DELAY,
]

const DISK: readonly FaultAction[] = [
  { type: 'crash' },
  { type: 'power-loss' },
  { type: 'errno', errno: 'EIO' },
  { type: 'errno', errno: 'EIO', done: true },
  { type: 'errno', errno: 'ENOSPC' },
  DELAY,
]
