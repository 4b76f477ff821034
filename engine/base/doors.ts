import type { FaultProbe } from '../faults/probe.ts'
import type { Clock } from './clock.ts'
import type { Files } from './files.ts'
import type { Logger } from './logger.ts'
import type { Random } from './random.ts'
import { systemClock } from './clock.ts'
import { systemFiles } from './files.ts'
import { systemRandom } from './random.ts'

/** Every way the world comes in, in one value that is handed down (architecture A7, A14). */
export interface Doors {
  readonly clock: Clock
  readonly random: Random
  readonly files: Files
  readonly logger: Logger
  /** In place of node's own, which unpacks on threads of its own: a simulation has none. */
  readonly gunzip?: Gunzip
  /** Only in runs that are broken on purpose. */
  readonly faults?: FaultProbe | undefined
}

/** What comes out of the gzip members of its input, in blocks. Fails when it is cut off or damaged. */
export type Gunzip = (compressed: AsyncIterable<Uint8Array>) => Unpacked

export interface Unpacked extends AsyncIterable<Uint8Array> {
  /** At the end: where the last member ends in the input. zlib passes over what follows a zero. */
  inputBytes(): number
}

export function systemDoors(logger: Logger): Doors {
  return { clock: systemClock, random: systemRandom, files: systemFiles, logger }
}
