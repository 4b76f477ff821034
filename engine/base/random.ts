import { randomBytes } from 'node:crypto'

/** The door for chance. */
export interface Random {
  /** A float in [0, 1). */
  next(): number
  /** An integer in [0, bound). */
  int(bound: number): number
  /** `bytes` random bytes as lower-case hex. */
  hex(bytes: number): string
}

/** The operating system's randomness, for identities that must never repeat. */
export const systemRandom: Random = {
  next: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  int: (bound) => Math.floor(systemRandom.next() * bound),
  hex: (bytes) => randomBytes(bytes).toString('hex'),
}

/** A seeded generator: the same seed gives the same numbers. Algorithm: mulberry32 (T. Ettinger). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    next,
    int: (bound) => Math.floor(next() * bound),
    hex(bytes) {
      let text = ''
      for (let index = 0; index < bytes; index += 1) {
        text += Math.floor(next() * 256)
          .toString(16)
          .padStart(2, '0')
      }
      return text
    },
  }
}
