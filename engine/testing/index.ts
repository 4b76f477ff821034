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
