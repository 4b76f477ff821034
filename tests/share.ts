/**
 * How much of a search a test does: its share of a CI run, or the whole of a soak
 * (`npm run soak`, which sets MILLRACE_TEST_SOAK). What was done is printed, and kept for
 * docs/guarantees.md.
 */
import { appendFileSync } from 'node:fs'

/** `ci` in a test run, `whole` in a soak; MILLRACE_TEST_SHARE scales the first, for a quick look. */
export function share(ci: number, whole: number): number {
  if (process.env['MILLRACE_TEST_SOAK'] === '1') return whole
  return Math.max(1, Math.round(ci * Number(process.env['MILLRACE_TEST_SHARE'] ?? 1)))
}

/** The first seed of a search. A soak takes another each time it is told to. */
export function firstSeed(): number {
  return Number(process.env['MILLRACE_TEST_SEED'] ?? 1)
}

/** Prints what was done; a soak appends it to the file MILLRACE_TEST_FIGURES, one JSON object a line. */
export function figures(what: string, counts: Readonly<Record<string, number | string>>): void {
  const line = JSON.stringify({ what, ...counts })
  process.stdout.write(`figures ${line}\n`)
  const file = process.env['MILLRACE_TEST_FIGURES']
  if (file !== undefined) appendFileSync(file, `${line}\n`)
}
