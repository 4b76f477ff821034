export type { OperatorSubject } from './operator-host.ts'
export type { TestElement } from './verify-operator.ts'
export {
  end,
  idle,
  processingTime,
  record,
  side,
  verifyOperator,
  watermark,
} from './verify-operator.ts'
export type { TestJob, TestJobOptions } from './test-job.ts'
export { testJob } from './test-job.ts'
export type { RunJobOptions, RunningJob } from '../job/run-job.ts'
export { runJob } from '../job/run-job.ts'
export type { ChaosOptions, ChaosResult } from './chaos-result.ts'
export { expectExactlyOnce, runChaos } from './run-chaos.ts'
export type { FaultMoment, Sentinel } from './fault-actions.ts'
export {
  ask,
  chaos,
  crash,
  delay,
  drop,
  duplicate,
  endOfInput,
  errno,
  fence,
  moveClock,
  pause,
  powerLoss,
  rescale,
  throws,
  torn,
} from './fault-actions.ts'
export { testSource } from './test-source.ts'
export type { Fault, FaultAction } from '../faults/schedule.ts'
export type { FaultPointName } from '../faults/points.ts'
export type { Violation } from '../chaos/violation.ts'
