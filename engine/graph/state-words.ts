import type { StateDescriptor } from '../state/state.ts'

/**
 * The states of a step as people read them: those that a job declares by their own names, those
 * that the engine keeps for a declared step by what they hold.
 */
export function stateWords(kind: string, states: readonly StateDescriptor[]): readonly string[] {
  if (states.length === 0) return []
  if (kind.startsWith('window-')) {
    return [states.some(({ name }) => name === 'sessions') ? 'open sessions' : 'open windows']
  }
  const words = WORDS[kind]
  if (words !== undefined) return [words]
  return states.map((state) => `${state.name} (${state.type})`)
}

const WORDS: Readonly<Record<string, string>> = {
  aggregate: 'the aggregates so far',
  reduce: 'the reduced value so far',
  'top-n': 'the best rows of open windows',
  'interval-join': 'records of both sides',
}
