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
