import { constants, openSync, readFileSync, writeSync } from 'node:fs'
import { errnoOf } from './files.ts'

/**
 * Lines that outlive the process that writes them, however it ends: each is handed to the kernel
 * before `append` returns. Several threads may append to one file. Only runs that are broken on
 * purpose have one: it blocks its thread.
 */
export interface Journal {
  append(line: string): void
}

/** Undefined when the file is there already. */
export function createJournal(path: string): Journal | undefined {
  try {
    return journalOn(
      openSync(
        path,
        constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_EXCL,
      ),
    )
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return undefined
    throw error
  }
}

export function joinJournal(path: string): Journal {
  return journalOn(openSync(path, constants.O_WRONLY | constants.O_APPEND))
}

/** The whole lines of a file; none when it is not there. */
export function readLines(path: string): readonly string[] {
  try {
    // What follows the last line break was cut short.
    return readFileSync(path, 'utf8').split('\n').slice(0, -1)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
}

function journalOn(descriptor: number): Journal {
  return {
    append: (line) => {
      writeSync(descriptor, `${line}\n`)
    },
  }
}
