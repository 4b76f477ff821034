/** Every bound of a queue, batch, cache, retry or wait that is not an option, with its reason. */

/** Records in a batch: large enough to spread the cost of a hand-over, small enough to stay in L2. */
export const BATCH_RECORDS_MAX = 1_024
/** Bytes of a batch on a ring. A block of text above about 76 KB decodes several times slower. */
export const BATCH_BYTES_MAX = 64 * 1_024
/** All rings of an exchange together, bytes. */
export const EXCHANGE_BYTES_MAX = 64 * 1_024 * 1_024
export const RING_BYTES_MAX = 1_024 * 1_024
/** A ring holds at least two batches, or sender and receiver would take turns. */
export const RING_BYTES_MIN = 2 * BATCH_BYTES_MAX
/** Batches by reference between two subtasks of one worker. */
export const LOCAL_CHANNEL_BATCHES_MAX = 8
/** Splits of one source over a job's life: their numbers, of all sources, are 32-bit integers. */
export const SPLITS_PER_SOURCE_MAX = 4 * 1_024 * 1_024
/** Checkpoints whose committables may wait before no new one is triggered. */
export const UNCOMMITTED_CHECKPOINTS_MAX = 3
/**
 * Heap of all keyed state of the engine before entries go to LevelDB, unless the run says otherwise
 * (`state.cacheMb`); each subtask of each operator with keyed state gets an equal share.
 */
export const STATE_CACHE_MB = 256
/** LevelDB's own write buffer and block cache: a share of the cache in front of it, each within: */
export const STORE_BUFFER_BYTES_MIN = 1_024 * 1_024
export const STORE_BUFFER_BYTES_MAX = 16 * 1_024 * 1_024
/** Timers fired, or records made by finish, before an operator yields its slice. */
export const FIRINGS_PER_SLICE_MAX = 1_024
/**
 * Event-time timers that one key may set behind the end of the input, where each fires at once: six
 * days of a tick a second. More are taken for a chain without an end.
 */
export const TIMERS_AT_END_MAX = 500_000
/** A dying engine's lock is waited for this long before the folder counts as busy. */
export const OWNER_WAIT_MS = 10_000
/** Steps of a task in one slice: about a millisecond of batches, so that I/O and peers get their turn. */
export const SLICE_STEPS_MAX = 8
/**
 * How far a source may be ahead of the slowest one that it meets, where records wait for event
 * time: both bounds count. In memory these records take about four times as much as their text did.
 */
export const ALIGNMENT_DRIFT_MS = 60_000
export const ALIGNMENT_READ_AHEAD_MB = 16
/** A parked worker looks again after this long: processing-time timers need no other alarm. */
export const PARK_MS = 20
/** A step that waits for event time and has had records for this long with none passing is told of. */
export const EVENT_TIME_STALL_MS = 10_000
/** How often a worker reports its counters. */
export const METRICS_EVERY_MS = 500
/** How often the lock is tried meanwhile. */
export const OWNER_POLL_MS = 50
/** Files of a checkpoint verified or copied at the same time, and how much of each is read at once. */
export const FILES_IN_FLIGHT_MAX = 4
export const FILE_CHUNK_BYTES = 1_024 * 1_024
/** How long workers may take to close after the last commit before their threads are ended. */
export const WORKER_CLOSE_MS = 5_000
/** A commit that fails for reasons that may pass is tried again, with pauses that double. */
export const COMMIT_RETRY_FIRST_MS = 20
export const COMMIT_RETRY_MAX_MS = 5_000
/** Then the job fails, and its restart strategy decides. */
export const COMMIT_DEADLINE_MS = 300_000
