/**
 * Timers of the current key. Event-time timers fire when the watermark reaches `atMs`,
 * processing-time timers when the clock does. One timer a key, kind and time: registering it twice
 * is once. Timers are keyed state: they are in every snapshot and move with their key group.
 */
export interface TimerService {
  readonly watermarkMs: number
  readonly processingTimeMs: number
  registerEventTimeTimer(atMs: number): void
  deleteEventTimeTimer(atMs: number): void
  registerProcessingTimeTimer(atMs: number): void
  deleteProcessingTimeTimer(atMs: number): void
}
