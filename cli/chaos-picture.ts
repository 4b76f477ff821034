import { extname } from 'node:path'
import type { Examined } from '../engine/chaos/examine.ts'
import type { TerminalOptions } from '../engine/chaos/timeline-terminal.ts'
import { systemFiles } from '../engine/base/files.ts'
import { renderSvg } from '../engine/chaos/timeline-svg.ts'
import { renderTerminal } from '../engine/chaos/timeline-terminal.ts'
import { timelineOf, type TimelineInput } from '../engine/chaos/timeline.ts'

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

/**
 * Shows each failing run in the terminal, and writes it to `file` when that is given: the second to
 * `file` with a 2 before its ending, and so on.
 */
export async function showFailing(
  job: string,
  failing: readonly Examined[],
  file: string | undefined,
): Promise<void> {
  const { stdout } = process
  const terminal = { width: stdout.isTTY ? stdout.columns : COLUMNS, color: stdout.isTTY }
  for (const [index, { run, violations }] of failing.entries()) {
    const picture = pictureOf({ job, ...run, violations }, terminal)
    stdout.write(`\n${picture.terminal}`)
    if (file === undefined) continue
    const ending = extname(file)
    const number = index === 0 ? '' : `-${index + 1}`
    const path = `${file.slice(0, file.length - ending.length)}${number}${ending}`
    const handle = await systemFiles.open(path, 'truncate')
    try {
      await handle.write(new TextEncoder().encode(picture.svg))
    } finally {
      await handle.close()
    }
    stdout.write(`picture: ${path}\n`)
  }
}
