import type { TimelineInput } from '../../engine/chaos/timeline/model.ts'
import type { TerminalOptions } from '../../engine/chaos/timeline/terminal.ts'
import { renderSvg } from '../../engine/chaos/timeline/svg.ts'
import { renderTerminal } from '../../engine/chaos/timeline/terminal.ts'
import { timelineOf } from '../../engine/chaos/timeline/timeline.ts'

/** A run as a picture, for the terminal and for a file. */
export interface Picture {
  readonly terminal: string
  readonly svg: string
}

const COLUMNS = 100
const PLAIN: TerminalOptions = { width: COLUMNS, color: false }

export function pictureOf(run: TimelineInput, terminal: TerminalOptions = PLAIN): Picture {
  const timeline = timelineOf(run)
  return { terminal: renderTerminal(timeline, terminal), svg: renderSvg(timeline) }
}
