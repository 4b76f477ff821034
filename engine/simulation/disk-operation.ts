import type { Files } from '../base/files.ts'

/** One call of the door, before it takes effect. */
export interface DiskOperation {
  /** Counts all operations of the disk, from 0. */
  readonly index: number
  readonly kind: keyof Files | 'write' | 'read' | 'sync' | 'size' | 'close'
  readonly path: string
}
