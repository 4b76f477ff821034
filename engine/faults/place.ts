/** Whose step it is. What does not apply is left out. */
export interface FaultPlace {
  /** Of an operator, source or sink. */
  readonly uid?: string
  readonly subtask?: number
  readonly checkpointId?: number
  /** Event time, or the time that a timer was set for, epoch ms. */
  readonly ms?: number
  /** What kind of message or element, where a point has several. */
  readonly what?: string
  /** The file, as its name below the folder that it belongs to. */
  readonly file?: string
}
