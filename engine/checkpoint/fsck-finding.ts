import { messageOf, StreamError } from '../base/errors.ts'

/** Something that is not as it should be. */
export interface Finding {
  /** `damage`: a restore would fail or be wrong. `note`: odd, and nothing depends on it. */
  readonly level: 'damage' | 'note'
  readonly file: string
  /** What was found, as an error message has it. */
  readonly what: string
}

export function hasDamage(findings: readonly Finding[]): boolean {
  return findings.some(({ level }) => level === 'damage')
}

/** What a reader threw about a file; what the disk refuses to give is damage too. */
export function damageOf(error: unknown, file: string): Finding {
  if (error instanceof StreamError && error.code !== 'CHECKPOINT_DAMAGED') throw error
  const message = messageOf(error)
  const begin = [`"${file}" is damaged: `, `state file "${file}" `].find((text) =>
    message.startsWith(text),
  )
  return { level: 'damage', file, what: message.slice(begin?.length ?? 0) }
}
