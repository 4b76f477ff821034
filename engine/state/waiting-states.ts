/**
 * Names of the states in which records wait for their event time, by input. They have a space, as
 * other states of our own, so that no user's state is met by chance.
 */
export const WAITING_STATES = ['waiting records', 'waiting records (right)'] as const

/** The broadcast state in which records of a broadcast stream wait. */
export const BROADCAST_WAITING_STATE = 'waiting records (broadcast)'

export function isWaitingState(name: string): boolean {
  return name === BROADCAST_WAITING_STATE || (WAITING_STATES as readonly string[]).includes(name)
}
