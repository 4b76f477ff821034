import type { FaultPlace } from '../faults/place.ts'
import type { FaultProbe } from '../faults/probe.ts'
import type { GateEvent } from './input-gate.ts'

/** Fault points of what a task has read, before it is processed. */
export function tellEvent(faults: FaultProbe, place: FaultPlace, event: GateEvent): void {
  switch (event.type) {
    case 'batch':
      faults.reach('task.batch', { ...place, what: String(event.batch.count) })
      break
    case 'watermark':
      faults.reach('task.watermark', { ...place, ms: event.ms })
      break
    case 'idle':
      faults.reach('task.idle', { ...place, what: event.idle ? 'idle' : 'active' })
      break
    case 'barrier':
      faults.reach('align.done', {
        ...place,
        checkpointId: event.barrier.checkpointId,
      })
      break
    case 'end':
      faults.reach('task.ended', place)
      break
    default:
      event satisfies never
  }
}
