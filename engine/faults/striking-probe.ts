import type { FaultPlace } from './place.ts'
import type { FaultPointName } from './points.ts'
import type { CallOtherwise, FaultProbe } from './probe.ts'
import type { FaultAction } from './schedule.ts'
import { StreamError } from '../base/errors.ts'

/** How a fault ends a life. */
export type LifeEnding = Extract<FaultAction, { type: 'crash' | 'power-loss' | 'torn' | 'rescale' }>

/** What a user may ask for. */
export type FaultRequest = Extract<FaultAction, { type: 'ask' }>['request']

/**
 * What each fault does at each kind of step, the same in simulation and in real runs. How it is
 * done to the world at hand, a subclass says.
 *
 * S1. What is told and decided, `strike` does, once a step and before it is taken.
 * S2. From where the life is over nothing strikes, no message is delivered and no call is made.
 */
export abstract class StrikingProbe implements FaultProbe {
  reach(point: FaultPointName, place: FaultPlace): void {
    const action = this.strike(point, place)
    if (action !== undefined) this.act(action, point)
  }

  hold(point: FaultPointName, place: FaultPlace): Promise<void> | undefined {
    if (this.isOver()) return this.over()
    const action = this.strike(point, place)
    if (action?.type === 'delay') return this.sleep(action.ms)
    if (action !== undefined) this.act(action, point)
    return this.isOver() ? this.over() : undefined
  }

  pass(point: FaultPointName, place: FaultPlace, deliver: () => void): void {
    const action = this.strike(point, place)
    if (action?.type === 'drop') return
    if (action?.type === 'delay') {
      this.later(action.ms, () => {
        if (!this.isOver()) deliver()
      })
      return
    }
    if (action?.type === 'duplicate') deliver()
    else if (action !== undefined) this.act(action, point)
    if (!this.isOver()) deliver()
  }

  async around<T>(
    point: FaultPointName,
    place: FaultPlace,
    call: () => Promise<T>,
    otherwise?: CallOtherwise,
  ): Promise<T> {
    if (this.isOver()) return this.over()
    const action = this.strike(point, place)
    if (action === undefined) return call()
    switch (action.type) {
      case 'delay':
        await this.sleep(action.ms)
        return call()
      case 'errno':
        // One that fails by itself has no effect to keep; it is this errno that is told of.
        if (action.done === true) await call().catch(() => undefined)
        else otherwise?.fail?.()
        break
      case 'torn':
        await otherwise?.part?.(action.bytes)
        break
      case 'throw':
        otherwise?.fail?.()
        break
      default:
        break
    }
    this.act(action, point)
    return this.isOver() ? this.over() : call()
  }

  /** Does to this step what is no matter of messages or calls. */
  protected act(action: FaultAction, point: FaultPointName): void {
    switch (action.type) {
      case 'crash':
      case 'power-loss':
      case 'torn':
      case 'rescale':
        this.end(action)
        break
      case 'throw':
        throw new StreamError('FAULT_INJECTED', `${point} was made to fail`, {
          hint: 'A schedule of faults did it: run the job without one.',
        })
      case 'errno': {
        const message = `${action.errno}: injected at ${point}`
        throw Object.assign(new Error(message), { code: action.errno })
      }
      case 'delay':
        this.stall(action.ms)
        break
      case 'pause':
        this.pause(action.ms)
        break
      case 'clock':
        this.moveClock(action.ms)
        break
      case 'fence':
        this.startTwin(action.takeOver)
        break
      case 'ask':
        this.ask(action.request)
        break
      case 'drop':
      case 'duplicate':
        // No message is here to be lost or doubled.
        break
      default:
        action satisfies never
    }
  }

  /** Notes the step; the fault that strikes there. Undefined, and nothing noted, after the end. */
  protected abstract strike(point: FaultPointName, place: FaultPlace): FaultAction | undefined
  /** Whether the life has ended. */
  protected abstract isOver(): boolean
  /** What a call comes to in a life that has ended: it fails, or never settles. */
  protected abstract over(): Promise<never>
  protected abstract sleep(ms: number): Promise<void>
  protected abstract later(ms: number, callback: () => void): void
  /** A step that cannot wait is late: nothing that would go on beside it goes on. */
  protected abstract stall(ms: number): void
  /** Ends the life: `isOver` from now on. May throw, or not come back. */
  protected abstract end(how: LifeEnding): void
  /** The process stands still. */
  protected abstract pause(ms: number): void
  protected abstract moveClock(ms: number): void
  protected abstract startTwin(takeOver: boolean): void
  protected abstract ask(request: FaultRequest): void
}
