/** Every bound of the Kafka connector that is not an option, with its reason. */

/** Bytes of one fetch response over all its partitions. */
export const FETCH_BYTES_MAX = 4 * 1_024 * 1_024
/** Bytes of one partition in a response; a larger batch still comes whole. */
export const FETCH_PARTITION_BYTES_MAX = 1_024 * 1_024
/** A partition is fetched again when less than this is buffered: one response ahead of the task. */
export const PARTITION_AHEAD_BYTES = 1_024 * 1_024
/** Fetched and not yet read, over all partitions of one reader. */
export const READ_AHEAD_BYTES_MAX = 16 * 1_024 * 1_024
/** Long poll of the broker when nothing is there. */
export const FETCH_WAIT_MS = 500
/**
 * Long poll while a partition of the same broker is left out because it is full: short, since that
 * one may be read empty meanwhile; longer with each in a row, since the task may be held up.
 */
export const FETCH_WAIT_CROWDED_MIN_MS = 4
export const FETCH_WAIT_CROWDED_MAX_MS = 64
/** A batch grows to this when decompressed, or is refused: 1 MB of lz4 may claim 255 MB. */
export const DECOMPRESSED_BYTES_MAX = 256 * 1_024 * 1_024
/** Bytes of values in one record batch: keeps batches of large records small. */
export const VALUE_BYTES_MAX = 256 * 1_024
/** A new connection, with its handshake. */
export const CONNECT_TIMEOUT_MS = 5_000
export const AUTHENTICATION_TIMEOUT_MS = 10_000
/** A request without answer: longer than any long poll, shorter than the deadline below. */
export const REQUEST_TIMEOUT_MS = 15_000
/** First and longest wait between attempts. */
export const BACK_OFF_MIN_MS = 10
export const BACK_OFF_MAX_MS = 1_000
/** An outage is logged when it has lasted so long; shorter ones are everyday life. */
export const OUTAGE_LOGGED_AFTER_MS = 1_000
/** A topic just made is unknown to some brokers for a moment. */
export const TOPIC_MISSING_AFTER_MS = 3_000
/** Closing does not wait longer for what is under way; its connections are cut already. */
export const CLOSE_WAIT_MS = 100
/** Group offsets are a hint for lag tools: no longer than this is spent on one commit. */
export const OFFSET_COMMIT_MS = 10_000
/** Nor at the end of a job: a cold coordinator takes half of this. */
export const LAST_COMMIT_WAIT_MS = 1_000
/** A recording is held in memory, and written out with each failure that it has shown. */
export const RECORDED_BYTES_MAX = 32 * 1_024 * 1_024
/** Whoever asks for a recording sits before it. */
export const RECORDING_UNREACHABLE_AFTER_MS = 10_000
