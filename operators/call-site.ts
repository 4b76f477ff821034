/** Where in the user's file a step was written. */
const ROOT = new URL('..', import.meta.url).href
const OWN = [`${ROOT}operators/`, `${ROOT}engine/`]
const FRAME = /(?:\(|at )((?:file:\/\/)?\/[^()]*?):(\d+):\d+\)?$/

/** The innermost line outside of Millrace that led here, as `job.ts:8`; undefined when unknown. */
export function callSite(): string | undefined {
  return siteWithin(FRAMES) ?? siteWithin(FRAMES_MAX)
}

function siteWithin(frames: number): string | undefined {
  const holder: { stack?: string } = {}
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = frames
  Error.captureStackTrace(holder, callSite)
  // Read before the limit is put back: the stack is made when it is first read.
  const stack = holder.stack ?? ''
  Error.stackTraceLimit = limit
  for (const line of stack.split('\n')) {
    const frame = FRAME.exec(line.trimEnd())
    if (frame === null) continue
    const path = frame[1]!
    const url = path.startsWith('file://') ? path : `file://${path}`
    const isOwn = OWN.some((folder) => url.startsWith(folder)) && !url.endsWith('.test.ts')
    if (isOwn || url.includes('/node_modules/')) continue
    return `${decodeURIComponent(url.slice(url.lastIndexOf('/') + 1))}:${frame[2]}`
  }
  return undefined
}

/** A step is called through a few frames of ours, seldom through many: each costs time. */
const FRAMES = 6
const FRAMES_MAX = 30
